#!/bin/sh
# Builds site-server, the example kernel for target "unix", into OUTDIR (default: this folder).
#
#   build.sh [OUTDIR]        CC=... chooses another compiler
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here}
cc=${CC:-gcc}

command -v "$cc" >/dev/null 2>&1 || {
    echo "build.sh: no compiler '$cc'; on Debian: apt-get install gcc libc6-dev" >&2
    exit 1
}
mkdir -p -- "$out"
"$cc" -std=gnu11 -O2 -Wall -Wextra -pthread -o "$out/site-server" "$here/site-server.c"
