#include "agent/run/make_copy.h"

#include <inttypes.h>
#include <string.h>

#include "agent/keep/fingerprint.h"
#include "agent/run/make_dump.h"
#include "agent/run/task_answer.h"
#include "common/core/crash.h"
#include "common/model/plan.h"

/* What is known of the tenant that is copied. */
struct make_copy_source {
    struct make_side side;
    const char *schema; /* "": it is a database */
    const char *rows;   /* of its journal, as JSON */
    char digest[FINGERPRINT_BYTES];
};

static const char make_copy_rows_sql[] =
    "SELECT skein.copy_rows($1), (SELECT version FROM skein.tenant"
    " WHERE tenant = $1 AND set_name = $2), (skein.copy_rows($1)->>'half')::bigint";
static const char make_copy_lock_sql[] = "SELECT skein.making_lock($1, $2, $3::bigint)";
static const char make_copy_aside_sql[] = "SELECT skein.copy_aside($1, $2)";
static const char make_copy_back_sql[] = "SELECT skein.copy_back($1, $2)";
static const char make_copy_end_sql[] =
    "SELECT skein.copy_end($1, $2, $3, $4, $5::bigint, $6, $7::jsonb)";

static struct arena *make_copy_arena(const struct make_copy *copy)
{
    return &copy->tenant->task->arena;
}

/* Its journal. False: the result says why it cannot be copied. */
static bool make_copy_look(const struct make_copy *copy, struct make_copy_source *source)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct set *set = prepared_set_model(copy->tenant->task->set);
    const char *parameters[] = { copy->source, set->name };
    struct arena *arena = make_copy_arena(copy);
    struct plan plan;

    if (make_side_ask(&source->side, make_copy_rows_sql, parameters, COUNT_OF(parameters), &rows) !=
        MAKE_DONE) {
        return false;
    }
    const char *version = pg_result_text(rows, 0, 1);
    if (version == NULL || pg_result_u64(rows, 0, 2) > 0) {
        make_side_fail(copy->tenant, TASK_CODE_TENANT_REFUSED,
                       arena_printf(arena, "the reference tenant %.80s %s", copy->source,
                                    version == NULL ? "has no version of the set: migrate it first"
                                                    : "has a migration half done: retry its "
                                                      "rollout first"));
        return false;
    }
    const struct plan_start start = { .from = version, .baseline = "" };
    plan_make(set, &start, copy->tenant->task->target, &plan);
    if (plan.code != TASK_CODE_NONE && plan.code != TASK_CODE_UP_TO_DATE) {
        make_side_fail(copy->tenant, plan.code,
                       arena_printf(arena, "the reference tenant %.80s: %s", copy->source,
                                    plan.error.message));
        return false;
    }
    source->rows = arena_strdup(arena, pg_result_text(rows, 0, 0));
    return true;
}

static bool make_copy_print(const struct make_copy *copy, struct pg_conn *conn, const char *schema,
                            char ret_digest[FINGERPRINT_BYTES])
{
    struct error err = { 0 };

    if (fingerprint_read(conn, schema, ret_digest, &err)) {
        return true;
    }
    make_side_fail(copy->tenant, pg_conn_is_lost(conn) ? TASK_CODE_DATABASE_LOST : TASK_CODE_RUNNER,
                   err.message);
    return false;
}

/* All that is to be known of it, at one moment: a migration in between is noticed. */
static bool make_copy_read(const struct make_copy *copy, struct make_copy_source *source,
                           struct buf *ret_sql)
{
    struct make_copy_source after = *source;

    if (make_side_open(&source->side) != MAKE_DONE || !make_copy_look(copy, source) ||
        !make_copy_print(copy, source->side.conn, source->schema, source->digest) ||
        !make_dump_read(copy->tenant, source->side.conn, source->schema, NULL, ret_sql)) {
        return false;
    }
    after.side.conn = source->side.conn;
    bool looked = make_copy_look(copy, &after);
    source->side.conn = after.side.conn;
    if (looked && strcmp(source->rows, after.rows) != 0) {
        make_side_fail(copy->tenant, TASK_CODE_TENANT_REFUSED,
                       "the reference tenant was migrated while it was copied: try again");
        return false;
    }
    return looked;
}

/* What the server refuses ends the copy, with its words. */
static bool make_copy_refuse(const struct make_copy *copy, const struct pg_error *words)
{
    struct make_side *side = copy->tenant;
    const struct task_outcome_report report = { .failed = true, .error = *words };

    if (words->sqlstate[0] == '\0') {
        make_side_fail(side, TASK_CODE_DATABASE_LOST,
                       "the connection broke while the reference was copied");
    } else {
        task_answer_refused(side->result, side->task, side->context->options->shard, &report,
                            false);
        side->result->error.hint =
            arena_printf(make_copy_arena(copy), "%s%sThat was while the reference was copied.",
                         side->result->error.hint, side->result->error.hint[0] == '\0' ? "" : " ");
    }
    return false;
}

