# The clocks of the comparison: what QEMU, the guest's kernel and the machine need for each.
# shellcheck shell=bash disable=SC2034 # read by host/guest.sh and by run

# Under emulation the kernel falls back on a clock that costs a trap to read, tens of microseconds of it in every transfer; real machines have this one.
fast_clock='clocksource=tsc tsc=reliable'

# A processor whose clock advances by a nanosecond for each instruction. One of them: virtual time is what all of them executed, so a second would slow the first.
counted_clock() {
    # sleep=off: idle time passes at once.
    processors=(-accel tcg,thread=single -icount shift=0,sleep=off -smp 1)
    emulator=(qemu-system-x86_64)
    companion=''
    kernel_arguments=$fast_clock
    usual_milliseconds=60
}

# Two processors, on the machine's clock slowed down by $slowdown: so the bus, whose frames the clock makes, leaves them as much time as it leaves real ones.
slowed_clock() {
    (($(nproc) >= 2)) || fail "two emulated processors need two of this machine's: use --clock counted"
    processors=(-accel "tcg,thread=multi" -smp 2)
    # By preloading, as faketime(1) does: that would stay between timeout and QEMU. Not slowed: the processors' time stamp counter, which the guest believes to be that much quicker.
    local library
    library=$(find /usr/lib /usr/lib64 -name libfaketimeMT.so.1 -print -quit 2>/dev/null)
    [[ -n $library ]] || fail "faketime is there, but not its libfaketimeMT.so.1"
    emulator=(env "LD_PRELOAD=$library" "FAKETIME=+0 x$(LC_ALL=C awk "BEGIN { print 1 / $slowdown }")" qemu-system-x86_64)
    companion=give_way
    # idle=poll: an idle processor that sleeps costs those that wake it the way through the host's scheduler. no_timer_check: the kernel counts its patience by that quick counter.
    kernel_arguments="$fast_clock idle=poll no_timer_check"
    usual_milliseconds=20
}

# Runs beside the guest. QEMU's own thread, which makes the timers fire, displaces the processors' threads at once when these are the machine's idle work; otherwise it waits for
# milliseconds of a processor, and the bus with it.
give_way() {
    local pid task processor=0 threads=() allowed=()
    mapfile -t allowed < <(taskset --cpu-list --pid $$ | sed 's/.*: //; s/,/\n/g' | awk -F- '{ for (i = $1; i <= ($2 == "" ? $1 : $2); i++) print i }')
    until [[ -s $work/qemu.pid ]] && pid=$(<"$work/qemu.pid") && mapfile -t threads < <(grep -lx 'CPU [01]/TCG' "/proc/$pid/task/"*/comm 2>/dev/null) && ((${#threads[@]} == 2)); do
        sleep 0.1
    done
    for task in "${threads[@]}"; do
        task=$(basename "$(dirname "$task")")
        chrt --idle --pid 0 "$task"
        # One on each, or idle work would move from one to the other, and share.
        taskset --cpu-list --pid "${allowed[processor++]}" "$task" >/dev/null
    done

    # What others took of the machine, in percent, until the guest ends. In the shell's own arithmetic: awk may write ticks of many days as 1.6e+11.
    local user nice system idle waiting irq softirq steal busy total qemu fields start_busy='' start_total start_qemu
    while read -r _ user nice system idle waiting irq softirq steal _ </proc/stat && read -ra fields 2>/dev/null <"/proc/$pid/stat"; do
        busy=$((user + nice + system + irq + softirq + steal)) total=$((busy + idle + waiting)) qemu=$((fields[13] + fields[14]))
        [[ -n $start_busy ]] || { start_busy=$busy start_total=$total start_qemu=$qemu; }
        ((total == start_total)) || echo $((busy - start_busy < qemu - start_qemu ? 0 : 100 * (busy - start_busy - qemu + start_qemu) / (total - start_total))) >"$results/others.txt"
        sleep 1
    done
}
