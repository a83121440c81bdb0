#!/usr/bin/env bash
# Measures skein against tests/bench/floor.c and prints a table in Markdown. See fleet_bench.py --help.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install build run test
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
SKEIN_BUILD=$PWD/build/release exec /usr/bin/python3 tests/bench/fleet_bench.py "$@"
