#!/usr/bin/env bash
# The first flight: a real fleet on this machine, migrated end to end.
#
#   deploy/quickstart.sh [--keep] [--store sqlite|etcd] [--fast]
#
# Installs what is missing, builds skein, starts two PostgreSQL shards, a coordinator and two agents in
# a temporary folder on free ports, creates 100 tenants at different versions, and then shows a rollout
# that one broken tenant stops before anything is changed, its repair, and the rollout that arrives.
#
#   --keep    leaves all running and prints how to talk to it
#   --store   where the coordinator keeps its plans: an SQLite file (default) or a real etcd
#   --fast    does not pause between the steps for reading
#
# Nothing outside the temporary folder and build/ is touched; everything ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=
store=sqlite
pause=1
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=1 ;;
    --fast) pause=0 ;;
    --store=*) store=${1#*=} ;;
    --store) store=${2:-} && shift ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
      exit 0
      ;;
    *)
      echo "quickstart.sh: unknown option '$1' (see --help)" >&2
      exit 2
      ;;
  esac
  shift
done
case $store in
  sqlite | etcd) ;;
  *)
    echo "quickstart.sh: --store is sqlite or etcd, not '$store'" >&2
    exit 2
    ;;
esac

# ---- what is shown ----

if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' blue=$'\e[34m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' blue='' green='' red='' plain='' pause=0
fi
number=0
step_started=

# step TITLE WHY...: a numbered headline and, under it, what is to be seen and why.
step()
{
  number=$((number + 1))
  printf '\n%s%s %d  %s%s\n' "$bold" "$blue" $number "$1" "$plain"
  shift
  printf "$dim    %s$plain\n" "$@"
}

done_in()
{
  printf '    %sok%s  %s\n' "$green" "$plain" "$1"
}

# The words as one would type them: quoted where a shell needs it.
as_typed()
{
  local word
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:=,@%+-]*) printf " '%s'" "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
}

# Runs skein as a user would: the command is shown, then its output, indented.
shown()
{
  local status=0
  printf '\n    %s$ skein%s%s\n' "$bold" "$(as_typed "$@")" "$plain"
  skein "$@" 2>&1 | sed 's/^/      /' || status=${PIPESTATUS[0]}
  return "$status"
}

# shown_live VERB...: as shown; on a terminal the program draws by itself.
shown_live()
{
  if [ -t 1 ]; then
    printf '\n    %s$ skein%s%s\n\n' "$bold" "$(as_typed "$@")" "$plain"
    skein "$@"
  else
    shown "$@"
  fi
}

# shown_code CODE VERB...: as shown, where that exit code is what is to be seen.
shown_code()
{
  local wanted=$1 status=0
  shift
  shown "$@" || status=$?
  printf '      %s(exit code %d)%s\n' "$dim" "$status" "$plain"
  [ "$status" -eq "$wanted" ]
}

breathe()
{
  [ $pause = 0 ] || sleep 1
}

# ---- the end, however it comes ----

