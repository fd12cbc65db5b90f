#!/bin/sh
# Builds and runs the C++ tests: all of them with the address and undefined-behaviour sanitizers, then the races with
# the thread sanitizer. Quiet when all is well; otherwise prints what failed and exits non-zero. Where the thread
# sanitizer cannot be had it says so, and fails if CI=true.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -d "$root/.venv/bin" ]; then
    PATH="$root/.venv/bin:$PATH"
fi
generator="Unix Makefiles"
if command -v ninja >/dev/null 2>&1; then
    generator=Ninja
fi

# quietly <log> <command>...
quietly() {
    log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        cat "$log" >&2
        echo "engine_cc/test.sh: failed: $*" >&2
        exit 1
    fi
}

# configure <build directory> <sanitizer option>
configure() {
    mkdir -p "$1"
    quietly "$1/step.log" cmake -S "$root/engine_cc" -B "$1" -G "$generator" \
        -DCMAKE_BUILD_TYPE=Release -DFRESHET_TESTS=ON "-D$2=ON"
}

# How a program with the thread sanitizer can be run here: as it is, or, where old run times meet kernels that scatter
# addresses more widely than they knew, without that. Fails where there is no such way.
thread_sanitizer() {
    probe="$1/probe"
    echo 'int main() {}' >"$probe.cc"
    "${CXX:-c++}" -fsanitize=thread "$probe.cc" -o "$probe" >/dev/null 2>&1 || return 1
    for way in env "setarch $(uname -m) -R"; do
        # shellcheck disable=SC2086 # a command and its arguments
        if $way "$probe" >/dev/null 2>&1; then
            echo "$way"
            return 0
        fi
    done
    return 1
}

asan="$root/build-asan"
configure "$asan" FRESHET_SANITIZE
quietly "$asan/step.log" cmake --build "$asan" --parallel 2
quietly "$asan/step.log" ctest --test-dir "$asan" --output-on-failure --no-tests=error
passed=$(tail -n 4 "$asan/step.log" | grep 'tests passed')

tsan="$root/build-tsan"
mkdir -p "$tsan"
if way=$(thread_sanitizer "$tsan"); then
    configure "$tsan" FRESHET_SANITIZE_THREAD
    quietly "$tsan/step.log" cmake --build "$tsan" --parallel 2 --target test_races
    # shellcheck disable=SC2086 # a command and its arguments
    quietly "$tsan/step.log" env TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" $way "$tsan/test_races"
else
    echo "engine_cc/test.sh: no thread sanitizer here: races are not looked for" >&2
    if [ "${CI:-}" = true ]; then
        exit 1
    fi
fi
echo "$passed"
