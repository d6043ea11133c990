#!/usr/bin/env bash
# Installs what a bare Debian 12 with Rust lacks to build and to run: a C compiler, protoc, Node, the wasm target. Safe to run
# again; does nothing when all is there. Prints one line for each thing it does.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=${TANDEM_TOOLS:-$HOME/.cache/tandem}
mkdir -p "$tools"

source "$(dirname "$0")/install.sh"
need=()
command -v cc >/dev/null || need+=(gcc libc6-dev)
command -v protoc >/dev/null || need+=(protobuf-compiler)
command -v curl >/dev/null || need+=(curl)
command -v node >/dev/null && command -v npm >/dev/null || need+=(nodejs npm)
packages "${need[@]}"
# Debian 12 has Node 18; the console's pages and what checks the package need 20.19. npm carries newer ones.
export PATH=$tools/bin:$PATH
if [ "$(node -p 'const [major, minor] = process.versions.node.split("."); Number(major > 20 || (major == 20 && minor >= 19))')" = 0 ]; then
  echo "setup: npm install node 22"
  mkdir -p "$tools/node" "$tools/bin"
  npm install --silent --no-audit --no-fund --prefix "$tools/node" "node-linux-$(node -p process.arch)@22.23.3" >/dev/null
  ln -sf "$tools/node/node_modules/node-linux-$(node -p process.arch)/bin/node" "$tools/bin/node"
fi

command -v cargo >/dev/null || { echo "setup: Rust is missing: install it from your distribution or https://rustup.rs" >&2; exit 1; }

# The wasm toolchain: rustup's own where it can download, else one built from Debian's packages.
has_target() { [ -d "$("$1" --print sysroot)/lib/rustlib/wasm32-unknown-unknown/lib" ]; }
choice=$tools/wasm-rustc
if ! { [ -s "$choice" ] && has_target "$(cat "$choice")"; }; then
  rustc=$(rustup which rustc 2>/dev/null || command -v rustc)
  if ! has_target "$rustc"; then
    echo "setup: rustup target add wasm32-unknown-unknown"
    timeout 60 rustup target add wasm32-unknown-unknown >/dev/null 2>&1 || true
  fi
  if ! has_target "$rustc"; then
    echo "setup: rustup cannot download; making a wasm toolchain from Debian's packages (about a minute, once)"
    "$root/scripts/wasm-toolchain.sh" "$tools/wasm-toolchain"
    rustc=$tools/wasm-toolchain/bin/rustc
  fi
  echo "$rustc" >"$choice"
fi
