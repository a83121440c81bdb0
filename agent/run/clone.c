#include "agent/run/clone.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/keep/fingerprint.h"
#include "agent/run/clone_trial.h"
#include "agent/run/make_dump.h"
#include "agent/run/task_answer.h"
#include "common/core/crash.h"
#include "common/core/limits.h"
#include "common/model/checksum.h"
#include "common/trace/trace_scratch.h"

/* What the copy needs that a dump of one schema does not bring (one of all schemas does); and where
 * the tenant's scripts look for names, which may be the database's own setting. */
static const char clone_extensions_sql[] =
    "SELECT coalesce(string_agg(format('CREATE SCHEMA IF NOT EXISTS %I;"
    " CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I CASCADE;', n.nspname, e.extname, n.nspname),"
    " ' '), ''), quote_ident($1), CASE WHEN $1 <> '' THEN quote_ident($1) ELSE (SELECT"
    " CASE reset_val WHEN '' THEN quote_literal('') ELSE reset_val END FROM pg_catalog.pg_settings"
    " WHERE name = 'search_path') END FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n"
    " ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql'";

/* Foreign tables are read and written with these; without them nothing on another server is. */
static const char clone_mappings_sql[] =
    "SELECT coalesce(string_agg(format('DROP USER MAPPING FOR %s SERVER %I;',"
    " CASE WHEN umuser = 0 THEN 'PUBLIC' ELSE quote_ident(usename) END, srvname), ' '), '')"
    " FROM pg_catalog.pg_user_mappings";

struct clone {
    struct make_side side; /* the tenant's; its connection is the worker's */
    bool first;            /* before a dry run on the tenant itself */
    const struct plan *plan;
    const char *schema; /* "": the tenant is a database */
    const char *path;
    struct trace_scratch *scratch;
};

const char *clone_prefix(const char *shard, char ret_prefix[CLONE_PREFIX_BYTES])
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];

    checksum_add_text(checksum, shard);
    checksum_finish(checksum, digest);
    (void)snprintf(ret_prefix, CLONE_PREFIX_BYTES, "skein_clone_%02x%02x%02x%02x_", digest[0],
                   digest[1], digest[2], digest[3]);
    return ret_prefix;
}

bool clone_sweep(struct pg_conn *conn, const char *shard, bool *ret_left, struct error *err)
{
    char prefix[CLONE_PREFIX_BYTES];

    return trace_scratch_sweep(conn, clone_prefix(shard, prefix), ret_left, err);
}

static bool clone_fail(struct clone *clone, enum task_code code, const struct error *err)
{
    if (executor_queue_is_cancelled(clone->side.context->queue, clone->side.context->worker)) {
        code = TASK_CODE_CANCELLED; /* it may be why a statement on the copy has failed */
    }
    make_side_fail(
        &clone->side, code,
        arena_printf(&clone->side.task->arena, "the copy of the tenant: %s", err->message));
    return false;
}

static bool clone_is_lost(const struct clone *clone)
{
    return pg_conn_is_lost(clone->side.context->link->conn);
}

/* pg_dump says in words what it has waited for in vain. */
static bool clone_judge_dump(struct clone *clone)
{
    struct task_result *result = clone->side.result;

    if (result->error.code == TASK_CODE_RUNNER &&
        strstr(result->error.message, "lock timeout") != NULL) {
        result->error.code = TASK_CODE_LOCK_TIMEOUT;
    }
    return false;
}

/* The schema "public" is there already in every new database, and the tenant's own was made for the
 * extensions that are in it. `name` as pg_dump writes it. */
static void clone_mask_schema(struct clone *clone, struct buf *sql, const char *name)
{
    const char *line = arena_printf(&clone->side.task->arena, "\nCREATE SCHEMA %s;", name);
    char *at = sql->size == 0 ? NULL : memmem(sql->data, sql->size, line, strlen(line));

    if (at != NULL) {
        memcpy(at + 1, "--", 2);
    }
}

