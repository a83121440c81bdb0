#include "agent/keep/fingerprint.h"

#include <stdio.h>
#include <string.h>

#include "common/pg/pg_batch.h"

/* Written by the build from fingerprint.sql. */
extern const char fingerprint_sql_text[];

/* Tenants of one database make catalogs of millions of rows, whose statistics may be old: plans
 * that read one of them whole are not tried. What these are said to cost where there is no other
 * would have the query compiled, which takes longer than it does. All of it is put back, in case a
 * transaction goes on. */
static const char fingerprint_prepare[] =
    "SELECT set_config('skein.' || name, setting, true), set_config(name, CASE name"
    " WHEN 'search_path' THEN CASE WHEN $1 = '' THEN 'public' ELSE quote_ident($1) END"
    " WHEN 'lock_timeout' THEN $2 ELSE 'off' END, true)"
    " FROM (SELECT name, current_setting(name) AS setting FROM unnest(ARRAY['search_path',"
    " 'lock_timeout', 'jit', 'enable_hashjoin', 'enable_mergejoin', 'enable_seqscan']) AS name) AS "
    "s";
static const char fingerprint_restore[] =
    "SELECT set_config(name, current_setting('skein.' || name), true) FROM unnest(ARRAY["
    "'search_path', 'lock_timeout', 'jit', 'enable_hashjoin', 'enable_mergejoin', "
    "'enable_seqscan'])"
    " AS name";

static const char fingerprint_digest[] =
    " SELECT encode(sha256(convert_to(coalesce(string_agg(text, E'\\n' ORDER BY text COLLATE "
    "\"C\"),"
    " ''), 'UTF8')), 'hex') FROM line HAVING EXISTS (SELECT FROM home)";
static const char fingerprint_lines[] =
    " SELECT cut FROM (SELECT left(text, $2::integer) || CASE WHEN length(text) > $2::integer"
    " THEN '... ' || left(md5(text), 8) ELSE '' END AS cut FROM line) AS c"
    " ORDER BY cut COLLATE \"C\" LIMIT $3::integer";

enum { FINGERPRINT_STEPS = 3, FINGERPRINT_ASK = 1 };

/* What went wrong, as one sentence with the server's words. */
static bool fingerprint_fail(const struct pg_batch_report *report, struct error *err)
{
    if (report->lost) {
        return error_set(err, ERR_UNAVAILABLE, "read the schema: the connection was lost");
    }
    return error_set(err, ERR_INVALID, "read the schema: %s (SQLSTATE %s)", report->error.message,
                     report->error.sqlstate);
}

/* `sql` has $1 for the schema. The result is the batch's. */
static bool fingerprint_ask(struct pg_batch *batch, const char *sql, const char *const *parameters,
                            size_t count, const struct pg_result **ret_rows, struct error *err)
{
    char wait[32];
    const char *const settings[] = { parameters[0], wait };
    const struct pg_batch_report *report = NULL;

    snprintf(wait, sizeof(wait), "%dms", FINGERPRINT_LOCK_MS);
    pg_batch_add(batch, fingerprint_prepare, settings, COUNT_OF(settings), 0);
    pg_batch_add(batch, sql, parameters, count, FINGERPRINT_ASK);
    pg_batch_add(batch, fingerprint_restore, NULL, 0, 0);
    pg_batch_end_segment(batch);
    pg_batch_run(batch, &report);
    if (report->failed || report->lost || report->count != FINGERPRINT_STEPS) {
        return fingerprint_fail(report, err);
    }
    *ret_rows = report->items[FINGERPRINT_ASK].result;
    return true;
}

bool fingerprint_read(struct pg_conn *conn, const char *schema, char ret_digest[FINGERPRINT_BYTES],
                      struct error *err)
{
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *sql = arena_printf(&arena, "%s%s", fingerprint_sql_text, fingerprint_digest);
    const struct pg_result *rows = NULL;

    if (!fingerprint_ask(batch, sql, &schema, 1, &rows, err)) {
        return false;
    }
    if (pg_result_row_count(rows) == 0) {
        return error_set(err, ERR_NOT_FOUND, "there is no schema '%s'", schema);
    }
    snprintf(ret_digest, FINGERPRINT_BYTES, "%s", pg_result_text(rows, 0, 0));
    return true;
}

void fingerprint_words_make(struct arena *arena, struct fingerprint_words *ret_words)
{
    *ret_words = (struct fingerprint_words){
        .prepare = fingerprint_prepare,
        .ask = arena_printf(arena, "%s%s", fingerprint_sql_text, fingerprint_digest),
        .restore = fingerprint_restore,
    };
    snprintf(ret_words->lock_timeout, sizeof(ret_words->lock_timeout), "%dms", FINGERPRINT_LOCK_MS);
}

bool fingerprint_read_lines(struct pg_conn *conn, const char *schema, struct arena *arena,
                            const char *const **ret_lines, size_t *ret_count, struct error *err)
{
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    char bytes[16];
    char most[16];
    const char *const parameters[] = { schema, bytes, most };
    const char *sql = arena_printf(arena, "%s%s", fingerprint_sql_text, fingerprint_lines);
    const struct pg_result *rows = NULL;

    snprintf(bytes, sizeof(bytes), "%d", FINGERPRINT_LINE_BYTES_MAX);
    snprintf(most, sizeof(most), "%d", FINGERPRINT_LINES_MAX + 1);
    if (!fingerprint_ask(batch, sql, parameters, COUNT_OF(parameters), &rows, err)) {
        return false;
    }
    const size_t count = pg_result_row_count(rows);
    if (count > FINGERPRINT_LINES_MAX) {
        return error_set(err, ERR_LIMIT, "the schema has more than %d objects to compare",
                         FINGERPRINT_LINES_MAX);
    }
    const char **lines = arena_alloc_array(arena, count + 1, sizeof(*lines));
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        lines[i] = arena_strdup(arena, pg_result_text(rows, i, 0));
        sum += strlen(lines[i]);
    }
    if (sum > FINGERPRINT_LINES_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "the schema takes more than %d bytes to compare",
                         FINGERPRINT_LINES_BYTES_MAX);
    }
    *ret_lines = lines;
    *ret_count = count;
    return true;
}
