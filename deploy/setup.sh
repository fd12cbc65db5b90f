#!/bin/sh
# Sets up what Freshet needs in a virtual environment: locked dependencies and the C++ engine.
#
#   deploy/setup.sh run     what runs it
#   deploy/setup.sh dev     and what tests, checks and locks it
#
# VENV and PYTHON choose the environment's folder and the interpreter. A step whose inputs did not change is skipped.
set -eu
kind=${1:-run}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
VENV=${VENV:-.venv}
MIN_FREE_KB=4000000
# a company's own certificate authority is in the system's store, not in uv's
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=true; fi
started=$(date +%s)

say() { printf '[setup %3ss] %s\n' "$(($(date +%s) - started))" "$*"; }
die() {
    printf '\nFreshet cannot be set up: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
install_packages() {
    say "installing Debian packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $*"
    fi
    rm -f "$log"
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}
python_is_whole() {
    "$python" -c 'import ensurepip, venv, pathlib, sys, sysconfig
sys.exit(not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists())' 2>/dev/null
}
compiler_works() {
    printf '#include <bit>\n#include <span>\nint main() { return std::popcount(0u); }\n' |
        "${CXX:-g++}" -std=c++20 -x c++ -fsyntax-only - 2>/dev/null
}

check_machine() {
    [ "$(uname -s)" = Linux ] || die "this set-up is for Linux; this machine is $(uname -s)."
    python=$(find_python)
    if [ -z "$python" ] && [ -z "${PYTHON:-}" ] && can_install; then
        install_packages python3 python3-venv python3-dev
        python=$(find_python)
    fi
    [ -n "$python" ] || die "Python 3.11, 3.12 or 3.13 is needed (found: $(${PYTHON:-python3} --version 2>&1 || true))." \
        "Install one, or name one: make run PYTHON=/path/to/python3.12"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! python_is_whole; then
        packages="python$version-venv python$version-dev"
        # shellcheck disable=SC2086
        if can_install; then install_packages $packages; fi
        python_is_whole || die "$python lacks the venv module or the C headers (Python.h)." \
            "As root: apt-get install $packages"
    fi
    if ! compiler_works; then
        if can_install && [ -z "${CXX:-}" ]; then install_packages g++; fi
        compiler_works || die "a C++ compiler with C++20 is needed (g++ 10 or newer); ${CXX:-g++} is missing or too old." \
            "As root: apt-get install g++        or name one: make run CXX=/path/to/g++"
    fi
}
check_disk() {
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge "$MIN_FREE_KB" ] || die "the disk of $root has $((free_kb / 1024)) MB free;" \
        "the environment needs about $((MIN_FREE_KB / 1024)) MB. Free some, or use another disk: make run VENV=/other/disk/venv"
}

fingerprint() { cat "$@" | sha256sum | cut -d' ' -f1; }
is_done() { [ "$(cat "$VENV/.freshet-$1" 2>/dev/null || true)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$VENV/.freshet-$1"; }

make_environment() {
    if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -c 'import pip' 2>/dev/null; then return; fi
    say "making the virtual environment $VENV with $("$python" --version)"
    "$python" -m venv --clear "$VENV" || die "the virtual environment $VENV could not be made with $python."
}
install_uv() {
    print=$(fingerprint requirements/uv.txt)
    if is_done uv "$print"; then return; fi
    say "installing uv, which installs the rest"
    "$VENV/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt ||
        die "uv could not be installed (the lines above say why; is the network there?)."
    mark_done uv "$print"
}
install_requirements() {
    print=$(fingerprint "requirements/$1.txt")
    if is_done "$1" "$print"; then return; fi
    if [ "$1" = run ] && is_done dev "$(fingerprint requirements/dev.txt)"; then return; fi
    check_disk
    say "installing the locked dependencies of requirements/$1.txt (about 2 GB unpacked; a few minutes the first time)"
    "$VENV/bin/uv" pip install --python "$VENV/bin/python" --require-hashes --compile-bytecode -r "requirements/$1.txt" ||
        die "the dependencies could not be installed (the lines above say why; is the network there, is the disk full?)."
    mark_done "$1" "$print"
}
build_engine() {
    print=$(
        {
            "$VENV/bin/python" --version
            find engine_cc -type f -not -path '*/build/*' -not -name '*.so' -not -path '*/__pycache__/*' |
                LC_ALL=C sort | while read -r file; do sha256sum "$file"; done
        } | sha256sum | cut -d' ' -f1
    )
    if is_done engine "$print"; then return; fi
    say "building engine_cc, the C++ core (a minute or two)"
    log="$VENV/engine_cc-build.log"
    PATH="$root/$VENV/bin:$VENV/bin:$PATH" CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-2} \
        "$VENV/bin/uv" pip install --python "$VENV/bin/python" --no-deps --no-build-isolation \
        --reinstall-package freshet-engine-cc ./engine_cc >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        die "engine_cc does not build; the whole output is in $log."
    }
    "$VENV/bin/python" -c 'import engine_cc' || die "engine_cc was built but cannot be loaded."
    mark_done engine "$print"
}
install_browser() {
    command -v chromium >/dev/null 2>&1 && return
    can_install || die "the browser test needs Chromium." "As root: apt-get install chromium"
    install_packages chromium
}

case $kind in run | dev) ;; *) die "unknown kind '$kind': run or dev." ;; esac
check_machine
mkdir -p "$(dirname "$VENV")"
# two set-ups at once would build into one folder
exec 9>"$VENV.lock"
command -v flock >/dev/null 2>&1 && flock 9
make_environment
install_uv
install_requirements "$kind"
build_engine
if [ "$kind" = dev ]; then install_browser; fi
[ "$(($(date +%s) - started))" -lt 5 ] || say "ready"
