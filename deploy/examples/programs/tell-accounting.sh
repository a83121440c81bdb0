#!/bin/sh
# An example of a program that a migration runs: tells another system, here a file, which tenants
# have invoices with totals now. It is told again after a crash, so it tells each tenant once only.
set -eu
: "${ACCOUNTING:?the file of the accounting system}"
entry="$SKEIN_SHARD/$SKEIN_TENANT"

case "$SKEIN_MODE:$SKEIN_DIRECTION" in
dry_run:*)
    test -w "$(dirname "$ACCOUNTING")" # could it be told?
    ;;
run:up)
    count=$(psql -XAtqc 'SELECT count(*) FROM invoices' "$SKEIN_DSN")
    grep -qsx "$entry .*" "$ACCOUNTING" || echo "$entry $count invoices" >>"$ACCOUNTING"
    echo "told that $entry has $count invoices"
    ;;
*:down)
    test ! -e "$ACCOUNTING" || sed -i "\\|^$entry |d" "$ACCOUNTING"
    ;;
esac
