#!/usr/bin/env bash
# What is handed out for Linux x86-64, into target/archives: an archive and a .deb, each with the program (the console is in it), the plugins, the
# contract, the documents, licences and SBOM; the debug information apart; checksums. `make dist` brings what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/dist-parts.sh

echo "dist: the program for Linux (a quarter of an hour, the first time)"
cargo build --quiet --locked --profile dist -p tandem --bins
program=target/dist/tandem
name=tandem-$version-linux-x86_64
stage=$work/$name
parts "$stage" x86_64-unknown-linux-gnu
split "$program" "$stage/tandem" "$out/$name.debug" objcopy

# The oldest glibc that it runs with is what its symbols ask for, not what this machine has.
glibc=$(objdump -T "$stage/tandem" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | cut -d_ -f2)
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
find "$root" -exec touch --no-dereference --date="@$when" {} +
chmod -R u=rwX,go=rX "$root"
dpkg-deb --root-owner-group -Zxz --build "$root" "$out/tandem_${version}_amd64.deb" >/dev/null

fits "$out/$name.tar.gz" "$out/tandem_${version}_amd64.deb"
sums
echo "dist: for glibc $glibc and later (Debian 12, Ubuntu 22.04, RHEL 9):"
ls -l "$out"