work=
pids=()
cleanup()
{
  local status=$? pid
  trap - EXIT INT TERM
  if [ $status -ne 0 ] && [ -n "$work" ]; then
    printf '\n%squickstart stopped with status %d; the ends of the logs:%s\n' "$red" $status "$plain" >&2
    tail -n 8 "$work"/log/*.log >&2 || true
  fi
  if [ -n "$keep" ] && [ $status -eq 0 ]; then
    exit 0
  fi
  # Agents and coordinator before the servers that they talk to.
  for pid in $(printf '%s\n' "${pids[@]}" | tac); do
    kill "$pid" 2>/dev/null || true
  done
  for pid in "${pids[@]}"; do
    wait "$pid" 2>/dev/null || true
  done
  [ -z "$work" ] || rm -rf "$work"
  exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# ---- helpers ----

# background NAME COMMAND...: its output goes to log/NAME.log. With --keep it outlives this script.
background()
{
  local name=$1
  shift
  setsid "$@" </dev/null >"$work/log/$name.log" 2>&1 &
  pids+=($!)
}

# As PostgreSQL refuses root, its servers then run as the user `postgres`.
as_postgres=(env)
if [ "$(id -u)" -eq 0 ]; then
  as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups env -C /)
fi

next_port=$((21000 + RANDOM % 8000))
free_port()
{
  while (exec 3<>"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do
    next_port=$((next_port + 1))
  done
  port=$next_port
  next_port=$((next_port + 1))
}

# wait_for WHAT COMMAND...: until the command succeeds, at most a minute.
wait_for()
{
  local what=$1 try
  shift
  for try in $(seq 600); do
    if "$@" >/dev/null 2>&1; then
      return 0
    fi
    sleep 0.1
  done
  echo "quickstart.sh: waited a minute for $what" >&2
  return 1
}

is_ready()
{
  curl -fsS "http://127.0.0.1:$1/readyz"
}

skein()
{
  "$build/skein" "$@"
}

# sql SHARD DATABASE: reads statements from stdin.
sql()
{
  local pg_port=$eu_port
  [ "$1" = eu-1 ] || pg_port=$us_port
  PGOPTIONS='-c client_min_messages=warning' \
    psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U postgres -d "$2"
}

knows_tenants()
{
  [ "$(skein tenant list -o ndjson | wc -l)" -eq "$1" ]
}

started=$SECONDS
printf '\n%sskein%s: schema and data migrations for every tenant of a PostgreSQL fleet.\n' "$bold" "$plain"
printf 'A fleet of 100 tenants takes off on this machine; you watch.\n'

# ---- 1: packages and programs ----

step 'Packages and programs' \
  'Debian packages that are missing are installed, then skein is built from source.'
. deploy/packages.sh
wanted=(build run)
missing=$(skein_packages_missing "${wanted[@]}")
if [ -n "$missing" ]; then
  printf '    installing %d packages; this takes a minute or two\n' "$(wc -l <<<"$missing")"
  packages_log=$(mktemp)
  if ! skein_packages_install "${wanted[@]}" >"$packages_log" 2>&1; then
    tail -n 20 "$packages_log" >&2
    exit 1
  fi
  rm -f "$packages_log"
fi
done_in 'every package is there'
build=$PWD/build/quickstart
mkdir -p "$build"
if ! { cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSKEIN_TESTS=OFF &&
  cmake --build "$build"; } >"$build/build.log" 2>&1; then
  tail -n 30 "$build/build.log" >&2
  exit 1
fi
done_in "built: $("$build/skein" --version | head -n 1)"
PATH=$(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1):$PATH

# ---- 2: the servers ----

step 'Two PostgreSQL shards, a coordinator, two agents' \
  'eu-1: one database with 60 schemas, each a tenant. us-1: 40 databases, each a tenant.' \
  'Each shard has an agent beside it; the coordinator never talks to a database.'
work=$(mktemp -d "${TMPDIR:-/tmp}/skein-quickstart.XXXXXX")
chmod 755 "$work"
mkdir "$work/log" "$work/pg"
[ "$(id -u)" -ne 0 ] || chown postgres: "$work/pg"
"${as_postgres[@]}" initdb -D "$work/pg/eu-1" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
  --no-instructions >"$work/log/initdb.log" 2>&1
"${as_postgres[@]}" cp -a "$work/pg/eu-1" "$work/pg/us-1"
free_port && eu_port=$port
free_port && us_port=$port
for shard in eu-1 us-1; do
  pg_port=$eu_port
  [ $shard = eu-1 ] || pg_port=$us_port
  # A demonstration may lose its data when the machine dies; a shard of yours should not.
  background "postgres-$shard" "${as_postgres[@]}" postgres -D "$work/pg/$shard" -p "$pg_port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories="$work/pg/$shard" -c fsync=off
done
wait_for 'PostgreSQL of eu-1' pg_isready -q -h 127.0.0.1 -p "$eu_port"
wait_for 'PostgreSQL of us-1' pg_isready -q -h 127.0.0.1 -p "$us_port"
done_in "PostgreSQL on ports $eu_port (eu-1) and $us_port (us-1)"

location=sqlite:$work/skein.db
if [ $store = etcd ]; then
  free_port && etcd_port=$port
  free_port && peer_port=$port
  background etcd env ETCD_UNSUPPORTED_ARCH=arm64 etcd --data-dir "$work/etcd" --name quickstart \
    --listen-client-urls "http://127.0.0.1:$etcd_port" \
    --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "quickstart=http://127.0.0.1:$peer_port" --log-level warn --logger zap
  wait_for etcd curl -fsS "http://127.0.0.1:$etcd_port/health"
  location=etcd:http://127.0.0.1:$etcd_port
  done_in "etcd on port $etcd_port"
fi

{
  for i in $(seq -w 1 60); do
    echo "CREATE SCHEMA t_$i;"
  done
} | sql eu-1 postgres
{
  for i in $(seq -w 1 40); do
    echo "CREATE DATABASE shop_$i;"
  done
} | sql us-1 postgres
done_in '60 empty schemas t_01 … t_60, 40 empty databases shop_01 … shop_40'

free_port && grpc_port=$port
free_port && http_port=$port
export SKEIN_COORDINATOR=127.0.0.1:$grpc_port
background coordinator "$build/skein-coordinator" --listen "127.0.0.1:$grpc_port" --name quickstart \
  --http "127.0.0.1:$http_port" --store "$location"
wait_for 'the coordinator' is_ready "$http_port"
printf 'tenants:\n  mode: schema\n  match: ["t_*"]\n' >"$work/eu-1.yaml"
printf 'tenants:\n  mode: database\n  match: ["shop_*"]\n' >"$work/us-1.yaml"
free_port && eu_http=$port
free_port && us_http=$port
# With pg_dump it tries on an empty copy first what could hurt live tenants.
pg_dump=$(type -P pg_dump)
background agent-eu-1 "$build/skein-agent" --config "$work/eu-1.yaml" --shard eu-1 --label region=eu \
  --pg-dump "$pg_dump" \
  --coordinator "$SKEIN_COORDINATOR" --http "127.0.0.1:$eu_http" \
  --postgres "host=127.0.0.1 port=$eu_port user=postgres dbname=postgres"
background agent-us-1 "$build/skein-agent" --config "$work/us-1.yaml" --shard us-1 --label region=us \
  --pg-dump "$pg_dump" \
  --coordinator "$SKEIN_COORDINATOR" --http "127.0.0.1:$us_http" \
  --postgres "host=127.0.0.1 port=$us_port user=postgres dbname=postgres"
wait_for 'the agent of eu-1' is_ready "$eu_http"
wait_for 'the agent of us-1' is_ready "$us_http"
wait_for 'all tenants to be known' knows_tenants 100
done_in "coordinator on $SKEIN_COORDINATOR, both agents connected, 100 tenants found"
shown shard list
breathe

# ---- 3: a set ----

step 'A migration set is published' \
  'deploy/examples/billing is a folder of plain SQL files. The coordinator parses every script' \
  'before it accepts the set; a published script can never be changed.'
shown set publish deploy/examples/billing
shown set show billing
breathe

# ---- 4: different versions ----

step 'Tenants at different versions' \
  'Fleets are never tidy: some tenants are fresh, some lag behind. Three quiet rollouts make it so.'
quietly()
{
  skein rollout start billing "$@" --policy abort --wait >>"$work/log/rollouts.log" 2>&1
}
quietly --to 0.3.0 --tenants 'shard=eu-1,tenant in (t_0*,t_1*,t_2*,t_3*)'
quietly --to 0.5.0 --tenants 'shard=us-1,tenant in (shop_0*,shop_1*)'
quietly --to 0.7.0 --tenants 'shard=us-1,tenant=shop_2*'
{
  for i in $(seq -w 1 39); do
    echo "INSERT INTO t_$i.accounts (name, email) VALUES ('Ada Lovelace', 'ada@$i.example');"
    echo "INSERT INTO t_$i.invoices (account_id, number) VALUES (1, '2026-0001');"
    echo "INSERT INTO t_$i.invoice_lines VALUES (1, 1, 'consulting', 2, 9900);"
  done
} | sql eu-1 postgres
done_in 'eu-1: 39 tenants at 0.3.0, with a little data, 21 empty; us-1: 19 at 0.5.0, 10 at 0.7.0, 11 empty'
shown tenant list --where 'tenant in (t_39,t_40,shop_19,shop_20,shop_30)'
breathe

# ---- 5: one broken tenant ----

step 'One broken tenant stops everything, and nothing is changed' \
  'In t_17 somebody has entered an invoice line with a negative price. Version 0.6.0 adds a check' \
  'constraint that forbids it. The dry run looks at every tenant before any of them is changed.'
sql eu-1 postgres <<<"INSERT INTO t_17.invoice_lines VALUES (1, 2, 'discount', 1, -500);"
shown_code 6 rollout start billing --wait
broken=$(skein rollout list -o json | jq -r '.[0].id')
shown rollout status "$broken"
shown tenant list --where 'tenant in (t_17,t_39,t_40,shop_19)'
breathe

# ---- 6: repaired ----

step 'The tenant is repaired, and only what failed is looked at again' \
  'The discount becomes a credit note elsewhere. `retry` repeats the one dry run that failed; as all' \
  'have passed then, the rollout goes on by itself. `watch` follows it.'
sql eu-1 postgres <<<"DELETE FROM t_17.invoice_lines WHERE unit_cents < 0;"
shown rollout retry "$broken"
shown_live rollout watch "$broken"
breathe

# ---- 7: arrived ----

step 'All have arrived' \
  'Each tenant has each script exactly once: its own journal says so, written in the same' \
  'transaction as the change.'
shown rollout report "$broken"
shown tenant history eu-1/t_17
shown tenant list --where 'tenant in (t_17,t_60,shop_01,shop_40)'
shown plan billing --tenants 'tenant=t_0*'

printf '\n%sDone in %d seconds.%s' "$bold" "$((SECONDS - started))" "$plain"
if [ -z "$keep" ]; then
  printf ' Everything is stopped and removed; --keep would have left it running.\n\n'
  exit 0
fi
printf ' The fleet is still running. To talk to it:\n\n'
printf '    export SKEIN_COORDINATOR=%s PATH=%s:$PATH\n' "$SKEIN_COORDINATOR" "$build"
printf '    skein --help\n'
printf '    psql -h 127.0.0.1 -p %s -U postgres    # eu-1; us-1 is on port %s\n\n' "$eu_port" "$us_port"
printf 'To stop it:\n\n    kill %s; rm -rf %s\n\n' "${pids[*]}" "$work"
