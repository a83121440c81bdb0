#!/usr/bin/env bash
# The one list of Debian 12 packages that skein needs, and a function that installs what is missing.
#
#   deploy/packages.sh list    GROUP...     the packages, one per line
#   deploy/packages.sh missing GROUP...     those that are not installed
#   deploy/packages.sh install GROUP...     installs them (root, or sudo); does nothing if all is there
#
# Groups: build (compile skein), run (PostgreSQL and etcd servers to run it against), test (the rest
# that tests/run.sh needs). Scripts source this file and call skein_packages_install.

skein_packages_list()
{
  local group
  for group in "$@"; do
    case $group in
      build)
        printf '%s\n' \
          build-essential cmake ninja-build pkg-config git ccache \
          protobuf-compiler protobuf-c-compiler libprotobuf-c-dev libgrpc-dev \
          libpq-dev libcurl4-openssl-dev libsqlite3-dev libjansson-dev libyaml-dev libssl-dev \
          libmicrohttpd-dev uthash-dev libpg-query-dev
        ;;
      run)
        printf '%s\n' postgresql-15 postgresql-client-15 etcd-server etcd-client openssl jq curl
        ;;
      test)
        printf '%s\n' \
          clang clang-format clang-tidy libclang-rt-14-dev libcmocka-dev valgrind \
          python3 python3-pytest python3-grpcio python3-protobuf python3-psycopg2 python3-yaml \
          iproute2 nftables util-linux libfaketime spin sqitch libdbd-pg-perl
        ;;
      *)
        echo "packages.sh: unknown group '$group' (build, run, test)" >&2
        return 2
        ;;
    esac
  done
}

skein_packages_missing()
{
  local wanted installed
  wanted=$(skein_packages_list "$@") || return
  # shellcheck disable=SC2086 # one word per package
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^ii  *//p')
  comm -23 <(sort -u <<<"$wanted") <(sort -u <<<"$installed")
}

# A server package must not start servers of its own on this machine: skein's scripts start theirs
# in temporary folders. Files that an administrator has written are left alone.
skein_packages_install()
{
  local missing sudo=() policy=/usr/sbin/policy-rc.d status=0
  missing=$(skein_packages_missing "$@") || return
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "packages.sh: no apt-get here; install these yourself:" $missing >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "packages.sh: neither root nor sudo; ask an administrator for:" $missing >&2
      return 1
    fi
    sudo=(sudo)
  fi
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    printf '# No cluster is made when a server package is installed.\ncreate_main_cluster = false\n' |
      "${sudo[@]}" install -D -m 644 /dev/stdin /etc/postgresql-common/createcluster.conf || return
  fi
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" install -m 755 /dev/stdin $policy || return
  else
    policy=
  fi
  # shellcheck disable=SC2086
  "${sudo[@]}" sh -c 'apt-get update -q &&
    DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
      apt-get install -q -y --no-install-recommends "$@"' apt $missing || status=$?
  if [ -n "$policy" ]; then
    "${sudo[@]}" rm -f $policy
  fi
  return $status
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -u
  case ${1:-} in
    list | missing | install) "skein_packages_$1" "${@:2}" ;;
    *)
      sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
      [ "${1:-}" = --help ]
      ;;
  esac
fi
