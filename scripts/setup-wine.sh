#!/usr/bin/env bash
# Installs what tries the Windows program on Linux: Wine. Safe to run again; does nothing when it is there.
set -euo pipefail
[ -x /usr/lib/wine/wine64 ] && exit 0
source "$(dirname "$0")/install.sh"
packages wine64
