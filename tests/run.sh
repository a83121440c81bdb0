#!/usr/bin/env bash
# Installs what is missing, builds skein and runs every test it has.
#
#   tests/run.sh [--quick | --thorough] [--label REGEX] [--jobs N] [--fuzz-seconds N]
#
#   --quick           no clang build, sanitizers or fuzzing: the dev build and its tests
#   --thorough        under AddressSanitizer also those that wait for leases and servers (+15 min)
#   --label REGEX     only tests with such a label (unit integration sim model chaos fuzz lint)
#   --jobs N          how many at a time (default: the number of processors)
#   --fuzz-seconds N  how long each fuzzer runs (default 20)
#
# Each step writes build/logs/STEP.log and one line here. The last thing printed is the summary of
# the one ctest run over everything. Runs as root or as an ordinary user.
set -uo pipefail
cd "$(dirname "$0")/.."

quick=
thorough=
label=
jobs=$(nproc)
fuzz_seconds=20
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --thorough) thorough=1 ;;
    --label) label=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --fuzz-seconds) fuzz_seconds=$2 && shift ;;
    -h | --help)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "run.sh: unknown option '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done

# The system's own compilers and Python, whatever else a machine has first in its PATH.
export PATH="/usr/bin:/bin:/usr/sbin:/sbin:$PATH"
export CTEST_OUTPUT_ON_FAILURE=1
# Sanitizers stop at the first finding. gRPC 1.51 keeps a few objects until the process ends, and
# libraries without instrumentation are not ours to judge.
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
# gRPC, libpq, curl and OpenSSL are not instrumented: what they do inside is not looked at.
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1:suppressions=$PWD/tests/tsan.supp

asan_less=(-LE '^faults$')
[ -z "$thorough" ] || asan_less=()

logs=$PWD/build/logs
mkdir -p "$logs"
started=$SECONDS
failed=()

clock()
{
  printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# step NAME COMMAND...: runs it, prints one line; a failure prints the end of its log.
step()
{
  local name=$1 from=$SECONDS status=0
  shift
  "$@" >"$logs/$name.log" 2>&1 || status=$?
  if [ $status -eq 0 ]; then
    printf 'ok    %-20s %6s\n' "$name" "$(clock $((SECONDS - from)))"
    return 0
  fi
  printf 'FAIL  %-20s %6s  (exit %d, %s)\n' "$name" "$(clock $((SECONDS - from)))" $status \
    "build/logs/$name.log"
  tail -n "${SKEIN_TAIL:-40}" "$logs/$name.log" | sed 's/^/      /'
  failed+=("$name")
  return 1
}

build()
{
  local preset=$1
  shift
  cmake --preset "$preset" "$@" && cmake --build --preset "$preset" -j "$jobs"
}

# The same sources under clang's warnings.
build_clang()
{
  cmake -B build/clang -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang \
    -DSKEIN_CRASH_POINTS=ON && cmake --build build/clang -j "$jobs"
}

build_fuzz()
{
  build fuzz && tests/fuzz/run.sh "$fuzz_seconds"
}

# Everything under cmake --install lands where Debian users look for it.
install_check()
{
  local root=$PWD/build/install-check file
  rm -rf "$root"
  build release && DESTDIR=$root cmake --install build/release --prefix /usr || return
  for file in usr/bin/skein usr/bin/skein-agent usr/bin/skein-coordinator; do
    [ -x "$root/$file" ] || { echo "not installed: $file"; return 1; }
    "$root/$file" --version || return
  done
}

packages()
{
  . deploy/packages.sh && skein_packages_install build run test
}

step packages packages || exit 1
step build-dev build dev || exit 1
if [ -z "$quick" ]; then
  step build-clang build_clang
  if step build-asan build asan; then
    # The tests with faults spend their time waiting, so a second time is for --thorough.
    step test-asan ctest --test-dir build/asan -j "$jobs" -L '^(unit|sim|integration)$' \
      "${asan_less[@]}"
  fi
  if step build-tsan build tsan; then
    step test-tsan ctest --test-dir build/tsan -j "$jobs" -L '^unit$'
  fi
  if [ -x tests/fuzz/run.sh ]; then
    step fuzz build_fuzz
  fi
  step install install_check
fi

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nFAILED before the tests of the dev build: %s\n' "${failed[*]}"
fi
printf '      %-20s %6s\n\n' "so far" "$(clock $((SECONDS - started)))"
status=0
# One more than processors: most of these tests wait for leases and servers.
ctest --test-dir build/dev -j $((jobs + 1)) --no-tests=error ${label:+-L "$label"} || status=$?
[ ${#failed[@]} -eq 0 ] || exit 1
exit $status
