#!/usr/bin/env bash
# Measures what live traffic feels of hard migrations, by skein and by a plain loop of psql, and
# prints a table in Markdown.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install build run test
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
SKEIN_BUILD=$PWD/build/release exec /usr/bin/python3 tests/bench/traffic_bench.py "$@"
