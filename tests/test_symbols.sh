#!/usr/bin/env bash
# What the library shows and takes: names, imports, size.
# shellcheck source-path=SCRIPTDIR disable=SC2046,SC2086,SC2154
. "$(dirname "$0")/common.sh"
fresh_folder symbols
shared=$BUILD_ROOT/libbackprop.so
static=$BUILD_ROOT/libbackprop.a

none() { # what is wrong, lines that say so
    [ -z "$2" ] || fail "$1:" "$2"
}

exported=$(nm -D --defined-only --format=posix "$shared" | cut -d ' ' -f 1)
[ -n "$exported" ] || fail "the shared library exports nothing"
none "exported names without bp_" "$(grep -v '^bp_' <<<"$exported" || true)"
none "internal names exported" "$(grep '^bpi_' <<<"$exported" || true)"

# In the static library every name is visible to the user's program.
all=$(nm -g --defined-only --format=posix "$static" | awk 'NF > 1 { print $1 }' | sort -u)
none "global names without bp_ or bpi_" "$(grep -Ev '^(bp_|bpi_)' <<<"$all" || true)"

# Neither ends the process nor prints: no such function, and no standard stream to print to.
forbidden='abort|exit|_exit|_Exit|quick_exit|raise|kill|__assert_fail|(__)?v?printf(_chk)?|puts|'
forbidden+='putchar|putchar_unlocked|perror|psignal|errx?|warnx?|error|stdout|stderr'
imported=$(nm -D --undefined-only --format=posix "$shared" | cut -d ' ' -f 1 | cut -d @ -f 1)
none "forbidden imports" "$(grep -Ex "$forbidden" <<<"$imported" || true)"

strip -o stripped.so "$shared"
size=$(stat -c %s stripped.so)
[ "$size" -lt 1000000 ] || fail "stripped, the library has $size bytes; 1000000 are the limit"
printf '%s names exported, %s bytes stripped\n' "$(wc -l <<<"$exported")" "$size"
