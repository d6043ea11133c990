#!/usr/bin/env bash
# Checks the host for Windows from Linux: clippy on all that is compiled for it only there, and the whole program, linked, with what it has in C.
# `scripts/setup-dist.sh` brings what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
cargo clippy --locked -p tandem --all-targets --target "$target" -- -D warnings
cargo build --locked -p tandem --bins --target "$target"
