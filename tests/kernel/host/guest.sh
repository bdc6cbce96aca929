# The guest: how it is booted, what it sees, and what its silence means.
# shellcheck shell=bash

# What runs the guest, unless the caller says otherwise.
[[ -v processors ]] || processors=(-accel "tcg,thread=multi" -smp 2)
[[ -v emulator ]] || emulator=(qemu-system-x86_64)
# A function that runs beside the guest and ends with it, if any.
companion=${companion:-}

# The files a guest finds on its share.
fill_share() {
    rm -rf "$share/guest" "$share/exit-code" "$share/shell"
    cp -r "$here/guest" "$share/guest"
    printf '%s\n' "$@" >"$share/arguments"
}

qemu_arguments() {
    local dotnet_root captures=$repository/../shared/captures
    dotnet_root=$(dirname "$(readlink -f "$(command -v dotnet)")")
    [[ -d $captures ]] || { captures=$work/no-captures && mkdir -p "$captures"; }
    # Software emulation: stock kernels hang under some nested /dev/kvm, and the figures are ratios anyway.
    machine=(
        "${emulator[@]}" -M q35 "${processors[@]}" -cpu max -m 3072 -no-reboot
        -name guest,debug-threads=on -pidfile "$work/qemu.pid"
        -display none -monitor none -nodefaults
        -kernel "$linux"/boot/vmlinuz-* -initrd "$work/initramfs.gz"
        # No watchdog: an emulated processor may stand still for longer than it believes possible, and its complaint would fail a case.
        -append "console=ttyS0 panic=-1 quiet mitigations=off nokaslr nowatchdog log_buf_len=4M ${kernel_arguments:-}"
        -virtfs "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap"
        -virtfs "local,path=$share,mount_tag=bench,security_model=none,multidevs=remap"
        -virtfs "local,path=$dotnet_root,mount_tag=dotnet,security_model=none,readonly=on,multidevs=remap"
        -virtfs "local,path=$captures,mount_tag=captures,security_model=none,readonly=on,multidevs=remap"
        # ttyS0 is the kernel's, ttyS1 the suite's.
        -serial "file:$results/console.txt" -serial stdio
    )
}

boot_shell() {
    fill_share
    touch "$share/shell"
    qemu_arguments
    local terminal
    terminal=$(stty -g 2>/dev/null) || terminal=''
    [[ -z $terminal ]] || stty raw -echo
    "${machine[@]}" || true
    [[ -z $terminal ]] || stty "$terminal"
}

boot_suite() {
    fill_share "$@"
    qemu_arguments
    guest_end=0
    rm -f "$work/qemu.pid"
    local beside=''
    # Without the lock, which it could outlive.
    [[ -z $companion ]] || { "$companion" 9>&- & beside=$!; }
    timeout --foreground --kill-after=10 "$limit" "${machine[@]}" </dev/null 2>"$results/qemu.txt" | sed -u 's/\r$//' | tee "$results/output.txt" || guest_end=$?
    # It may have ended by itself.
    [[ -z $beside ]] || { kill "$beside" 2>/dev/null || true; wait "$beside" || true; }
}

# The verdict is the host's: what was expected against what the guest reported.
judge() {
    local passed=0 failed=0 name verdict code red=()
    declare -A reported=()
    if [[ -s $results/report.tsv ]]; then
        while IFS=$'\t' read -r name verdict _; do reported[$name]=$verdict; done <"$results/report.tsv"
    fi
    while read -r name; do
        case ${reported[$name]:-} in
        pass) passed=$((passed + 1)) ;;
        fail) failed=$((failed + 1)) red+=("$name") ;;
        *)
            echo "FAIL $name: the guest did not run it"
            failed=$((failed + 1)) red+=("$name")
            ;;
        esac
    done <"$results/expected.txt"

    code=$(cat "$share/exit-code" 2>/dev/null || echo none)
    if [[ $guest_end == 124 || $guest_end == 137 ]]; then
        echo "run: the guest was ended after $limit s" >&2
    elif [[ $code == none ]]; then
        echo "run: the guest died; its last words:" >&2
        tail -n 20 "$results/console.txt" "$results/qemu.txt" >&2
    fi
    # A run of which every case passed and that still did not end well has not passed.
    if [[ $failed == 0 && ($guest_end != 0 || $code != 0 || $passed == 0) ]]; then
        echo "FAIL guest: QEMU ended with $guest_end, the suite with $code"
        failed=1
    fi
    ((${#red[@]} == 0)) || echo "failed: ${red[*]}"
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
