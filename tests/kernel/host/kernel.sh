# Debian's stock kernel, unpacked below artifacts/: nothing of it is installed.
# shellcheck shell=bash

kernel_package() {
    apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: *\(linux-image-.*\)/\1/p' | head -n 1
}

require_kernel() {
    [[ -e $linux/complete ]] && return 0
    local package download=$work/download
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
        echo "run: the guest's kernel is Debian's linux-image-amd64, which apt-get and dpkg-deb fetch and unpack; this machine lacks them" >&2
        echo "run: unpack that package below $linux, run 'depmod -b $linux RELEASE', then 'touch $linux/complete'" >&2
        exit 1
    }
    package=$(kernel_package)
    [[ -n $package ]] || { refresh_package_lists; package=$(kernel_package); }
    [[ -n $package ]] || { echo "run: apt knows no linux-image-amd64; run 'apt-get update' as root" >&2; exit 1; }

    echo "fetching $package"
    rm -rf "$download" "$linux" && mkdir -p "$download" "$linux"
    # A stale list names a version that the mirror has already dropped.
    (cd "$download" && apt-get download -q "$package" >"$work/apt.log" 2>&1) ||
        { refresh_package_lists; package=$(kernel_package); (cd "$download" && apt-get download -q "$package" >"$work/apt.log" 2>&1); } ||
        { tail -n 20 "$work/apt.log" >&2; exit 1; }
    dpkg-deb --fsys-tarfile "$download"/linux-image-*.deb |
        tar -x -C "$linux" --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' \
            './lib/modules/*/kernel/drivers/usb/*' './lib/modules/*/kernel/drivers/virtio/*' './lib/modules/*/kernel/fs/configfs/*' \
            './lib/modules/*/kernel/fs/9p/*' './lib/modules/*/kernel/fs/fscache/*' './lib/modules/*/kernel/fs/netfs/*' './lib/modules/*/kernel/net/9p/*'
    rm -rf "$download"
    kernel_release
    depmod -b "$linux" "$release"
    touch "$linux/complete"
}

kernel_release() {
    release=$(basename "$linux"/lib/modules/*)
}

# Only what it takes to mount the host's root; the guest loads the rest from there.
make_initramfs() {
    kernel_release
    local modules=$linux/lib/modules/$release root=$work/initramfs module path
    rm -rf "$root" && mkdir -p "$root/bin" "$root/modules"
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$here/guest/init" "$root/init"
    chmod +x "$root/init"
    : >"$root/modules/order"
    for module in virtio_pci 9pnet_virtio 9p; do
        # modprobe answers in loading order, dependencies first.
        modprobe -d "$linux" -S "$release" --show-depends "$module" | while read -r _ path; do
            grep -qx "$(basename "$path")" "$root/modules/order" && continue
            cp "$path" "$root/modules/"
            basename "$path" >>"$root/modules/order"
        done
    done
    [[ -s $root/modules/order && -d $modules ]] || { echo "run: no modules for $release" >&2; exit 1; }
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs.gz"
}
