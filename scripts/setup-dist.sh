#!/usr/bin/env bash
# Installs what archives and the Windows build need beyond `setup.sh`: the C compiler for Windows, Wine, the installer's maker, and what lists
# components and licences. Safe to run again; does nothing when all is there. Prints one line for each thing it does.
# Where the compiler's parts for Windows cannot be had here it says so: all else is there, and `make dist` makes what is for Linux.
set -euo pipefail
tools=${TANDEM_TOOLS:-$HOME/.cache/tandem}
mkdir -p "$tools"

source "$(dirname "$0")/install.sh"
need=()
command -v x86_64-w64-mingw32-gcc >/dev/null || need+=(gcc-mingw-w64-x86-64)
command -v makensis >/dev/null || need+=(nsis)
command -v zip >/dev/null || need+=(zip)
command -v curl >/dev/null || need+=(curl)
command -v python3 >/dev/null || need+=(python3)
packages "${need[@]}"

# What lists the console's packages came with npm 9.9; Debian 12 has 9.2.
export PATH=$tools/bin:$PATH
if ! printf '9.9\n%s\n' "$(npm --version)" | sort -CV && [ ! -x "$tools/npm/node_modules/.bin/npm" ]; then
  echo "setup: npm install npm 10"
  mkdir -p "$tools/npm"
  npm install --silent --no-audit --no-fund --prefix "$tools/npm" npm@10.9.9 >/dev/null
fi

program cargo-cyclonedx 0.5.9
program cargo-about 0.9.3 --features cli

target=x86_64-pc-windows-gnu
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
  echo "setup: rustup target add $target"
  if ! timeout 300 rustup target add "$target" >/dev/null 2>&1; then
    echo "setup: NOTICE: Rust's $target cannot be had here: nothing can be built for Windows on this machine" >&2
  fi
fi
