# Publishes what runs in the guest, below artifacts/ so that no other build's files are touched.
# shellcheck shell=bash

build_suite() {
    # Native: a process starts in a tenth of the time under emulation, and no JIT gets into the figures.
    publish "$here/Suite/KernelBench.csproj" suite -p:PublishAot=true
}

# As a user runs it.
build_sample() {
    publish "$repository/samples/ControlPlaneReader/ControlPlaneReader.csproj" sample
}

# publish PROJECT FOLDER [ARGUMENT…]
# Compilers and build servers outlive the build, so they get no part of the lock.
publish() {
    local project=$1 folder=$2 log=$work/build-$2.log
    shift 2
    mkdir -p "$share"
    dotnet publish "$project" -c Release --artifacts-path "$work/build/$folder" -o "$share/$folder" --nologo -v quiet -nodeReuse:false "$@" </dev/null >"$log" 2>&1 9>&- ||
        { cat "$log" >&2; echo "run: $project does not build" >&2; exit 1; }
}
