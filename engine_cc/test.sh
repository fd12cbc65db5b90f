#!/bin/sh
# Builds and runs the C++ tests with the address and undefined-behaviour sanitizers.
# Quiet when all is well; otherwise prints what failed and exits non-zero.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build="$root/build-asan"
mkdir -p "$build"
if [ -d "$root/.venv/bin" ]; then
    PATH="$root/.venv/bin:$PATH"
fi
generator="Unix Makefiles"
if command -v ninja >/dev/null 2>&1; then
    generator=Ninja
fi

quietly() {
    if ! "$@" >"$build/step.log" 2>&1; then
        cat "$build/step.log" >&2
        echo "engine_cc/test.sh: failed: $*" >&2
        exit 1
    fi
}

quietly cmake -S "$root/engine_cc" -B "$build" -G "$generator" \
    -DCMAKE_BUILD_TYPE=Release -DFRESHET_TESTS=ON -DFRESHET_SANITIZE=ON
quietly cmake --build "$build" --parallel 2
quietly ctest --test-dir "$build" --output-on-failure --no-tests=error
tail -n 4 "$build/step.log" | grep 'tests passed'
