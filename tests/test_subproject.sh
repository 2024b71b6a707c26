#!/usr/bin/env bash
# The library as a subproject of another meson project, and without a BLAS.
# shellcheck source-path=SCRIPTDIR disable=SC2046,SC2086,SC2154
. "$(dirname "$0")/common.sh"
fresh_folder subproject
mkdir -p app/subprojects
ln -s "$SOURCE_ROOT" app/subprojects/backprop
cp "$SOURCE_ROOT/examples/xor.c" app/
cat >app/meson.build <<'END'
project('app', 'c', default_options: ['c_std=c11'])
app = executable('app', 'xor.c', dependencies: dependency('backprop', fallback: 'backprop'))
test('app', app)
END
$MESON setup build app --force-fallback-for=backprop -Dbackprop:blas=none -Doptimization=1 \
    >setup.log || {
    cat setup.log
    fail "meson setup"
}
[ ! -e build/subprojects/backprop/tests ] || fail "a subproject builds no tests"
ninja -C build --quiet || fail "does not build"
./build/app
