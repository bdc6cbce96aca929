# What the host needs: installed when this is root on Debian, listed otherwise.
# shellcheck shell=bash

declare -A package_of=(
    [qemu-system-x86_64]=qemu-system-x86
    [busybox]=busybox-static
    [depmod]=kmod
    # The linker of native code.
    [cc]=gcc
)

require_packages() {
    PATH=$PATH:/usr/sbin:/sbin
    local tool missing=()
    for tool in "${!package_of[@]}"; do
        command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}")
    done
    # The initramfs holds nothing but busybox, so it must need no shared library.
    if command -v busybox >/dev/null && ldd "$(command -v busybox)" >/dev/null 2>&1; then missing+=(busybox-static); fi
    [[ -e /usr/include/stdlib.h ]] || missing+=(libc6-dev)
    ldconfig -p | grep -q 'libusb-1\.0\.so\.0' || missing+=(libusb-1.0-0)
    ((${#missing[@]})) || return 0

    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "run: missing: ${missing[*]}" >&2
        echo "run: install them with: sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    refresh_package_lists
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" </dev/null >"$work/apt.log" 2>&1 ||
        { tail -n 20 "$work/apt.log" >&2; exit 1; }
}

refresh_package_lists() {
    [[ $(id -u) == 0 ]] || return 0
    apt-get update -q </dev/null >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; exit 1; }
}
