#!/bin/sh
# Builds the two example kernels, site.virtio and site.pvh, into OUTDIR (default: this folder).
# Needs gcc for x86_64 and GNU binutils. The output depends on their versions and on nothing else.
#
#   build.sh [OUTDIR]        CC=... chooses another compiler
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
mkdir -p -- "${1:-$here}"
out=$(CDPATH='' cd -- "${1:-$here}" && pwd)
cc=${CC:-gcc}
LC_ALL=C
export LC_ALL

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

command -v "$cc" >/dev/null 2>&1 || fail "no compiler '$cc'; on Debian: apt-get install gcc"
command -v ld >/dev/null 2>&1 || fail "no linker 'ld'; on Debian: apt-get install binutils"
case $("$cc" -dumpmachine) in
x86_64-*) ;;
*) fail "'$cc' compiles for $("$cc" -dumpmachine); a compiler for x86_64 is needed" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Freestanding, at a fixed address, and without what would need a C library behind it. No SSE or
# x87 registers and no red zone: interrupts arrive on the stack in use. The two tree and ident
# options keep memset from being compiled into a call of itself and the compiler's name out.
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -march=x86-64 -mtune=generic -ffreestanding
    -fno-pic -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only -fno-stack-protector
    -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing
    -fno-tree-loop-distribute-patterns -fno-ident"

common="boot block console http interrupts ip main manifest net options tar tcp text virtqueue"
virtio="multiboot-header multiboot solo5-abi virtio-pci"
pvh="pvh-note pvh virtio-mmio"

# Compile from inside the folder, so that no path can find its way into an object.
cd "$here"
for name in $common $virtio $pvh; do
    source=$name.c
    [ -f "$source" ] || source=$name.S
    # shellcheck disable=SC2086 # the flags are words
    "$cc" $flags -c "$source" -o "$work/$name.o"
done

# link OUTPUT PREPROCESSOR-FLAG NAMES...
link() {
    output=$1 define=$2
    shift 2
    objects=
    for name in "$@"; do
        objects="$objects $name.o"
    done
    "$cc" -E -P -x c "$define" kernel.ld -o "$work/kernel.ld"
    (
        cd "$work"
        # shellcheck disable=SC2086 # the objects are words
        ld -m elf_x86_64 -nostdlib -static --build-id=none --strip-all -z max-page-size=4096 \
            -z noexecstack -T kernel.ld -o "$output" $objects
    )
    chmod 644 "$work/$output"
    mv -- "$work/$output" "$out/$output"
}

# shellcheck disable=SC2086 # lists of names
link site.virtio -DSOLO5_NOTES $common $virtio
# shellcheck disable=SC2086
link site.pvh -USOLO5_NOTES $common $pvh
