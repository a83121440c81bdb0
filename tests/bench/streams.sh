#!/usr/bin/env bash
# Thousands of agents' streams on one coordinator; prints a table in Markdown. See streams_bench.py --help.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install build run test
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
SKEIN_BUILD=$PWD/build/release exec /usr/bin/python3 tests/bench/streams_bench.py "$@"
