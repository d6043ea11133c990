#!/usr/bin/env bash
# The Windows program under Wine, against both simulators on this machine: check, run, orders won, killed, started again, each order once.
# Usage: windows-smoke.sh TANDEM.EXE. Simulators come from target/debug (`cargo build -p tandem-simulators --bins`).
# What Wine does not show: the service control manager, the event log, rights of accounts, virus scanners that hold files, paths over 260 letters.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:?usage: windows-smoke.sh TANDEM.EXE}")
simulators=$PWD/target/debug
wasm=$PWD/plugins/target/wasm32-unknown-unknown/release
package=$PWD/salesforce-package/force-app/main/default
wine=/usr/lib/wine/wine64
work=$(mktemp -d)
started=()
finish() {
  local code=$?
  for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done
  WINEPREFIX=$work/wine /usr/lib/wine/wineserver64 -k 2>/dev/null || true
  if [ $code != 0 ]; then tail -n 40 "$work/host.log" 2>/dev/null >&2 || true; fi
  rm -rf "$work"
}
trap finish EXIT
export WINEPREFIX=$work/wine WINEDEBUG=fixme-all,err-winediag,err-systray,err-ole WINEDLLOVERRIDES='mscoree,mshtml='

mkdir -p "$work/unpacked/plugins" "$work/host"
cp "$program" "$work/unpacked/tandem.exe"
cp "$wasm"/orders.wasm "$work/unpacked/plugins/"
# A library of each Windows since 7 that Wine 8 lacks.
cat >"$work/random.c" <<'END'
#include <windows.h>
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
BOOL WINAPI DllMain(HINSTANCE own, DWORD why, LPVOID more) { (void)own; (void)why; (void)more; return TRUE; }
END
x86_64-w64-mingw32-gcc -shared -O1 -o "$work/unpacked/bcryptprimitives.dll" "$work/random.c" -ladvapi32
tandem() { (cd "$work/host" && "$wine" "$work/unpacked/tandem.exe" "$@" 2>>"$work/wine.log"); }
say() { echo "windows: $*"; }

"$simulators/tandem-sim-b1" --listen 127.0.0.1:0 --seed 1 --tls-certificate "$work/host/b1.pem" --address-file "$work/b1" >/dev/null &
started+=($!)
"$simulators/tandem-sim-salesforce" --listen 127.0.0.1:0 --listen-pubsub 127.0.0.1:0 --package "$package" --opportunities 0 --seed 1 \
  --address-file "$work/salesforce" >/dev/null &
started+=($!)
until_there() { for _ in $(seq 1200); do if [ -s "$1" ]; then return; fi; sleep 0.1; done; echo "windows: $1 did not come" >&2; return 1; }
until_there "$work/b1"
until_there "$work/salesforce"
sleep 0.3
b1=$(sed -n 1p "$work/b1")
salesforce=$(sed -n 1p "$work/salesforce")
pubsub=$(sed -n 2p "$work/salesforce")
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'tandem-secret' >"$work/host/salesforce.secret"
cat >"$work/host/tandem.toml" <<END
[host]
listen = "127.0.0.1:$port"
[log]
file = 'logs\tandem.log'
[b1.erp]
url = "$b1/b1s/v2"
company = "SBODEMO"
user = "tandem"
password = { dpapi = "secrets/b1.password" }
tls = { ca_file = "b1.pem" }
[salesforce.crm]
login_url = "$salesforce"
client_id = "tandem"
client_secret = { file = "salesforce.secret" }
pubsub_url = "$pubsub"
sweep = "off"
[flows.orders]
plugin = "orders"
connections = { b1 = "erp", salesforce = "crm" }
END

say "$(tandem --version)"
printf 'tandem\r\n' | tandem secret seal 'secrets\b1.password' >/dev/null
if grep -q tandem "$work/host/secrets/b1.password"; then echo "windows: the password lies there as it is" >&2; exit 1; fi
say "B1's password is sealed by DPAPI"
tandem init >"$work/said" || { cat "$work/said" >&2; exit 1; }
rm -f "$work"/host/plugins/*.wasm
tandem plugin add orders
tandem plugin grant orders --yes >/dev/null
tandem check >"$work/said" || { cat "$work/said" >&2; exit 1; }
say "check is content"
cp "$work/host/secrets/b1.password" "$work/sealed"
head -c 60 "$work/sealed" >"$work/host/secrets/b1.password"
if (cd "$work/host" && "$wine" "$work/unpacked/tandem.exe" check) >"$work/said" 2>&1; then echo "windows: a damaged secret is not told" >&2; exit 1; fi
grep -q 'tandem secret seal' "$work/said" || { cat "$work/said" >&2; exit 1; }
cp "$work/sealed" "$work/host/secrets/b1.password"

host=
start() {
  (cd "$work/host" && exec "$wine" "$work/unpacked/tandem.exe" run >>"$work/host.log" 2>&1) &
  host=$!
  started+=("$host")
  for _ in $(seq 1200); do
    if curl -fs "http://127.0.0.1:$port/readyz" >/dev/null; then return; fi
    sleep 0.25
  done
  echo "windows: the host is not ready: $(curl -s "http://127.0.0.1:$port/readyz")" >&2
  return 1
}
# win COUNT: so many opportunities are made and won; their ids.
win() {
  curl -fsS -X POST "$salesforce/admin/opportunities" -H 'content-type: application/json' -d "{\"count\": $1}" >"$work/new"
  python3 -c 'import json, sys; print(*json.load(open(sys.argv[1])))' "$work/new" | tr ' ' '\n' | tee -a "$work/won" | while read -r id; do
    curl -fsS -X POST "$salesforce/admin/update/Opportunity/$id" -H 'content-type: application/json' -d '{"StageName": "Closed Won"}' >/dev/null
  done
}
# Until each that was won shows the number of its one order.
once() {
  for _ in $(seq 480); do
    curl -fsSk "$b1/admin/records/Orders" >"$work/orders"
    curl -fsS "$salesforce/admin/records/Opportunity" >"$work/opportunities"
    if python3 - "$work" <<'END'
import collections, json, sys
work = sys.argv[1]
read = lambda name: json.load(open(f"{work}/{name}"))
won = open(f"{work}/won").read().split()
orders = collections.defaultdict(list)
for order in read("orders"):
    orders[order.get("U_SF_Id")].append(str(order["DocNum"]))
shown = {record["Id"]: record.get("Tandem_Order_Number__c") for record in read("opportunities")}
if any(len(orders[id]) > 1 for id in won):
    sys.exit(2)
sys.exit(0 if all(orders[id] == [shown[id]] for id in won) else 1)
END
    then return; else code=$?; fi
    if [ $code = 2 ]; then echo "windows: an order was made twice" >&2; return 1; fi
    sleep 0.25
  done
  echo "windows: not every order was made and told" >&2
  return 1
}

start
say "run is ready"
win 5
once
say "5 won, 5 orders"
win 20
sleep 0.4
kill -9 "$host"
wait "$host" 2>/dev/null || true
for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/healthz" >/dev/null || break; sleep 0.1; done
win 5
say "killed in the middle, and 5 won meanwhile"
start
once
say "started again: 30 won, each with one order"
grep -q 'tandem is up' "$work/host/logs/tandem.log"
say "good; not shown here: the service itself, the event log, accounts' rights"
