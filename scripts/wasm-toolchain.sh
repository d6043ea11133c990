#!/usr/bin/env bash
# A private Rust that can build for wasm32-unknown-unknown, from Debian's security packages and crates.io alone: for
# machines where rustup downloads nothing. Touches neither /usr nor rustup. Usage: wasm-toolchain.sh PREFIX
# The prefix cannot be moved afterwards. Needs about 1.3 GB while building.
set -euo pipefail
prefix=$(realpath -m "${1:?usage: wasm-toolchain.sh PREFIX}")
host=x86_64-unknown-linux-gnu
target=wasm32-unknown-unknown
work=$prefix/.work

apt-cache policy rustc-web | grep -q 'Candidate: [0-9]' || apt-get update -qq
candidate=$(apt-cache policy rustc-web | sed -n 's/ *Candidate: \([0-9]*\.[0-9]*\)\..*/\1/p')
if [ -z "$candidate" ]; then
  echo "wasm-toolchain: this machine's Debian has no package rustc-web; run 'rustup target add $target' where there is a network" >&2
  exit 1
fi
# The LLVM that belongs to it is whatever the package depends on.
llvm=$(apt-cache depends rustc-web | sed -n 's/.*Depends: libllvm\([0-9]*\).*/\1/p' | head -n 1)
stamp=$prefix/.done-$candidate
if [ -e "$stamp" ]; then exit 0; fi
rm -rf "$prefix"
mkdir -p "$work/debs" "$prefix/bin" "$prefix/libexec"
cd "$work/debs"
apt-get download -qq rustc-web "libstd-rust-web-$candidate" libstd-rust-web-dev rust-web-src rust-web-llvm "libllvm$llvm" "lld-$llvm"
for package in *.deb; do
  case $package in
    rust-web-src_*) dpkg --fsys-tarfile "$package" | tar -x -C "$work" --wildcards './usr/src/rustc-*/library' ;;
    *) dpkg -x "$package" "$work/x" ;;
  esac
done
cp -a "$work/x/usr/lib/." "$prefix/lib/"
for binary in rustc rustdoc; do
  cp "$work/x/usr/bin/$binary" "$prefix/libexec/$binary"
  # Debian's binaries look for their libraries under /usr: a wrapper tells them where they are.
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %s/libexec/%s "$@"\n' \
    "$prefix" "$prefix" "$binary" >"$prefix/bin/$binary"
  chmod +x "$prefix/bin/$binary"
done
bin=$prefix/lib/rustlib/$host/bin
lld=$prefix/lib/llvm-$llvm/bin/lld
mkdir -p "$bin/gcc-ld"
for name in rust-lld wasm-ld gcc-ld/wasm-ld; do ln -sf "$lld" "$bin/$name"; done
rm -rf "$prefix/lib/rustlib/src"
mkdir -p "$prefix/lib/rustlib/src/rust"
mv "$work"/usr/src/rustc-*/library "$prefix/lib/rustlib/src/rust/"
env -u RUSTUP_TOOLCHAIN -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u CARGO_BUILD_TARGET \
  RUSTC_BOOTSTRAP=1 RUSTC="$prefix/bin/rustc" CARGO_TARGET_DIR="$work/target" __CARGO_DEFAULT_LIB_METADATA=stablestd \
  RUSTFLAGS="-Cembed-bitcode=yes -Zforce-unstable-if-unmarked" \
  cargo build -q --release --locked --target $target \
  --manifest-path "$prefix/lib/rustlib/src/rust/library/sysroot/Cargo.toml" --features panic-unwind
libraries=$prefix/lib/rustlib/$target/lib
rm -rf "$libraries"
mkdir -p "$libraries/self-contained"
cp "$work/target/$target/release/deps/"*.rlib "$libraries/"
cd /
rm -rf "$work"
touch "$stamp"
"$prefix/bin/rustc" -V
