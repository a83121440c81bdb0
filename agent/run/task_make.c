#include "agent/run/task_make.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/make_copy.h"
#include "agent/run/make_side.h"
#include "agent/run/step_plan.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_life.h"
#include "agent/run/task_text.h"
#include "common/core/clock.h"
#include "common/core/crash.h"
#include "common/core/limits.h"
#include "common/model/plan.h"

enum { MAKE_PARAMETERS = 5, MAKE_TRIES_MAX = 3 };

struct task_make {
    struct task_context *context;
    const struct executor_turn *turn;
    struct executor_task *task;
    struct task_result *result;
    struct make_side home;
    struct make_side tenant; /* the same database where tenants are schemas */
    const char *parameters[MAKE_PARAMETERS];
    bool begun;   /* the journal has it as being made, by us */
    bool already; /* this rollout has done it */
};

static const char task_make_begin_sql[] = "SELECT skein.making_begin($1, $2, $3, $4::bigint, $5)";
static const char task_make_end_sql[] = "SELECT skein.making_end($1, $2, $3, $4::bigint, $5)";
/* The same, of one that may have been made in one transaction. */
static const char task_make_settle_end_sql[] = "SELECT skein.making_end($1, $2, $3, $4::bigint, $5)"
                                               " WHERE skein.making_state($1, $5) = 'half'";
static const char task_make_remove_sql[] = "SELECT skein.making_remove($1, $2, $3, $4::bigint, $5)";
static const char task_make_gone_sql[] = "SELECT skein.making_gone($1, $2, $3::bigint)";
static const char task_make_words_sql[] = "SELECT skein.making_words($1, $2)";
static const char task_make_dress_sql[] = "SELECT skein.making_dress($1, $2)";
static const char task_make_drop_sql[] =
    "SELECT out_there, out_sessions, out_first FROM skein.making_drop($1, $2, $3::bigint)";
static const char task_make_has_sql[] =
    "SELECT to_regprocedure('skein.making_lock(text,text,bigint)') IS NOT NULL";
static const char task_make_fence_sql[] = "SELECT skein.making_lock($1, $2, $3::bigint)";
static const char task_make_state_sql[] = "SELECT skein.making_state($1, $2)";
/* How far an earlier try of this rollout has come. */
static const char task_make_look_sql[] =
    "SELECT coalesce(version, ''), coalesce(repeatables, 0) FROM skein.tenant"
    " WHERE tenant = $1 AND set_name = $2 AND rollout = $3";
static const char task_make_label_sql[] =
    "INSERT INTO skein.label (tenant, key, value)"
    " SELECT $1, u.key, u.value FROM unnest($2::text[], $3::text[]) AS u(key, value)"
    " ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value";

/* Whether its scripts fit one transaction. */
static bool task_make_is_simple(const struct executor_task *task)
{
    const struct plan_start start = { .from = "", .baseline = "" };
    struct plan plan;

    plan_make(prepared_set_model(task->set), &start, task->target, &plan);
    return plan.code != TASK_CODE_NONE || step_plan_is_simple(task->set, &plan);
}

bool task_make_is(const struct executor_options *options, const struct executor_task *task)
{
    switch (task->mode) {
    case TASK_CREATE:
        return options->database_mode || task->source[0] != '\0' || !task_make_is_simple(task);
    case TASK_DROP:
        return options->database_mode;
    case TASK_SETTLE:
        return task->kind == ROLLOUT_CREATE ||
               (task->kind == ROLLOUT_DROP && options->database_mode);
    case TASK_DRY_RUN:
    case TASK_RUN:
    case TASK_BASELINE:
    case TASK_ROLLBACK_DRY_RUN:
    case TASK_ROLLBACK:
    case TASK_MODE_COUNT:
        break;
    }
    return false;
}

static bool task_make_is_cancelled(const struct task_make *m)
{
    return executor_queue_is_cancelled(m->context->queue, m->context->worker);
}

/* A name in SQL's quotes, as part of a statement that takes no parameters. */
static const char *task_make_drop_words(const struct task_make *m, bool force)
{
    return arena_printf(&m->task->arena, "DROP DATABASE IF EXISTS %s%s",
                        task_text_identifier(&m->task->arena, m->task->tenant),
                        force ? " WITH (FORCE)" : "");
}

