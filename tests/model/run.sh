#!/usr/bin/env bash
# Checks the model of skein's promises with spin, and that a model without one of skein's guards
# breaks them. See README.md.
#
#   tests/model/run.sh            what ctest runs: half a minute of one core, 0.5 GB
#   tests/model/run.sh --deep     more faults and tenants as well: up to 12 GB and half an hour
#   tests/model/run.sh --show SWITCHES...
#                                 prints the counterexample of a broken model in words, such as
#                                 tests/model/run.sh --show -DFAULTS=2 -DNO_FENCE
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

depth=100000
memory_mb=3000
failures=0

# build PASS SWITCHES...: PASS is `safety`, `shortest` (which looks for a short counterexample) or
# `endless` (which looks for a cycle).
build()
{
  local pass=$1 flags=
  shift
  case $pass in
    safety) flags="-DSAFETY" ;;
    shortest) flags="-DSAFETY -DREACH" ;;
    endless) flags="-DNP" ;;
  esac
  rm -f pan pan.* ./*.trail
  spin "$@" -a "$here/skein.pml" >spin.log 2>&1 || return
  # shellcheck disable=SC2086 # several flags
  cc -O1 -w $flags -DNOFAIR -DMEMLIM=$memory_mb -o pan pan.c
}

# field NAME: a number of pan's report
field()
{
  case $1 in
    states) sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.log ;;
    depth) sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' pan.log ;;
    memory) sed -n 's/^ *\([0-9.]*\).*total actual memory usage.*/\1/p' pan.log ;;
    seconds) sed -n 's/.*elapsed time \([0-9.e+-]*\) seconds.*/\1/p' pan.log ;;
  esac
}

# check PASS EXPECTED SWITCHES...: EXPECTED is `holds`, or a part of the assertion that is violated.
check()
{
  local pass=$1 expected=$2 verdict=WRONG
  shift 2
  if ! build "$pass" "$@"; then
    cat spin.log
    echo "model: cannot be built: $*" >&2
    failures=$((failures + 1))
    return
  fi
  case $pass in
    endless) ./pan -l -m$depth >pan.log 2>&1 ;;
    *) ./pan -m$depth >pan.log 2>&1 ;;
  esac
  if [ "$expected" = holds ]; then
    # Whole: no error, and neither memory nor depth has cut the search short.
    if grep -q 'errors: 0' pan.log &&
      ! grep -qE 'MEMLIM|search depth too small|Search not completed' pan.log; then
      verdict=ok
    fi
  elif grep -F 'assertion violated' pan.log | grep -qF "$expected"; then
    verdict=ok
  fi
  printf '%-5s %-8s %-12s %9s states, depth %3s, %6s MB, %5s s  %s\n' "$verdict" "$pass" \
    "$([ "$expected" = holds ] && echo holds || echo breaks)" \
    "$(field states)" "$(field depth)" "$(field memory)" "$(field seconds)" "$*"
  if [ $verdict != ok ]; then
    failures=$((failures + 1))
    grep -E '^pan:|errors:' pan.log
    [ -e skein.pml.trail ] && spin "$@" -T -t -k skein.pml.trail "$here/skein.pml" |
      sed '/^#processes/,$d' | head -60
  fi
}

if [ "${1:-}" = --show ]; then
  shift
  build shortest "$@" && ./pan -i -m300 >pan.log 2>&1
  if [ -e skein.pml.trail ]; then
    spin "$@" -T -t -k skein.pml.trail "$here/skein.pml" | sed '/^#processes/,$d'
  else
    grep -E 'errors:|stored' pan.log
  fi
  exit
fi
case ${1:-} in
  "" | --deep) ;;
  *)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    [ "$1" = --help ]
    exit
    ;;
esac

once='d_applied['
one_at_a_time='d_open['
no_older='>=d_fence['
report='st_report['
one_end='!(st_ended)'

# As it is: no assertion fails, and no run is endless.
check endless holds -DFAULTS=0
check endless holds -DFAULTS=2
check safety holds -DFAULTS=2 -DABORTS=1
check endless holds -DFAULTS=1 -DABORTS=1 -DNT=2
check safety holds -DFAULTS=2 -DTRIES_MAX=1

# Without one guard.
depth=100 # two leaders may take the session from each other for ever: look for what is short
check safety "$one_end" -DFAULTS=2 -DNO_LEADER_GUARD
depth=100000
check safety "$no_older" -DFAULTS=2 -DNO_FENCE
check safety "$once" -DFAULTS=2 -DNO_VERSION
check safety "$one_at_a_time" -DFAULTS=2 -DNO_ROW_LOCK
check safety "$report" -DFAULTS=2 -DUNCERTAIN_IS_FAILURE
check safety "$report" -DFAULTS=2 -DLOST_IS_FAILURE
check safety "$report" -DFAULTS=2 -DNO_SETTLE
check safety "$report" -DFAULTS=2 -DREFUSED_IS_SURE
check safety "$report" -DFAULTS=2 -DABORTS=1 -DMISS_IS_NEVER

# Guards that others cover.
check safety holds -DFAULTS=2 -DNO_TERM
check safety holds -DFAULTS=2 -DNO_RESULT_TOKEN
check safety holds -DFAULTS=2 -DNO_LAST_LOOK
check safety "$report" -DFAULTS=2 -DNO_RESULT_TOKEN -DNO_SETTLE
check safety holds -DFAULTS=2 -DNO_AGENT_LEASE

if [ "${1:-}" = --deep ]; then
  memory_mb=14000
  check endless holds -DFAULTS=2 -DABORTS=1
  check safety holds -DFAULTS=3 -DABORTS=1
  check safety holds -DFAULTS=3 -DNO_TERM
  check safety holds -DFAULTS=3 -DNO_AGENT_LEASE
fi

[ $failures -eq 0 ]
