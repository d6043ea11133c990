#!/usr/bin/env bash
# What is handed out for Linux x86-64, into target/archives: an archive and a .deb, each with the program (the console is in it), the plugins, the
# contract, the documents, licences and SBOM; the debug information apart; checksums. `make dist` brings what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/dist-parts.sh

echo "dist: the program for Linux (a quarter of an hour, the first time)"
# Functions that came out the same are kept once, where the linker knows how (rustc's own does).
same=()
if echo 'fn main() {}' | rustc --crate-name same --out-dir "$work" -C link-arg=-Wl,--icf=safe - 2>/dev/null; then
  same=(-C link-arg=-Wl,--icf=safe)
fi
cargo rustc --quiet --locked --profile dist -p tandem --bin tandem -- "${same[@]}"
program=target/dist/tandem
name=tandem-$version-linux-x86_64
fresh "$name"
fresh "tandem_${version}_"
stage=$work/$name
parts "$stage" x86_64-unknown-linux-gnu
split "$program" "$stage/tandem" "$out/$name.debug" objcopy
unpacked "$stage/tandem"
# Two simulators, so that it can be tried without B1 and Salesforce; who installs the .deb has both.
cargo build --quiet --locked --profile dist -p tandem-simulators --bins
for simulator in "${simulators[@]}"; do
  objcopy --strip-all "target/dist/$simulator" "$stage/$simulator"
  chmod 755 "$stage/$simulator"
done

# The oldest glibc that it runs with is what its symbols ask for, not what this machine has.
glibc=$(objdump -T "$stage/tandem" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -uV | tail -n 1)
# Systems and the glibc that they came with.
runs=()
for system in 'RHEL 8:2.28' 'Debian 11:2.31' 'Ubuntu 20.04:2.31' 'RHEL 9:2.34' 'Ubuntu 22.04:2.35' 'Debian 12:2.36' 'Ubuntu 24.04:2.39' 'RHEL 10:2.39' 'Debian 13:2.41'; do
  if printf '%s\n%s\n' "$glibc" "${system##*:}" | sort -CV; then runs+=("${system%:*}"); fi
done
echo "$glibc" >"$stage/docs/glibc.txt"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$when" -C "$work" -c "$name" | gzip -9n >"$out/$name.tar.gz"

# Debian's package: the same files at their places. The service is `tandem service install`.
root=$work/deb
docs=$root/usr/share/doc/tandem
mkdir -p "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib/tandem" "$docs"
cp "$stage/tandem" "$root/usr/bin/"
cp -r "$stage/plugins" "$root/usr/lib/tandem/plugins"
cp -r "$stage/docs/." "$stage/licences" "$stage/sbom" "$stage/wit" "$docs/"
cp LICENSE "$docs/copyright"
gzip -9n <CHANGELOG.md >"$docs/changelog.gz"
cat >"$root/DEBIAN/control" <<END
Package: tandem
Version: $version
Architecture: amd64
Maintainer: Tandem
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: libc6 (>= $glibc), libgcc-s1, ca-certificates
Section: net
Priority: optional
Description: Keeps SAP Business One and Salesforce in step
 One program with an embedded database, beside B1, that connects outward only.
 Plugins lie in /usr/lib/tandem/plugins: \`tandem plugin add\` takes them from there.
END
cp scripts/deb/* "$root/DEBIAN/"
find "$root" -exec touch --no-dereference --date="@$when" {} +
chmod -R u=rwX,go=rX "$root"
chmod 755 "$root"/DEBIAN/{postinst,prerm}
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/tandem_${version}_amd64.deb" >/dev/null

fits "$out/$name.tar.gz" "$out/tandem_${version}_amd64.deb"
sums
echo "dist: for glibc $glibc and later: $(printf '%s, ' "${runs[@]}" | sed 's/, $//')"
ls -l "$out"