/* Nobody of us may be connected to it. */
static void task_make_leave(struct task_make *m)
{
    make_side_close(&m->tenant);
    worker_link_close(m->context->link);
}

/* A database that is half made goes; nobody but what is left of its making can be connected. */
static enum make_end task_make_raze(struct task_make *m)
{
    const char *gone[] = { m->task->tenant, m->task->rollout, m->parameters[3] };
    struct pg_error words = { 0 };
    enum make_end end = MAKE_AGAIN;

    task_make_leave(m);
    crash_point("make_before_raze");
    while (end == MAKE_AGAIN) {
        end = make_side_say(&m->home, task_make_drop_words(m, true), &words);
    }
    crash_point("make_after_raze");
    return end == MAKE_DONE
               ? make_side_ask(&m->home, task_make_gone_sql, gone, COUNT_OF(gone), NULL)
               : end;
}

/* ---- the beginning ---- */

/* Its encoding, its owner and its settings are those of the tenant that is copied. */
static enum make_end task_make_database(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *names[] = { m->task->tenant, m->task->source };
    struct pg_error words = { 0 };
    enum make_end end = make_side_ask(&m->home, task_make_words_sql, names, COUNT_OF(names), &rows);

    if (end != MAKE_DONE) {
        return end;
    }
    crash_point("make_before_database");
    end =
        make_side_say(&m->home, arena_strdup(&m->task->arena, pg_result_text(rows, 0, 0)), &words);
    crash_point("make_after_database");
    if (end == MAKE_ENDED && strcmp(words.sqlstate, "42P04") == 0) {
        task_answer_fail(m->result, m->task, m->context->options->shard, TASK_FAILED,
                         TASK_CODE_TENANT_EXISTS, "%s", words.message);
    }
    return end;
}

/* Settings and grants of the database that is copied; as often as wanted. */
static enum make_end task_make_dress(struct task_make *m)
{
    const char *names[] = { m->task->tenant, m->task->source };

    return m->task->source[0] == '\0'
               ? MAKE_DONE
               : make_side_ask(&m->home, task_make_dress_sql, names, COUNT_OF(names), NULL);
}

/* One try to have something to fill. */
static enum make_end task_make_try(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    enum make_end end =
        make_side_ask(&m->home, task_make_begin_sql, m->parameters, MAKE_PARAMETERS, &rows);

    if (end != MAKE_DONE) {
        return end;
    }
    const char *state = pg_result_text(rows, 0, 0);
    m->begun = strcmp(state, "shut") != 0;
    crash_point("make_begun");
    if (!m->begun) {
        end = task_make_raze(m);
        return end == MAKE_DONE ? MAKE_AGAIN : end;
    }
    if (!m->context->options->database_mode) {
        return MAKE_DONE;
    }
    if (strcmp(state, "none") == 0) {
        end = task_make_database(m);
    }
    return end == MAKE_DONE ? task_make_dress(m) : end;
}

static bool task_make_accept(struct task_make *m)
{
    struct error err = { 0 };

    if (make_side_open(&m->home) != MAKE_DONE) {
        return false;
    }
    if (task_life_accept(m->context->options, m->home.conn, m->task, &err)) {
        return true;
    }
    make_side_fail(&m->home,
                   pg_conn_is_lost(m->home.conn) ? TASK_CODE_DATABASE_LOST
                                                 : TASK_CODE_TENANT_REFUSED,
                   err.message);
    return false;
}

static bool task_make_begin(struct task_make *m)
{
    enum make_end end = MAKE_AGAIN;

    if (!task_make_accept(m)) {
        return false;
    }
    for (int i = 0; end == MAKE_AGAIN && i < MAKE_TRIES_MAX; i++) {
        end = task_make_try(m);
    }
    m->already = end == MAKE_ALREADY;
    if (end == MAKE_AGAIN) {
        make_side_fail(&m->home, TASK_CODE_DATABASE_LOST,
                       "the connection broke each time while the tenant was made");
    }
    return end == MAKE_DONE;
}

/* ---- what is in it ---- */

