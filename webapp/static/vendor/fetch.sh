#!/bin/sh
# Fetches the pinned chart library again and checks it against the recorded sums. Needs npm; run it only to change the version.
set -eu
VERSION=1.6.32
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "uplot@$VERSION" >/dev/null
tar -xzf "uplot-$VERSION.tgz"
mkdir -p "$here/uplot"
cp package/dist/uPlot.iife.min.js "$here/uplot/uplot.iife.min.js"
cp package/dist/uPlot.min.css "$here/uplot/uplot.min.css"
cp package/LICENSE "$here/uplot/LICENSE"
cd "$here/uplot"
if [ "${1:-}" = "--record" ]; then
  { echo "# uPlot $VERSION, MIT licence, from the npm package's dist folder. sha256:"; sha256sum uplot.iife.min.js uplot.min.css LICENSE; } > VERSION
fi
grep -q "uPlot $VERSION," VERSION
grep -v '^#' VERSION | sha256sum -c -
