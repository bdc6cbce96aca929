# What the host needs: installed when this is root on Debian, listed otherwise.
# shellcheck shell=bash

# Program or file, and the Debian package it comes in.
declare -A build_needs=(
    # The linker of native code.
    [cc]=gcc
    [/usr/include/stdlib.h]=libc6-dev
)
declare -A boot_needs=(
    [qemu-system-x86_64]=qemu-system-x86
    [busybox]=busybox-static
    [depmod]=kmod
    [modprobe]=kmod
    [libusb-1.0.so.0]=libusb-1.0-0
    # What is written in C: the library between the cases and libusb, and the comparison's C side.
    [gcc]=gcc
    [/usr/include/libusb-1.0/libusb.h]=libusb-1.0-0-dev
)

# To build the suite.
require_build_packages() {
    local -n needs=build_needs
    require_sdk
    require_each
}

# To build and to boot.
require_packages() {
    # The guest runs this machine's own programs and libraries.
    [[ $(uname -sm) == 'Linux x86_64' ]] || { echo "run: the guest runs the host's programs, which must be Linux x86_64; this is $(uname -sm)" >&2; exit 1; }
    local -A needs=()
    local need
    for need in "${!build_needs[@]}"; do needs[$need]=${build_needs[$need]}; done
    for need in "${!boot_needs[@]}"; do needs[$need]=${boot_needs[$need]}; done
    require_sdk
    require_each
}

require_sdk() {
    command -v dotnet >/dev/null || { echo "run: missing: the .NET 10 SDK, as 'dotnet' on the PATH" >&2; exit 1; }
}

is_there() {
    case $1 in
    /*) [[ -e $1 ]] ;;
    # The initramfs holds nothing but busybox, so it must need no shared library.
    busybox) command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1 ;;
    # Not grep -q: it would end the pipe early, and its writer with a failure.
    *.so.*) ldconfig -p | grep -F "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# Of the caller's needs.
require_each() {
    PATH=$PATH:/usr/sbin:/sbin
    local need missing=() packages=()
    for need in "${!needs[@]}"; do
        is_there "$need" || { missing+=("$need"); packages+=("${needs[$need]}"); }
    done
    ((${#missing[@]})) || return 0
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)

    if ! command -v apt-get >/dev/null; then
        echo "run: missing: ${missing[*]}" >&2
        echo "run: install what provides them; in Debian that is ${packages[*]}" >&2
        exit 1
    fi
    if [[ $(id -u) != 0 ]]; then
        echo "run: missing: ${missing[*]}" >&2
        echo "run: install them with: sudo apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "installing ${packages[*]}"
    refresh_package_lists
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null >"$work/apt.log" 2>&1 ||
        { tail -n 20 "$work/apt.log" >&2; exit 1; }
}

refresh_package_lists() {
    [[ $(id -u) == 0 ]] || return 0
    apt-get update -q </dev/null >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; exit 1; }
}