static bool task_make_look(struct task_make *m, const char **ret_version, uint64_t *ret_repeatables)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    enum make_end end = make_side_ask(&m->tenant, task_make_look_sql, m->parameters, 3, &rows);
    bool known = end == MAKE_DONE && pg_result_row_count(rows) == 1;

    *ret_version = known ? arena_strdup(&m->task->arena, pg_result_text(rows, 0, 0)) : "";
    *ret_repeatables = known ? pg_result_u64(rows, 0, 1) : 0;
    return end == MAKE_DONE;
}

static bool task_make_label(struct task_make *m)
{
    struct task_text_labels labels = { 0 };

    task_text_labels(&m->task->arena, &m->task->labels, &labels);
    const char *parameters[] = { m->task->tenant, labels.keys, labels.values };
    return m->task->labels.count == 0 || make_side_ask(&m->tenant, task_make_label_sql, parameters,
                                                       COUNT_OF(parameters), NULL) == MAKE_DONE;
}

/* As any tenant is migrated, from where it is. */
static bool task_make_migrate(struct task_make *m, const char *version, uint64_t repeatables)
{
    const struct plan_start start = { .from = version, .baseline = "", .repeatables = repeatables };
    struct task_result *migrated = NULL;
    struct plan plan;

    m->task->from = version;
    m->task->repeatables = repeatables;
    plan_make(prepared_set_model(m->task->set), &start, m->task->target, &plan);
    if (plan.code == TASK_CODE_UP_TO_DATE) {
        task_answer_succeed(m->result, m->task, 0);
        return true;
    }
    bool to_barrier = task_run(m->context, m->turn, &migrated);
    (void)to_barrier; /* it never is: nothing is shown before it is durable */
    *m->result = *migrated;
    return m->result->outcome == TASK_SUCCEEDED;
}

/* True: all that is to be in it is. */
static bool task_make_fill(struct task_make *m)
{
    const char *version = "";
    uint64_t repeatables = 0;

    if (!task_make_look(m, &version, &repeatables)) {
        return false;
    }
    if (m->task->source[0] != '\0' && version[0] == '\0') {
        const struct make_copy copy = { .tenant = &m->tenant, .source = m->task->source };

        if (!make_copy_run(&copy) || !task_make_look(m, &version, &repeatables)) {
            return false;
        }
        crash_point("make_copied");
    }
    bool labelled = task_make_label(m);
    make_side_close(&m->tenant);
    if (!labelled) {
        return false;
    }
    if (task_make_is_cancelled(m)) {
        make_side_fail(&m->tenant, TASK_CODE_CANCELLED, "cancelled before its scripts began");
        return false;
    }
    return task_make_migrate(m, version, repeatables);
}

/* ---- the end ---- */

static void task_make_hint(struct task_make *m, const char *words)
{
    struct task_error *error = &m->result->error;

    error->hint = arena_printf(&m->task->arena, "%s%s%s", error->hint,
                               error->hint[0] == '\0' ? "" : " ", words);
}

/* Removes what is not whole. A failure of that does not take the place of the one that led here. */
static void task_make_remove(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct task_result why = *m->result;
    struct arena *arena = &m->task->arena;

    task_make_leave(m);
    crash_point("make_before_remove");
    enum make_end end =
        make_side_ask(&m->home, task_make_remove_sql, m->parameters, MAKE_PARAMETERS, &rows);
    if (end == MAKE_DONE && pg_result_bool(rows, 0, 0)) {
        end = task_make_raze(m);
    }
    const char *problem = m->result->error.message;
    *m->result = why;
    if (end == MAKE_DONE) {
        m->result->version = "";
        task_make_hint(m, "Nothing is left of the tenant: what was made of it was removed again.");
    } else {
        task_make_hint(m, arena_printf(arena,
                                       "What was made of it could not be removed (%s); it is in "
                                       "nobody's list, and the next 'tenant create' removes it.",
                                       problem));
    }
}

/* Whoever has the tenant now sees to it: another try of this rollout, or what settles it. */
static bool task_make_is_left(const struct task_make *m)
{
    enum task_code code = m->result->error.code;

    return code == TASK_CODE_FENCED || code == TASK_CODE_DATABASE_LOST;
}

