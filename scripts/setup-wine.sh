#!/usr/bin/env bash
# Installs what tries the Windows program on Linux: Wine. Safe to run again; does nothing when it is there.
set -euo pipefail
[ -x /usr/lib/wine/wine64 ] && exit 0
echo "setup: apt-get install wine64"
if [ "$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends wine64 >/dev/null
