#include "agent/run/watch_advance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/buf.h"

static const char watch_advance_sql[] =
    "SELECT pid, phase, CASE WHEN phase LIKE 'waiting%' THEN lockers_done"
    " WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,"
    " CASE WHEN phase LIKE 'waiting%' THEN lockers_total"
    " WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END"
    " FROM pg_catalog.pg_stat_progress_create_index WHERE pid = ANY ($1::integer[])"
    " UNION ALL SELECT pid, phase, CASE phase WHEN 'vacuuming heap' THEN heap_blks_vacuumed"
    " ELSE heap_blks_scanned END, heap_blks_total"
    " FROM pg_catalog.pg_stat_progress_vacuum WHERE pid = ANY ($1::integer[])"
    " UNION ALL SELECT pid, phase, heap_blks_scanned, heap_blks_total"
    " FROM pg_catalog.pg_stat_progress_cluster WHERE pid = ANY ($1::integer[])";

bool watch_advance_look(struct pg_conn *conn, const struct watch_target *targets, size_t count,
                        struct watch_advance *ret_items, struct error *err)
{
    CLEANUP(buf_release) struct buf pids = { .size_max = ERROR_BYTES_MAX };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;

    watch_look_pids(targets, count, &pids);
    const char *parameter = buf_text(&pids);
    memset(ret_items, 0, count * sizeof(*ret_items));
    if (!pg_query(conn, watch_advance_sql, &parameter, 1, &rows, NULL, err)) {
        return false;
    }
    for (size_t row = 0; row < pg_result_row_count(rows); row++) {
        uint64_t pid = pg_result_u64(rows, row, 0);

        for (size_t i = 0; i < count; i++) {
            if (targets[i].pid == pid) {
                ret_items[i].done = pg_result_u64(rows, row, 2);
                ret_items[i].total = pg_result_u64(rows, row, 3);
                (void)snprintf(ret_items[i].phase, sizeof(ret_items[i].phase), "%s",
                               pg_result_text(rows, row, 1));
            }
        }
    }
    return true;
}
