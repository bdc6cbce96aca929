# Publishes what runs in the guest, below artifacts/ so that no other build's files are touched.
# shellcheck shell=bash

build_suite() {
    mkdir -p "$share"
    local log=$work/build.log
    # Native: a process starts in a tenth of the time under emulation, and no JIT gets into the figures.
    dotnet publish "$here/Suite/KernelBench.csproj" -c Release -p:PublishAot=true --artifacts-path "$work/build" -o "$share/suite" \
        --nologo -v quiet -nodeReuse:false </dev/null >"$log" 2>&1 ||
        { cat "$log" >&2; echo "run: the suite does not build" >&2; exit 1; }
}