static void task_make_finish(struct task_make *m, bool filled)
{
    if (filled) {
        crash_point("make_before_end");
        const struct task_result whole = *m->result;

        filled = make_side_ask(&m->home, task_make_end_sql, m->parameters, MAKE_PARAMETERS, NULL) ==
                 MAKE_DONE;
        *m->result = filled ? whole : *m->result;
        crash_point("make_after_end");
    }
    if (!filled && m->begun && !task_make_is_left(m)) {
        task_make_remove(m);
    }
}

/* Whether it can be done at all; nothing has been touched yet. */
static bool task_make_check(struct task_make *m)
{
    struct error err = { 0 };

    if (task_life_check(m->context->options, m->task, &err)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_TENANT_REFUSED, err.message);
    return false;
}

static bool task_make_may_begin(struct task_make *m)
{
    if (executor_queue_wait_lease(m->context->queue, m->context->worker)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_CANCELLED, "cancelled before it began");
    return false;
}

/* The first step of a new tenant; see task_run, which does the same for one transaction. */
static bool task_make_register(struct task_make *m, bool *ret_registered)
{
    struct error err = { 0 };

    if (task_life_register(m->context->options, m->task, ret_registered, &err)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_REGISTRY, err.message);
    return false;
}

static void task_make_create(struct task_make *m)
{
    bool registered = false;

    if (!task_make_check(m) || !task_make_may_begin(m) || !task_make_register(m, &registered)) {
        return;
    }
    if (task_make_begin(m)) {
        task_make_finish(m, task_make_fill(m));
    } else if (m->already) {
        task_answer_succeed(m->result, m->task, 0);
    } else if (m->begun && !task_make_is_left(m)) {
        task_make_remove(m);
    }
    if (registered && m->result->outcome != TASK_SUCCEEDED && !task_make_is_left(m)) {
        task_life_unregister(m->context->options, m->task, m->result);
    }
}

/* ---- dropping a database ---- */

/* A migration with a later token, or one at work, is not to be dropped under. The database's own
 * journal knows of them, if it has one. */
static bool task_make_fence(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { m->task->tenant, m->parameters[1], m->parameters[3] };

    m->tenant.bare = true;
    if (make_side_ask(&m->tenant, task_make_has_sql, NULL, 0, &rows) != MAKE_DONE) {
        return false;
    }
    return !pg_result_bool(rows, 0, 0) || make_side_ask(&m->tenant, task_make_fence_sql, parameters,
                                                        COUNT_OF(parameters), NULL) == MAKE_DONE;
}

/* The guards. True: to be dropped now. */
static bool task_make_may_drop(struct task_make *m, bool *ret_gone)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { m->task->tenant, m->parameters[1], m->parameters[3] };
    const char *shard = m->context->options->shard;

    *ret_gone = false;
    if (make_side_ask(&m->home, task_make_drop_sql, parameters, COUNT_OF(parameters), &rows) !=
        MAKE_DONE) {
        return false;
    }
    *ret_gone = !pg_result_bool(rows, 0, 0);
    uint64_t sessions = pg_result_u64(rows, 0, 1);
    if (sessions > 0 && !m->task->force && !*ret_gone) {
        task_answer_fail(m->result, m->task, shard, TASK_FAILED, TASK_CODE_TENANT_REFUSED,
                         "%" PRIu64 " session%s connected to the database (%.200s)", sessions,
                         sessions == 1 ? " is" : "s are", pg_result_text(rows, 0, 2));
        m->result->error.hint = "End them first; --force drops it under them.";
        return false;
    }
    bool free_of_others = *ret_gone || task_make_fence(m);
    task_make_leave(m);
    return free_of_others && task_make_may_begin(m);
}

static enum make_end task_make_drop_once(struct task_make *m)
{
    const char *gone[] = { m->task->tenant, m->task->rollout, m->parameters[3] };
    struct pg_error words = { 0 };
    enum make_end end = MAKE_DONE;
    bool is_gone = false;

    if (!task_make_may_drop(m, &is_gone)) {
        return MAKE_ENDED;
    }
    if (!is_gone) {
        crash_point("drop_before_database");
        end = make_side_say(&m->home, task_make_drop_words(m, m->task->force), &words);
        crash_point("drop_after_database");
    }
    if (end == MAKE_ENDED && strcmp(words.sqlstate, "55006") == 0) {
        task_answer_fail(m->result, m->task, m->context->options->shard, TASK_FAILED,
                         TASK_CODE_TENANT_REFUSED, "%s: %s", words.message, words.detail);
        m->result->error.hint = "End them first; --force drops it under them.";
    }
    return end == MAKE_DONE
               ? make_side_ask(&m->home, task_make_gone_sql, gone, COUNT_OF(gone), NULL)
               : end;
}

