#include "agent/run/task_clean.h"

#include <assert.h>

/* What DISCARD ALL does, but for the plans: those of the journal's functions are worth keeping
 * (half a millisecond a task), and a plan is nothing that a tenant could leave to another. */
static const char *const task_clean_items[] = {
    "RESET SESSION AUTHORIZATION",
    "RESET ROLE",
    "RESET ALL",
    "CLOSE ALL",
    "DEALLOCATE ALL",
    "UNLISTEN *",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
};

size_t task_clean_count(void)
{
    return COUNT_OF(task_clean_items);
}

const char *task_clean_sql(size_t index)
{
    assert(index < COUNT_OF(task_clean_items));
    return task_clean_items[index];
}

bool task_clean_run(struct pg_conn *conn, struct pg_batch *batch)
{
    const struct pg_batch_report *answers = NULL;
    bool lost = pg_conn_is_lost(conn);

    if (!lost) {
        if (pg_conn_in_transaction(conn)) {
            pg_batch_add(batch, "ROLLBACK", NULL, 0, 0);
            pg_batch_end_segment(batch);
        }
        for (size_t i = 0; i < COUNT_OF(task_clean_items); i++) {
            pg_batch_add(batch, task_clean_items[i], NULL, 0, 0);
        }
        pg_batch_run(batch, &answers);
        lost = answers->lost || answers->failed;
    }
    return !lost;
}
