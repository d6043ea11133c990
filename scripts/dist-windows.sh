#!/usr/bin/env bash
# What is handed out for Windows x86-64, into target/archives: a zip and an installer with the same in them. Built on Linux with Debian's mingw.
# Where rustup cannot download the target it says so and makes nothing: exit code 3. `make dist` brings what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
  echo "dist: rustup could not download $target here: there is no archive for Windows" >&2
  exit 3
fi
. scripts/dist-parts.sh

echo "dist: the program for Windows (a quarter of an hour, the first time)"
cargo build --quiet --locked --profile dist -p tandem --bins --target "$target"
name=tandem-$version-windows-x86_64
stage=$work/$name
parts "$stage" "$target"
split "target/$target/dist/tandem.exe" "$stage/tandem.exe" "$out/$name.debug" x86_64-w64-mingw32-objcopy
find "$stage" -exec touch --no-dereference --date="@$when" {} +
rm -f "$out/$name.zip"
(cd "$work" && find "$name" -print | LC_ALL=C sort | zip -q -9 -X "$OLDPWD/$out/$name.zip" -@)
makensis -V2 -DVERSION="$version" -DSTAGE="$stage" -DOUT="$PWD/$out/$name-setup.exe" scripts/windows-installer.nsi >/dev/null
fits "$out/$name.zip" "$out/$name-setup.exe"
sums
ls -l "$out"