static void task_make_drop(struct task_make *m)
{
    enum make_end end = MAKE_AGAIN;

    if (!task_make_check(m) || !task_make_may_begin(m)) {
        return;
    }
    for (int i = 0; end == MAKE_AGAIN && i < MAKE_TRIES_MAX; i++) {
        end = task_make_drop_once(m);
    }
    if (end == MAKE_DONE) {
        task_answer_succeed(m->result, m->task, 0);
    } else if (end == MAKE_AGAIN) {
        make_side_fail(&m->home, TASK_CODE_DATABASE_LOST,
                       "the connection broke each time while the database was dropped");
    }
}

/* ---- settling ---- */

static void task_make_settle_rest(struct task_make *m)
{
    struct task_result *settled = NULL;

    make_side_close(&m->home);
    (void)task_run(m->context, m->turn, &settled);
    *m->result = *settled;
}

/* What still works on it is ended first, wherever it is. Then what is not whole is removed; but for
 * what lacks only the last word. */
static void task_make_settle_schema(struct task_make *m)
{
    task_make_settle_rest(m);
    const struct task_result settled = *m->result;
    bool done = settled.outcome == TASK_SUCCEEDED;

    if (settled.outcome != TASK_FAILED && m->task->kind == ROLLOUT_CREATE &&
        make_side_ask(&m->home, done ? task_make_settle_end_sql : task_make_remove_sql,
                      m->parameters, MAKE_PARAMETERS, NULL) == MAKE_DONE) {
        *m->result = settled;
    }
}

/* Nobody else can be at it while the guard is held. */
static void task_make_settle_database(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *left = NULL;
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *state[] = { m->task->tenant, m->parameters[4] };

    if (make_side_ask(&m->home, task_make_remove_sql, m->parameters, MAKE_PARAMETERS, &left) !=
            MAKE_DONE ||
        (pg_result_bool(left, 0, 0) && task_make_raze(m) != MAKE_DONE) ||
        make_side_ask(&m->home, task_make_state_sql, state, COUNT_OF(state), &rows) != MAKE_DONE) {
        return;
    }
    if (strcmp(pg_result_text(rows, 0, 0), "there") == 0) {
        task_make_settle_rest(m);
    } else if (m->task->kind == ROLLOUT_CREATE) {
        task_answer_fail(m->result, m->task, m->context->options->shard, TASK_SKIPPED,
                         TASK_CODE_CANCELLED,
                         "it was not made, and no earlier try can do it any more");
    } else {
        task_answer_succeed(m->result, m->task, 0);
    }
}

void task_make_run(struct task_context *context, const struct executor_turn *turn,
                   struct task_result **ret_result)
{
    struct executor_task *task = turn->task;
    bool databases = context->options->database_mode;
    uint64_t started_us = clock_monotonic_us();
    struct task_make m = {
        .context = context,
        .turn = turn,
        .task = task,
        .result = task_answer_new(task),
        .parameters = { task->tenant, prepared_set_model(task->set)->name, task->rollout,
                        arena_printf(&task->arena, "%" PRIu64, task->token),
                        databases ? "" : task->tenant },
    };

    m.home = (struct make_side){
        .context = context, .task = task, .result = m.result, .database = "", .guarded = databases
    };
    m.tenant = (struct make_side){ .context = context,
                                   .task = task,
                                   .result = m.result,
                                   .database = databases ? task->tenant : "" };
    task->staged = true;
    if (task->mode == TASK_CREATE) {
        task_make_create(&m);
    } else if (task->mode == TASK_DROP) {
        task_make_drop(&m);
    } else {
        databases ? task_make_settle_database(&m) : task_make_settle_schema(&m);
    }
    make_side_close(&m.tenant);
    make_side_close(&m.home);
    m.result->duration_us = clock_monotonic_us() - started_us;
    *ret_result = m.result;
}
