#include "agent/run/make_parts.h"

#include <string.h>

#include "agent/run/task_answer.h"
#include "agent/run/task_life.h"
#include "common/core/crash.h"

static const char make_begin_sql[] = "SELECT skein.making_begin($1, $2, $3, $4::bigint, $5)";
static const char make_begin_words_sql[] = "SELECT skein.making_words($1, $2)";
static const char make_begin_dress_sql[] = "SELECT skein.making_dress($1, $2)";

enum { MAKE_TRIES_MAX = 3 };

bool make_begin_check(struct task_make *m)
{
    struct error err = { 0 };

    if (task_life_check(m->context->options, m->task, &err)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_TENANT_REFUSED, err.message);
    return false;
}

bool make_begin_may(struct task_make *m)
{
    if (executor_queue_wait_lease(m->context->queue, m->context->worker)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_CANCELLED, "cancelled before it began");
    return false;
}

/* Its encoding, its owner and its settings are those of the tenant that is copied. */
static enum make_end make_begin_database(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *names[] = { m->task->tenant, m->task->source };
    struct pg_error words = { 0 };
    enum make_end end =
        make_side_ask(&m->home, make_begin_words_sql, names, COUNT_OF(names), &rows);

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
    /* Somebody is connected to the template, which CREATE DATABASE has waited for some seconds. */
    return end == MAKE_ENDED && strcmp(words.sqlstate, "55006") == 0 ? MAKE_AGAIN : end;
}

/* Settings and grants of the database that is copied; as often as wanted. */
static enum make_end make_begin_dress(struct task_make *m)
{
    const char *names[] = { m->task->tenant, m->task->source };

    return m->task->source[0] == '\0'
               ? MAKE_DONE
               : make_side_ask(&m->home, make_begin_dress_sql, names, COUNT_OF(names), NULL);
}

/* One try to have something to fill. */
static enum make_end make_begin_try(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    enum make_end end =
        make_side_ask(&m->home, make_begin_sql, m->parameters, MAKE_PARAMETERS, &rows);

    if (end != MAKE_DONE) {
        return end;
    }
    const char *state = pg_result_text(rows, 0, 0);
    m->begun = strcmp(state, "shut") != 0;
    crash_point("make_begun");
    if (!m->begun) {
        end = make_end_raze(m);
        return end == MAKE_DONE ? MAKE_AGAIN : end;
    }
    if (!m->context->options->database_mode) {
        return MAKE_DONE;
    }
    if (strcmp(state, "none") == 0) {
        end = make_begin_database(m);
    }
    return end == MAKE_DONE ? make_begin_dress(m) : end;
}

static bool make_begin_accept(struct task_make *m)
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

bool make_begin_run(struct task_make *m)
{
    enum make_end end = MAKE_AGAIN;

    if (!make_begin_accept(m)) {
        return false;
    }
    for (int i = 0; end == MAKE_AGAIN && i < MAKE_TRIES_MAX; i++) {
        end = make_begin_try(m);
    }
    m->already = end == MAKE_ALREADY;
    if (end == MAKE_AGAIN && m->result->error.code == TASK_CODE_NONE) {
        make_side_fail(&m->home, TASK_CODE_DATABASE_LOST,
                       "the connection broke each time while the tenant was made");
    }
    return end == MAKE_DONE;
}
