#!/usr/bin/env bash
# What a dry run costs with all its measuring, beside the bare transaction; prints a table in Markdown.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install run test
exec "${SKEIN_BUILD:-build/dev}/tests/integration/agentdb/test_agentdb" dry-run-bench "${1:-200}"
