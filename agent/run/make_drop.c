#include "agent/run/make_parts.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/task_answer.h"
#include "common/core/crash.h"

enum { MAKE_TRIES_MAX = 3 };

static const char make_drop_sql[] =
    "SELECT out_there, out_sessions, out_first FROM skein.making_drop($1, $2, $3::bigint)";
static const char make_drop_has_sql[] =
    "SELECT to_regprocedure('skein.making_lock(text,text,bigint)') IS NOT NULL";
static const char make_drop_fence_sql[] = "SELECT skein.making_lock($1, $2, $3::bigint)";
static const char make_drop_state_sql[] = "SELECT skein.making_state($1, $2)";
static const char make_drop_remove_sql[] = "SELECT skein.making_remove($1, $2, $3, $4::bigint, $5)";
/* The same, of one that may have been made in one transaction. */
static const char make_drop_settle_end_sql[] = "SELECT skein.making_end($1, $2, $3, $4::bigint, $5)"
                                               " WHERE skein.making_state($1, $5) = 'half'";

/* A migration with a later token, or one at work, is not to be dropped under. The database's own
 * journal knows of them, if it has one. */
static bool make_drop_fence(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { m->task->tenant, m->parameters[1], m->parameters[3] };

    m->tenant.bare = true;
    if (make_side_ask(&m->tenant, make_drop_has_sql, NULL, 0, &rows) != MAKE_DONE) {
        return false;
    }
    return !pg_result_bool(rows, 0, 0) || make_side_ask(&m->tenant, make_drop_fence_sql, parameters,
                                                        COUNT_OF(parameters), NULL) == MAKE_DONE;
}

/* The guards. True: to be dropped now. */
static bool make_drop_may(struct task_make *m, bool *ret_gone)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *parameters[] = { m->task->tenant, m->parameters[1], m->parameters[3] };
    const char *shard = m->context->options->shard;

    *ret_gone = false;
    if (make_side_ask(&m->home, make_drop_sql, parameters, COUNT_OF(parameters), &rows) !=
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
    bool free_of_others = *ret_gone || make_drop_fence(m);
    make_end_leave(m);
    return free_of_others && make_begin_may(m);
}

static enum make_end make_drop_once(struct task_make *m)
{
    struct pg_error words = { 0 };
    enum make_end end = MAKE_DONE;
    bool is_gone = false;

    if (!make_drop_may(m, &is_gone)) {
        return MAKE_ENDED;
    }
    if (!is_gone) {
        crash_point("drop_before_database");
        end = make_side_say(&m->home, make_end_drop_words(m, m->task->force), &words);
        crash_point("drop_after_database");
    }
    if (end == MAKE_ENDED && strcmp(words.sqlstate, "55006") == 0) {
        task_answer_fail(m->result, m->task, m->context->options->shard, TASK_FAILED,
                         TASK_CODE_TENANT_REFUSED, "%s: %s", words.message, words.detail);
        m->result->error.hint = "End them first; --force drops it under them.";
    }
    return end == MAKE_DONE ? make_end_gone(m) : end;
}

void make_drop_run(struct task_make *m)
{
    enum make_end end = MAKE_AGAIN;

    if (!make_begin_check(m) || !make_begin_may(m)) {
        return;
    }
    for (int i = 0; end == MAKE_AGAIN && i < MAKE_TRIES_MAX; i++) {
        end = make_drop_once(m);
    }
    if (end == MAKE_DONE) {
        task_answer_succeed(m->result, m->task, 0);
    } else if (end == MAKE_AGAIN) {
        make_side_fail(&m->home, TASK_CODE_DATABASE_LOST,
                       "the connection broke each time while the database was dropped");
    }
}

static void make_drop_settle_rest(struct task_make *m)
{
    struct task_result *settled = NULL;

    make_side_close(&m->home);
    (void)task_run(m->context, m->turn, &settled);
    *m->result = *settled;
}

/* What still works on it is ended first, wherever it is. Then what is not whole is removed; but for
 * what lacks only the last word. */
static void make_drop_settle_schema(struct task_make *m)
{
    make_drop_settle_rest(m);
    const struct task_result settled = *m->result;
    bool done = settled.outcome == TASK_SUCCEEDED;

    if (settled.outcome != TASK_FAILED && m->task->kind == ROLLOUT_CREATE &&
        make_side_ask(&m->home, done ? make_drop_settle_end_sql : make_drop_remove_sql,
                      m->parameters, MAKE_PARAMETERS, NULL) == MAKE_DONE) {
        *m->result = settled;
    }
}

/* Nobody else can be at it while the guard is held. */
static void make_drop_settle_database(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *left = NULL;
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *state[] = { m->task->tenant, m->parameters[4] };

    if (make_side_ask(&m->home, make_drop_remove_sql, m->parameters, MAKE_PARAMETERS, &left) !=
            MAKE_DONE ||
        (pg_result_bool(left, 0, 0) && make_end_raze(m) != MAKE_DONE) ||
        make_side_ask(&m->home, make_drop_state_sql, state, COUNT_OF(state), &rows) != MAKE_DONE) {
        return;
    }
    if (strcmp(pg_result_text(rows, 0, 0), "there") == 0) {
        make_drop_settle_rest(m);
    } else if (m->task->kind == ROLLOUT_CREATE) {
        task_answer_fail(m->result, m->task, m->context->options->shard, TASK_SKIPPED,
                         TASK_CODE_CANCELLED,
                         "it was not made, and no earlier try can do it any more");
    } else {
        task_answer_succeed(m->result, m->task, 0);
    }
}

void make_drop_settle(struct task_make *m)
{
    if (m->context->options->database_mode) {
        make_drop_settle_database(m);
    } else {
        make_drop_settle_schema(m);
    }
}
