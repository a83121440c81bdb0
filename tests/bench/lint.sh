#!/usr/bin/env bash
# Holds skein's lint and squawk (from npm) against what PostgreSQL does; prints a table in Markdown.
# Without npm only skein's row is printed.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install build run test
cmake --preset release >/dev/null
cmake --build --preset release --target skein >/dev/null
squawk=
if command -v npm >/dev/null; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    npm install --silent --no-audit --no-fund --prefix "$folder" squawk-cli@2.66.0 >/dev/null 2>&1 &&
        squawk=$folder/node_modules/.bin/squawk
fi
SKEIN_BUILD=$PWD/build/release /usr/bin/python3 tests/bench/lint_bench.py --squawk "$squawk" "$@"