/* All that is to be made, as SQL; the live tables are not asked any more after it. */
static bool clone_read(struct clone *clone, struct buf *ret_sql, const char **ret_extensions,
                       char ret_digest[FINGERPRINT_BYTES])
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_conn *conn = clone->side.context->link->conn;
    struct arena *arena = &clone->side.task->arena;
    bool whole = clone->schema[0] == '\0';
    struct error err = { 0 };

    if (!pg_query(conn, clone_extensions_sql, &clone->schema, 1, &rows, NULL, &err) ||
        !fingerprint_read(conn, clone->schema, ret_digest, &err)) {
        bool waited = strstr(err.message, "55P03") != NULL;
        return clone_fail(clone,
                          clone_is_lost(clone) ? TASK_CODE_DATABASE_LOST
                          : waited             ? TASK_CODE_LOCK_TIMEOUT
                                               : TASK_CODE_RUNNER,
                          &err);
    }
    clone->path = arena_strdup(arena, pg_result_text(rows, 0, 2));
    *ret_extensions = whole ? ""
                            : arena_printf(arena, "CREATE SCHEMA IF NOT EXISTS %s; %s",
                                           pg_result_text(rows, 0, 1), pg_result_text(rows, 0, 0));
    bool beside = !whole && strcmp(clone->schema, "public") != 0;
    if (!make_dump_read(&clone->side, conn, clone->schema, beside ? "public" : NULL, ret_sql)) {
        return clone_judge_dump(clone);
    }
    clone_mask_schema(clone, ret_sql, "public");
    clone_mask_schema(clone, ret_sql, whole ? "public" : pg_result_text(rows, 0, 1));
    return true;
}

static bool clone_say(struct clone *clone, const char *sql)
{
    struct error err = { 0 };

    return sql[0] == '\0' || pg_script(trace_scratch_conn(clone->scratch), sql, NULL, &err) ||
           clone_fail(clone, TASK_CODE_RUNNER, &err);
}

static bool clone_compare(struct clone *clone, const char *digest)
{
    char copied[FINGERPRINT_BYTES];
    struct error err = { 0 };

    if (!fingerprint_read(trace_scratch_conn(clone->scratch), clone->schema, copied, &err)) {
        return clone_fail(clone, TASK_CODE_RUNNER, &err);
    }
    if (strcmp(copied, digest) != 0) {
        (void)error_set(&err, ERR_CONFLICT,
                        "it has another schema than the tenant: what the tenant uses of other "
                        "schemas than its own and public is not copied, and functions that name "
                        "their schema are copied as they are written");
        return clone_fail(clone, TASK_CODE_RUNNER, &err);
    }
    return true;
}

/* What nobody shall wait for, or find on another server. */
static bool clone_tame(struct clone *clone)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    uint64_t most_ms =
        executor_task_statement_ms(clone->side.task, clone->side.context->options); /* 0: any */
    struct error err = { 0 };

    if (clone->first && (most_ms == 0 || most_ms > COPY_STATEMENT_MAX_MS)) {
        most_ms = COPY_STATEMENT_MAX_MS;
    }
    if (!pg_query(trace_scratch_conn(clone->scratch), clone_mappings_sql, NULL, 0, &rows, NULL,
                  &err)) {
        return clone_fail(clone, TASK_CODE_RUNNER, &err);
    }
    /* Of an empty table PostgreSQL reads all, though an index would find what is looked for in a
     * large one: what it reads whole without need must not be held against the tenant. */
    return clone_say(clone, pg_result_text(rows, 0, 0)) &&
           (!clone->first || clone_say(clone, "SET enable_seqscan = off; SET jit = off")) &&
           clone_say(clone, arena_printf(&clone->side.task->arena,
                                         "SET statement_timeout = %" PRIu64, most_ms));
}

