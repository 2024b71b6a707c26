# Shared by the commands of this folder: words, packages, configuring and building. Sourced by bash,
# with the checkout as the working directory.
# shellcheck shell=bash

# What building the library and the examples takes.
# shellcheck disable=SC2034
build_packages=(gcc libc6-dev meson ninja-build pkg-config libopenblas-dev libsimde-dev zlib1g-dev)

say() { printf '==> %s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do
        printf '       %s\n' "$line" >&2
    done
    exit 1
}

# What the packages provide, looked for where there are no Debian packages to ask for.
need_tools() {
    local missing=() tool
    for tool in cc meson ninja pkg-config; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        fail "this is not Debian, and these commands are missing: ${missing[*]}" \
            "Install them and what these Debian packages hold: $*"
    fi
    say "Not Debian: trusting that what these Debian packages hold is here: $*"
}

# Installs those of the named packages that are missing. Says what to do where it cannot.
need_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        need_tools "$@"
        return
    fi
    PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH # the system's meson and compilers first

    local missing=() package as_root=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "packages are missing, and installing them needs root or sudo. As root, run:" \
                "apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing ${missing[*]}"
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    local log=build/packages.log
    mkdir -p build
    if ! "${as_root[@]}" update >"$log" 2>&1 ||
        ! "${as_root[@]}" install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
        grep -E '^(E|W|Err)' "$log" | head -n 5 >&2
        fail "the packages could not be installed (all of apt's words: $log)." \
            "Needed: Debian 12 or newer, a package mirror within reach, root or sudo. By hand:" \
            "apt-get update && apt-get install ${missing[*]}"
    fi
}

# Unpacks Debian packages for 64-bit ARM, $2 and what follows, in folder $1, beside sysroot.cross,
# which tells meson where that is. apt keeps what it knows of that architecture in the same folder:
# the system is not asked to take it in, nor for root.
unpack_arm64() {
    local folder=$PWD/$1 log=$PWD/$1.log package
    shift
    ! grep -qsF "'$folder'" "$folder/sysroot.cross" || return 0
    say "Fetching for 64-bit ARM: $*"
    rm -rf "$folder" && mkdir -p "$folder"/apt/{lists,cache/archives,packages}/partial
    local apt=(apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64
        -o APT::Sandbox::User= -o Acquire::Languages=none -o Dir::State::status=/dev/null
        -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache")
    if ! "${apt[@]}" update >"$log" 2>&1 ||
        ! (cd "$folder/apt/packages" && "${apt[@]}" download "$@") >>"$log" 2>&1; then
        grep -E '^(E|W|Err)' "$log" | head -n 5 >&2
        fail "packages for 64-bit ARM could not be fetched (all of apt's words: $log): $*"
    fi
    for package in "$folder"/apt/packages/*.deb; do
        dpkg -x "$package" "$folder"
    done
    # All libraries in one folder, and no link that leads out of it, to those of this machine.
    mkdir -p "$folder/lib" && cp -a "$folder/lib" "$folder/usr" && rm -r "$folder/lib"
    find "$folder/usr/lib" -type l -lname '/*' -printf '%l\n%p\n' |
        while read -r target && read -r link; do ln -sf "${target##*/}" "$link"; done
    rm -rf "$folder/apt"
    printf "[constants]\nsysroot = '%s'\n" "$folder" >"$folder/sysroot.cross"
}

# Configures folder $1 with the meson options that follow.
configure() {
    local folder=$1 log=$1/setup.log
    shift
    mkdir -p "$folder"
    say "Configuring $folder ($*)"
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" "$@" >"$log" 2>&1 && return
        # Another version of meson made it, for example. Nothing in it is worth keeping.
        rm -rf "$folder" && mkdir -p "$folder"
    fi
    meson setup "$folder" "$@" >"$log" 2>&1 || {
        tail -n 15 "$log" >&2
        fail "meson could not configure $folder (all of its words: $log)"
    }
}

# Builds in folder $1 the targets that follow, or everything.
compile() {
    say "Building in $1"
    ninja -C "$@" --quiet || fail "$1 does not build"
}
