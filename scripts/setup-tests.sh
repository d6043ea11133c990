#!/usr/bin/env bash
# Installs what the tests need beyond `setup.sh`: cargo-deny, Java and the npm packages that check the Salesforce package,
# Chromium for its pages, a PostgreSQL server, the clients of the conformance tests with Python and Node, and a provider to sign in at.
# Safe to run again; does nothing when all is there. Prints one line for each thing it does.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tools=${TANDEM_TOOLS:-$HOME/.cache/tandem}
mkdir -p "$tools"

source "$(dirname "$0")/install.sh"
need=()
python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3 python3-venv)
command -v java >/dev/null || need+=(openjdk-17-jre-headless)
command -v chromium >/dev/null || need+=(chromium)
# The server of the tests' own databases: they start it themselves, none of the system's is to run.
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then as=; else as=sudo; fi
  $as mkdir -p /etc/postgresql-common/createcluster.d
  echo "create_main_cluster = false" | $as tee /etc/postgresql-common/createcluster.d/tandem.conf >/dev/null
  need+=(postgresql)
fi
packages "${need[@]}"

export PATH=$tools/bin:$PATH

program cargo-deny 0.20.2

# Other people's clients: Python and Node packages, pinned, anew when the lists change.
clients=$tools/conformance
stamp=$(cat "$root"/tests/conformance/python/requirements*.txt "$root"/tests/conformance/node/package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat "$clients/stamp" 2>/dev/null)" != "$stamp" ]; then
  echo "setup: pip and npm install the clients of the conformance tests"
  rm -rf "$clients"
  mkdir -p "$clients/node"
  python3 -m venv "$clients/venv"
  "$clients/venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/conformance/python/requirements.txt"
  # The tap wants versions of its own.
  python3 -m venv "$clients/tap"
  "$clients/tap/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/conformance/python/requirements-tap.txt"
  # What tries an API by its own document.
  python3 -m venv "$clients/api"
  "$clients/api/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/conformance/python/requirements-api.txt"
  # The protocol by which agents call tools.
  python3 -m venv "$clients/mcp"
  "$clients/mcp/bin/pip" install --quiet --disable-pip-version-check -r "$root/tests/conformance/python/requirements-mcp.txt"
  cp "$root"/tests/conformance/node/package*.json "$clients/node/"
  (cd "$clients/node" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null)
  echo "$stamp" >"$clients/stamp"
fi

# The OpenID provider that people sign in at, in the end-to-end tests.
provider=$tools/provider
stamp=$(sha256sum <"$root/tests/e2e/provider/package-lock.json" | cut -d' ' -f1)
if [ "$(cat "$provider/stamp" 2>/dev/null)" != "$stamp" ]; then
  echo "setup: npm ci of the tests' OpenID provider"
  rm -rf "$provider"
  mkdir -p "$provider"
  cp "$root"/tests/e2e/provider/package*.json "$provider/"
  (cd "$provider" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null)
  echo "$stamp" >"$provider/stamp"
fi

# What checks the Salesforce package: pinned, in its own folder, anew when the list changes.
package=$root/salesforce-package
stamp=$(sha256sum <"$package/package-lock.json" | cut -d' ' -f1)
if [ "$(cat "$package/node_modules/.stamp" 2>/dev/null)" != "$stamp" ]; then
  echo "setup: npm ci in salesforce-package (a minute, once)"
  (cd "$package" && npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null)
  echo "$stamp" >"$package/node_modules/.stamp"
fi