static bool clone_make(struct clone *clone)
{
    CLEANUP(buf_release) struct buf dump = { .size_max = COPY_BYTES_MAX };
    const struct executor_options *options = clone->side.context->options;
    struct arena *arena = &clone->side.task->arena;
    char prefix[CLONE_PREFIX_BYTES];
    char digest[FINGERPRINT_BYTES];
    const char *extensions = "";
    bool left = false;
    struct error err = { 0 };

    if (!clone_read(clone, &dump, &extensions, digest)) {
        return false;
    }
    /* Of a process that died meanwhile; one that cannot be dropped is no reason not to go on. */
    (void)!clone_sweep(clone->side.context->link->conn, options->shard, &left, &err);
    if (!trace_scratch_open_as(
            options->conninfo, clone_prefix(options->shard, prefix),
            arena_printf(arena,
                         "skein: an empty copy of a tenant of the shard %s, to try a rollout "
                         "on; may be dropped",
                         options->shard),
            &clone->scratch, &err)) {
        return clone_fail(clone, TASK_CODE_RUNNER, &err);
    }
    worker_link_beside(clone->side.context->link, trace_scratch_conn(clone->scratch));
    crash_point("clone_made");
    return clone_say(clone, extensions) && clone_say(clone, buf_text(&dump)) &&
           clone_say(clone,
                     "RESET ALL; SET lock_timeout = '10s'; SET max_parallel_workers_per_gather"
                     " = 0; SET max_parallel_maintenance_workers = 0") &&
           clone_compare(clone, digest) && clone_tame(clone) &&
           clone_say(clone, arena_printf(arena, "SET search_path = %s", clone->path));
}

/* Whether one can be had at all; else the result says why not. */
static bool clone_is_possible(struct clone *clone)
{
    const struct executor_options *options = clone->side.context->options;
    struct error err = { 0 };

    if (options->pg_dump != NULL && options->pg_dump[0] != '\0') {
        return true;
    }
    (void)error_set(&err, ERR_REFUSED,
                    "it is made with pg_dump, and this agent was not told where that is "
                    "(--pg-dump)");
    return clone_fail(clone, TASK_CODE_RUNNER, &err);
}

static void clone_run(struct clone *clone, struct clone_report *report)
{
    const struct make_side *side = &clone->side;
    const struct executor_options *options = side->context->options;
    struct error err = { 0 };

    *report = (struct clone_report){ .made = false };
    side->result->version = side->task->from;
    if (clone_is_possible(clone) && clone_make(clone)) {
        const struct clone_trial trial = { .context = side->context,
                                           .task = side->task,
                                           .plan = clone->plan,
                                           .schema = clone->schema,
                                           .conn = trace_scratch_conn(clone->scratch),
                                           .result = side->result,
                                           .report = report };
        report->made = true;
        if (clone_trial_run(&trial) && !clone->first) {
            task_answer_succeed(side->result, side->task, clone->plan->count);
        }
        if (!clone->first) {
            clone_trial_tell(&trial);
        }
    }
    worker_link_beside(side->context->link, NULL);
    crash_point("clone_tried");
    if (clone->scratch != NULL && !trace_scratch_drop(clone->scratch, &err)) {
        clone_trial_warn(side->task, options->shard, side->result,
                         err.message); /* the next sweep has it */
    }
    trace_scratch_free(&clone->scratch);
}

void clone_try(struct task_context *context, struct executor_task *task, const struct plan *plan,
               struct task_result *result)
{
    struct clone_report report;
    struct clone clone = {
        .side = { .context = context, .task = task, .result = result },
        .plan = plan,
        .schema = context->options->database_mode ? "" : task->tenant,
    };

    clone_run(&clone, &report);
}

void clone_learn(struct task_context *context, struct executor_task *task, const struct plan *plan,
                 struct task_result *result, struct clone_report *ret_report)
{
    struct clone clone = {
        .side = { .context = context, .task = task, .result = result },
        .first = true,
        .plan = plan,
        .schema = context->options->database_mode ? "" : task->tenant,
    };

    clone_run(&clone, ret_report);
}
