#!/usr/bin/env bash
# A user's view of the installed library: pkg-config, C11 and C++17, shared and static.
# shellcheck source-path=SCRIPTDIR disable=SC2046,SC2086,SC2154
. "$(dirname "$0")/common.sh"
fresh_folder install
install_library

[ "$(package --modversion)" = "$VERSION" ] || fail "pkg-config has another version than $VERSION"
app=$SOURCE_ROOT/examples/xor.c

try() { # name, compiler and its arguments
    local name=$1
    shift
    "$@" -o "$name" || fail "$name does not build: $*"
    "./$name" >"$name.out" 2>&1 || { cat "$name.out" && fail "$name does not run"; }
    printf 'built and ran: %s\n' "$name"
}

# Each header stands alone, without warnings, in both languages.
for header in "$prefix"/include/backprop.h "$prefix"/include/backprop/*.h; do
    for compiler in "$CC -std=c11 -xc" "$CXX -std=c++17 -xc++"; do
        $compiler -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror $(package --cflags) \
            -include "$header" /dev/null || fail "$header with $compiler"
    done
done

try c11 $CC -std=c11 "$app" $(package --cflags --libs)
try cpp17 $CXX -std=c++17 -xc++ "$app" -xnone $(package --cflags --libs)

# The shared library would be preferred, so --static is tried where there is only the static one.
rm "$lib_folder"/libbackprop.so*
try static_library $CC -std=c11 "$app" $(package --cflags --libs --static)
try static_program $CC -std=c11 -static "$app" $(package --cflags --libs --static)
