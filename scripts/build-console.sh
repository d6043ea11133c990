#!/usr/bin/env bash
# Builds the console's pages into host/console/dist, which the binary carries. Does nothing when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/../host/console"
tools=${TANDEM_TOOLS:-$HOME/.cache/tandem}
export PATH=$tools/bin:$PATH
lock=$(sha256sum <package-lock.json | cut -d' ' -f1)
if [ "$(cat node_modules/.stamp 2>/dev/null)" != "$lock" ]; then
  echo "setup: npm ci in host/console (a minute, once)"
  npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null
  echo "$lock" >node_modules/.stamp
fi
sources=$(find src build index.html package-lock.json tsconfig.json vite.config.ts -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1)
if [ ! -f dist/index.html ] || [ "$(cat node_modules/.built 2>/dev/null)" != "$sources" ]; then
  echo "setup: the console's pages are built"
  npm run --silent build >node_modules/.build.log 2>&1 || { cat node_modules/.build.log >&2; exit 1; }
  echo "$sources" >node_modules/.built
fi
