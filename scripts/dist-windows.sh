#!/usr/bin/env bash
# What is handed out for Windows x86-64, into target/archives: a zip and an installer with the same in them. Built on Linux with Debian's mingw.
# Where the compiler's parts for Windows or mingw are not there it says so and makes nothing. `make dist` brings what can be had.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
lacks=()
[ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || lacks+=("Rust's $target")
for program in x86_64-w64-mingw32-gcc x86_64-w64-mingw32-windres makensis zip; do command -v $program >/dev/null || lacks+=($program); done
if [ ${#lacks[@]} -gt 0 ]; then
  echo "dist: NOTICE: nothing for Windows is made: this machine lacks $(printf '%s, ' "${lacks[@]}" | sed 's/, $//')" >&2
  exit 0
fi
. scripts/dist-parts.sh

echo "dist: the program for Windows (a quarter of an hour, the first time)"
# What Windows shows of it, in four numbers and in words.
numbers=${version%%[-+]*}
details=$PWD/target/tandem.res.o
x86_64-w64-mingw32-windres -D VERSION="$version" -D NUMBERS="${numbers//./,},0" -I scripts scripts/windows-program.rc -O coff -o "$details"
cargo rustc --quiet --locked --profile dist -p tandem --bin tandem --target "$target" -- -C link-arg="$details"
name=tandem-$version-windows-x86_64
fresh "$name"
stage=$work/$name
parts "$stage" "$target"
split "target/$target/dist/tandem.exe" "$stage/tandem.exe" "$out/$name.debug" x86_64-w64-mingw32-objcopy
unpacked "$stage/tandem.exe"
# Two simulators, so that it can be tried without B1 and Salesforce.
cargo build --quiet --locked --profile dist -p tandem-simulators --bins --target "$target"
for simulator in "${simulators[@]}"; do
  x86_64-w64-mingw32-objcopy --strip-all "target/$target/dist/$simulator.exe" "$stage/$simulator.exe"
done
# What the uninstaller takes away: these files, and folders that are empty then.
(cd "$stage" && find . -type f -printf '%P\n' | LC_ALL=C sort | sed 's#/#\\#g; s#.*#Delete "$INSTDIR\\&"#') >"$work/files.nsh"
(cd "$stage" && find . -mindepth 1 -depth -type d -printf '%P\n' | sed 's#/#\\#g; s#.*#RMDir "$INSTDIR\\&"#') >>"$work/files.nsh"
find "$stage" -exec touch --no-dereference --date="@$when" {} +
rm -f "$out/$name.zip"
(cd "$work" && find "$name" -print | LC_ALL=C sort | zip -q -9 -X "$OLDPWD/$out/$name.zip" -@)
makensis -V2 -DVERSION="$version" -DNUMBERS="$numbers.0" -DSTAGE="$stage" -DFILES="$work/files.nsh" -DOUT="$PWD/$out/$name-setup.exe" scripts/windows-installer.nsi >/dev/null
fits "$out/$name.zip" "$out/$name-setup.exe"
sums
ls -l "$out"
