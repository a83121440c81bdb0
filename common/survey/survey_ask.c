#include "common/survey/survey_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Tenants of one database make catalogs of millions of rows, whose statistics may be old: plans
 * that read one of them whole are not tried. What such a plan is said to cost, where there is no
 * other, would have PostgreSQL compile it: a second for a query of two milliseconds. */
static const char survey_ask_settings[] =
    "SELECT set_config('lock_timeout', $2, true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true),"
    " set_config('jit', 'off', true),"
    " CASE WHEN $1 <> '' THEN set_config('search_path', quote_ident($1), true) END";

enum { SURVEY_ASK_STEPS = 2, SURVEY_ASK_QUESTION = 1 };

/* The texts as PostgreSQL writes an array of them. */
static const char *survey_ask_array(struct arena *arena, const char *const *texts,
                                    const size_t *sizes, size_t count)
{
    size_t bytes = 3;

    for (size_t i = 0; i < count; i++) {
        bytes += 2 * sizes[i] + 3;
    }
    char *array = arena_alloc(arena, bytes);
    char *at = array;
    *at++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            *at++ = ',';
        }
        *at++ = '"';
        for (size_t c = 0; c < sizes[i]; c++) {
            if (texts[i][c] == '"' || texts[i][c] == '\\') {
                *at++ = '\\';
            }
            *at++ = texts[i][c];
        }
        *at++ = '"';
    }
    *at++ = '}';
    *at = '\0';
    return array;
}

void survey_ask_names(const struct survey_call *call, struct arena *arena, const char **ret_schemas,
                      const char **ret_names)
{
    const size_t count = call->name_count;
    const char **bare = arena_alloc_array(arena, count + 1, sizeof(*bare));
    size_t *schema_sizes = arena_alloc_array(arena, count + 1, sizeof(*schema_sizes));
    size_t *bare_sizes = arena_alloc_array(arena, count + 1, sizeof(*bare_sizes));

    for (size_t i = 0; i < count; i++) {
        const char *dot = strchr(call->names[i], '.');
        bare[i] = dot == NULL ? call->names[i] : dot + 1;
        schema_sizes[i] = dot == NULL ? 0 : (size_t)(dot - call->names[i]);
        bare_sizes[i] = strlen(bare[i]);
    }
    *ret_schemas = survey_ask_array(arena, call->names, schema_sizes, count);
    *ret_names = survey_ask_array(arena, bare, bare_sizes, count);
}

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
