# What all that is handed out has in common; read by dist.sh and dist-windows.sh, from the root of the repository.
tools=${TANDEM_TOOLS:-$HOME/.cache/tandem}
export PATH=$tools/bin:$PATH
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The last change's time stands on all files: the same sources make the same archive.
when=$(git log -1 --format=%ct)
out=target/archives
# setup-dist.sh says where npm is that can list what the pages are made of.
npm=$tools/npm/node_modules/.bin/npm
[ -x "$npm" ] || npm=npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# Plugins that come along: those that are flows.
flows=(orders accounts catalogue credit fulfilment inventory invoices)
# What the demo starts beside the program.
simulators=(tandem-sim-b1 tandem-sim-salesforce)
# Bytes of what is handed out at most, and of the program as it is unpacked, which is told where it has more.
most=60000000

# parts FOLDER TARGET: all but the program.
parts() {
  mkdir -p "$1/plugins" "$1/docs" "$1/licences" "$1/sbom"
  for flow in "${flows[@]}"; do
    cp "plugins/target/wasm32-unknown-unknown/release/$flow.wasm" "$1/plugins/"
  done
  cp -r wit "$1/wit"
  cp -r docs/*.md docs/flows docs/pictures "$1/docs/"
  cp -r docs/monitoring "$1/docs/"
  # Pictures of pages are for those who work on them, but for those that a guide shows.
  (cd "$1/docs" && find pictures/console -type f | while read -r picture; do
    grep -qF "$picture" ./*.md || rm "$picture"
  done)
  cp CHANGELOG.md LICENSE "$1/"
  cp scripts/dist-readme.md "$1/README.md"
  # What is installed in the org, as it is in the repository: also what the simulated org of the demo has its fields from.
  git archive HEAD salesforce-package | tar -x -C "$1"
  bill "$1/sbom" "$2"
  for workspace in host plugins; do
    cargo about generate --locked --config scripts/about.toml --target "$2" --manifest-path "$workspace/Cargo.toml" \
      --output-file "$1/licences/$workspace.html" scripts/about.hbs 2>"$work/about.log" || { cat "$work/about.log" >&2; return 1; }
  done
  # The console's pages hold packages of npm: their licences as they came with them.
  node scripts/console-licences.mjs >"$1/licences/console.html"
}

# bill FOLDER TARGET: a bill of materials (CycloneDX) of the host, of each plugin and of the console's pages.
bill() {
  cargo cyclonedx --quiet --format json --target "$2" --override-filename tandem.cdx --manifest-path host/Cargo.toml
  mv host/tandem.cdx.json "$1/host.cdx.json"
  cargo cyclonedx --quiet --format json --target wasm32-unknown-unknown --override-filename tandem.cdx --manifest-path plugins/Cargo.toml
  for flow in "${flows[@]}"; do mv "plugins/$flow/tandem.cdx.json" "$1/plugin-$flow.cdx.json"; done
  find host plugins tests -name tandem.cdx.json -not -path '*/target/*' -delete
  (cd host/console && "$npm" sbom --sbom-format cyclonedx --omit dev) >"$1/console.cdx.json"
}

# split PROGRAM INTO DEBUG OBJCOPY: the program without its debug information, and that apart, compressed.
split() {
  "$4" --only-keep-debug "$1" "$work/debug"
  "$4" --strip-all "$1" "$2"
  (cd "$work" && cp debug "$(basename "$3")")
  "$4" --add-gnu-debuglink="$work/$(basename "$3")" "$2"
  chmod 755 "$2"
  gzip -9n <"$work/debug" >"$3.gz"
  rm "$work/debug" "$work/$(basename "$3")"
}

# fresh PREFIX: what is there of an earlier version, or of an earlier try at this one, is not taken for this one's.
fresh() {
  find "$out" -maxdepth 1 -type f \( -name "$1*" -o -name SHA256SUMS \) -delete
}

# unpacked PROGRAM: says so where it is larger than is aimed at.
unpacked() {
  local size
  size=$(stat -c %s "$1")
  if [ "$size" -gt $most ]; then echo "dist: NOTICE: $(basename "$1") has $size bytes unpacked, more than the $most aimed at" >&2; fi
}

# fits FILE...: none is larger than is told.
fits() {
  local file size
  for file in "$@"; do
    size=$(stat -c %s "$file")
    if [ "$size" -gt $most ]; then
      echo "dist: $file has $size bytes, more than $most" >&2
      return 1
    fi
  done
}

# Checksums of all that is there.
sums() {
  (cd "$out" && rm -f SHA256SUMS && sha256sum -- * >../SHA256SUMS.new && mv ../SHA256SUMS.new SHA256SUMS)
}
