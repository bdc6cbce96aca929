# Publishes what runs in the guest, below artifacts/ so that no other build's files are touched.
# shellcheck shell=bash

build_suite() {
    # Native: a process starts in a tenth of the time under emulation, and no JIT gets into the figures. Without, it is built in a tenth of the time.
    publish "$here/Suite/KernelBench.csproj" suite -p:PublishAot="${KERNEL_BENCH_NATIVE:-true}"
}

# As a user runs it.
build_sample() {
    publish "$repository/samples/ControlPlaneReader/ControlPlaneReader.csproj" sample
}

# The library between the cases and libusb, and what shows that it works.
build_shim() {
    local real strict=(-std=gnu11 -O2 -g -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow)
    real=$(ldconfig -p | sed -n 's/^\s*libusb-1\.0\.so\.0 .*=> //p' | head -n 1)
    [[ -n $real ]] || { echo "run: ldconfig knows no libusb-1.0.so.0" >&2; exit 1; }
    rm -rf "$share/shim" && mkdir -p "$share/shim"
    cp "$real" "$share/shim/real.so"
    # Every function of libusb is forwarded, deprecated ones too.
    compile "${strict[@]}" -Wno-deprecated-declarations -fPIC -shared -fvisibility=hidden -Wl,-z,defs -Wl,-soname,libusb-1.0.so.0 \
        -o "$share/shim/libusb-1.0.so.0" "$here"/shim/*.c
    compile "${strict[@]}" -fPIC -shared -o "$share/shim/split.so" "$here/shim/preload/split.c"
    compile "${strict[@]}" -Wno-deprecated-declarations -fPIC -shared -Wl,-Bsymbolic -o "$share/shim/fake.so" "$here/shim/selftest/fake.c"
    compile "${strict[@]}" -o "$share/shim/selftest" "$here/shim/selftest/selftest.c" "$share/shim/libusb-1.0.so.0"
}

compile() {
    gcc "$@" >"$work/build-shim.log" 2>&1 || { cat "$work/build-shim.log" >&2; echo "run: the shim does not build" >&2; exit 1; }
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
