# Shared by the integration tests. Sourced by bash; meson sets SOURCE_ROOT,
# BUILD_ROOT, MESON, CC, CXX.
# shellcheck shell=bash disable=SC2034,SC2086
set -euo pipefail

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Makes $1 an empty folder of this test in the build folder, and goes there.
fresh_folder() {
    rm -rf "${BUILD_ROOT:?}/integration/$1"
    mkdir -p "$BUILD_ROOT/integration/$1"
    cd "$BUILD_ROOT/integration/$1"
}

# Installs below ./root, and makes `package` answer what pkg-config says of a
# library installed there.
install_library() {
    $MESON install -C "$BUILD_ROOT" --no-rebuild --destdir "$PWD/root" >install.log || {
        cat install.log >&2
        fail "meson install"
    }
    local file
    file=$(find "$PWD/root" -name backprop.pc)
    [ -f "$file" ] || fail "no backprop.pc is installed"
    pc_folder=$(dirname "$file")
    lib_folder=$(dirname "$pc_folder")
    prefix=$PWD/root$(sed -n 's/^prefix=//p' "$file")
    export LD_LIBRARY_PATH=$lib_folder
}

package() {
    PKG_CONFIG_PATH=$pc_folder pkg-config --define-variable=prefix="$prefix" "$@" backprop
}
