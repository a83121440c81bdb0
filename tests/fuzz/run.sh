#!/bin/sh
# Runs every fuzzer for SECONDS (default 60): tests/fuzz/run.sh [SECONDS] [NAME...]
# One line for each; fails, and keeps the input in build/fuzz/findings/, when one finds something.
# What they learn is kept in build/fuzz/corpus/ and used again next time.
set -eu
cd "$(dirname "$0")/../.."
export LSAN_OPTIONS="${LSAN_OPTIONS:-suppressions=$PWD/tests/lsan.supp:print_suppressions=0}"
seconds=${1:-60}
[ $# -eq 0 ] || shift
if [ $# -gt 0 ]; then names=$*; else names=$(cd tests/fuzz && ls fuzz_*.c | sed 's/\.c$//'); fi
build=build/fuzz

cmake --preset fuzz >"$build.configure.log" 2>&1 || { cat "$build.configure.log"; exit 1; }
# shellcheck disable=SC2086 # a list of names
cmake --build "$build" --target $names >"$build/build.log" 2>&1 || { tail -40 "$build/build.log"; exit 1; }
mkdir -p "$build/findings"
failed=0
for name in $names; do
    seeds=tests/fuzz/corpus/$name
    mkdir -p "$build/corpus/$name"
    dictionary=
    [ ! -f "tests/fuzz/$name.dict" ] || dictionary=-dict=tests/fuzz/$name.dict
    log=$build/findings/$name.log
    status=0
    # -timeout: one input that takes longer is a finding too.
    "$build/tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 \
        -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
        $dictionary "$build/corpus/$name" "$seeds" >"$log" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "$status" -eq 0 ]; then
        echo "$name: ${runs:-?} inputs in $seconds s, nothing found"
    else
        echo "$name: FOUND something after ${runs:-?} inputs, see $log"
        grep -E 'ERROR|SUMMARY|Assertion|Test unit written' "$log" || tail -20 "$log"
        failed=1
    fi
done
exit $failed
