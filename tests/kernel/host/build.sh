# Publishes what runs in the guest.
# shellcheck shell=bash

build_suite() {
    mkdir -p "$share"
    local log=$work/build.log
    dotnet publish "$here/Suite/KernelBench.csproj" -c Release -o "$share/suite" --nologo -v quiet -nodeReuse:false </dev/null >"$log" 2>&1 ||
        { cat "$log" >&2; echo "run: the suite does not build" >&2; exit 1; }
}
