#!/usr/bin/env bash
# What a rollout costs the coordinator, from a thousand tenants to a million, in virtual time; prints a
# table in Markdown. See scale_fleet.c and README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy/packages.sh
skein_packages_install build run test
cmake --preset release >/dev/null
cmake --build --preset release --target scale_fleet >/dev/null

cat <<'END'
| agents | tenants | store transactions | writes per tenant | messages to agents | from agents | lease calls | most writes waiting | s: connecting | s: deciding | µs per tenant | s: making transactions | ms: longest step | MiB before | MiB at most | virtual s |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
END
for shape in "10 1000" "100 10000" "1000 100000" "10000 1000000" "100 1000000" "1 100000"; do
    # shellcheck disable=SC2086 # two words
    build/release/tests/bench/scale_fleet $shape
done