static bool make_copy_ask(const struct make_copy *copy, const char *sql,
                          const char *const *parameters, size_t count)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    return pg_query(copy->tenant->conn, sql, parameters, count, &rows, &words, &err) ||
           make_copy_refuse(copy, &words);
}

/* The first line that one has and the other has not, and of which of them it is. */
static const char *make_copy_difference(const struct make_copy *copy,
                                        const struct make_copy_source *source, const char *schema)
{
    struct arena *arena = make_copy_arena(copy);
    const char *const *theirs = NULL;
    const char *const *ours = NULL;
    size_t their_count = 0;
    size_t our_count = 0;
    size_t i = 0;
    struct error err = { 0 };

    if (!fingerprint_read_lines(source->side.conn, source->schema, arena, &theirs, &their_count,
                                &err) ||
        !fingerprint_read_lines(copy->tenant->conn, schema, arena, &ours, &our_count, &err)) {
        return err.message[0] == '\0' ? "?" : arena_strdup(arena, err.message);
    }
    while (i < their_count && i < our_count && strcmp(theirs[i], ours[i]) == 0) {
        i++;
    }
    bool lacks = i < their_count && (i == our_count || strcmp(theirs[i], ours[i]) < 0);
    const char *line = lacks ? theirs[i] : i < our_count ? ours[i] : "?";

    return arena_printf(arena, "%s has: %.300s", lacks ? "the reference alone" : "the copy alone",
                        line);
}

static bool make_copy_compare(const struct make_copy *copy, const struct make_copy_source *source,
                              const char *schema)
{
    char digest[FINGERPRINT_BYTES];

    if (!make_copy_print(copy, copy->tenant->conn, schema, digest)) {
        return false;
    }
    if (strcmp(digest, source->digest) == 0) {
        return true;
    }
    make_side_fail(copy->tenant, TASK_CODE_TENANT_REFUSED,
                   arena_printf(make_copy_arena(copy),
                                "the copy is not like the reference tenant %.80s; %s", copy->source,
                                make_copy_difference(copy, source, schema)));
    copy->tenant->result->error.hint =
        "A function that names the reference's schema is copied as it is written: name tables "
        "without their schema.";
    return false;
}

/* Between BEGIN and COMMIT. */
static bool make_copy_write(const struct make_copy *copy, const struct make_copy_source *source,
                            const char *sql)
{
    const struct executor_task *task = copy->tenant->task;
    const struct executor_options *options = copy->tenant->context->options;
    const char *schema = options->database_mode ? "" : task->tenant;
    const char *token = arena_printf(make_copy_arena(copy), "%" PRIu64, task->token);
    const char *lock[] = { task->tenant, prepared_set_model(task->set)->name, token };
    const char *names[] = { task->tenant, copy->source };
    const char *rows[] = { task->tenant, copy->source, task->rollout, options->agent,
                           token,        schema,       source->rows };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!make_copy_ask(copy, make_copy_lock_sql, lock, COUNT_OF(lock)) ||
        (schema[0] != '\0' && !make_copy_ask(copy, make_copy_aside_sql, names, COUNT_OF(names)))) {
        return false;
    }
    pg_conn_set_patience(copy->tenant->conn, 0);
    if (!pg_script(copy->tenant->conn, sql, &words, &err)) {
        return make_copy_refuse(copy, &words);
    }
    pg_conn_set_patience(copy->tenant->conn, PG_QUERY_MAX_MS);
    crash_point("make_before_copied");
    return (schema[0] == '\0' || make_copy_ask(copy, make_copy_back_sql, names, COUNT_OF(names))) &&
           make_copy_compare(copy, source, schema) &&
           make_copy_ask(copy, make_copy_end_sql, rows, COUNT_OF(rows));
}

bool make_copy_run(const struct make_copy *copy)
{
    CLEANUP(buf_release) struct buf sql = { .size_max = COPY_BYTES_MAX };
    bool databases = copy->tenant->context->options->database_mode;
    struct make_copy_source source = { .side = *copy->tenant,
                                       .schema = databases ? "" : copy->source };

    source.side.conn = NULL;
    source.side.database = databases ? copy->source : "";
    bool written =
        make_copy_read(copy, &source, &sql) && make_side_open(copy->tenant) == MAKE_DONE &&
        make_copy_ask(copy, "BEGIN", NULL, 0) && make_copy_write(copy, &source, buf_text(&sql)) &&
        make_copy_ask(copy, "COMMIT", NULL, 0);
    make_side_close(&source.side);
    make_side_close(copy->tenant); /* what the dump has set goes with the session */
    return written;
}
