#!/usr/bin/env bash
# How long a tenant's fingerprint takes; prints a table in Markdown.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install run test
exec /usr/bin/python3 tests/bench/fingerprint_bench.py "$@"
