#!/usr/bin/env bash
# Checks the host for Windows from Linux: compiles it, with what it has in C, for x86_64-pc-windows-gnu. Needs rustup's downloads, which not
# every machine reaches: so it is no part of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
if ! command -v x86_64-w64-mingw32-gcc >/dev/null; then
  echo "setup: apt-get install gcc-mingw-w64-x86-64"
  if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends gcc-mingw-w64-x86-64 >/dev/null
fi
rustup target add "$target"
cargo check --locked -p tandem --all-targets --target "$target"
