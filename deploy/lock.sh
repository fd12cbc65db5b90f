#!/bin/sh
# Resolves requirements/*.in for Python 3.11 to 3.13 and writes the locks: versions and hashes, no download address.
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
compile() {
    "$VENV/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url "$@"
}
compile --output-file requirements/uv.txt requirements/uv.in
compile --output-file requirements/run.txt requirements/base.in requirements/build.in
# what runs and what tests must be the same versions
compile --constraint requirements/run.txt --output-file requirements/dev.txt requirements/dev.in requirements/build.in
echo "requirements/*.txt are written"
