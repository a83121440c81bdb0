#include "common/survey/survey_ask.h"

#include <inttypes.h>
#include <stdio.h>

/* Tenants of one database make catalogs of millions of rows, whose statistics may be old: plans
 * that read one of them whole are not tried. */
static const char survey_ask_settings[] =
    "SELECT set_config('lock_timeout', $2, true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),"
    " CASE WHEN $1 <> '' THEN set_config('search_path', quote_ident($1), true) END";

enum { SURVEY_ASK_STEPS = 2, SURVEY_ASK_QUESTION = 1 };

bool survey_ask(struct pg_batch *batch, const struct survey_call *call, const char *sql,
                const char *const *parameters, size_t count, const struct pg_result **ret_rows,
                struct pg_error *ret_pg_error, struct error *err)
{
    char wait[32];
    const char *const settings[] = { call->schema, wait };
    const struct pg_batch_report *report = NULL;

    (void)snprintf(wait, sizeof(wait), "%" PRIu64 "ms", call->lock_timeout_ms);
    pg_batch_add(batch, survey_ask_settings, settings, COUNT_OF(settings), 0);
    pg_batch_add(batch, sql, parameters, count, SURVEY_ASK_QUESTION);
    pg_batch_end_segment(batch);
    pg_batch_run(batch, &report);
    if (ret_pg_error != NULL) {
        *ret_pg_error = report->error;
    }
    if (report->lost) {
        return error_set(err, ERR_UNAVAILABLE, "look at the tables: the connection was lost");
    }
    if (report->failed || report->count != SURVEY_ASK_STEPS) {
        return error_set(err, ERR_INVALID, "look at the tables: %s (SQLSTATE %s)",
                         report->error.message, report->error.sqlstate);
    }
    *ret_rows = report->items[SURVEY_ASK_QUESTION].result;
    return true;
}
