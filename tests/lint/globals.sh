#!/usr/bin/env bash
# No state outside the structs that are passed around: the libraries hold no writable data but what
# globals.txt names. Usage: globals.sh [BUILD_DIR]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/dev}

# objdump -t prints: value flags section size name. Tables of pointers to constants stand in
# .data.rel.ro, which is read-only once the program runs.
found=$(
  find "$build" -maxdepth 1 -name 'lib*.a' ! -name 'libskein_proto.a' -print0 |
    xargs -0 -r objdump -t 2>/dev/null |
    awk '/file format/ { file = $1; sub(/\.c\.o:$/, ".c", file); sub(/:$/, "", file) }
         $0 ~ / O / && $0 ~ / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $0 !~ / \.data\.rel\.ro/ {
           name = $NF; sub(/\.[0-9]+$/, "", name)
           if (name !~ /^(__gcov|__func__|__PRETTY)/) print file, name
         }' | sort -u
)
allowed=$(grep -v '^#' tests/lint/globals.txt | sort -u)
new=$(comm -23 <(printf '%s\n' "$found") <(printf '%s\n' "$allowed") | sed '/^$/d')
gone=$(comm -13 <(printf '%s\n' "$found") <(printf '%s\n' "$allowed") | sed '/^$/d')
if [ -n "$new" ]; then
  printf 'writable data that tests/lint/globals.txt does not allow:\n%s\n' "$new"
  exit 1
fi
if [ -n "$gone" ]; then
  printf 'no longer there; take it off tests/lint/globals.txt:\n%s\n' "$gone"
  exit 1
fi
