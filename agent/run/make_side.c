#include "agent/run/make_side.h"

#include <inttypes.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "agent/run/accident.h"
#include "agent/run/stalled_try.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_batch.h"
#include "common/core/clock.h"
#include "common/core/limits.h"

static const char make_side_settings_sql[] =
    "SELECT set_config('lock_timeout', $1, false), set_config('client_min_messages', 'warning',"
    " false), set_config('search_path', 'pg_catalog', false)";
static const char make_side_guard_sql[] = "SELECT skein.walk_guard($1, $2)";

void make_side_fail(struct make_side *side, enum task_code code, const char *words)
{
    task_answer_fail(side->result, side->task, side->context->options->shard, TASK_FAILED, code,
                     "%s", words);
}

void make_side_close(struct make_side *side)
{
    pg_conn_free(&side->conn);
}

/* Waits before something is tried again. False: the time is over. */
static bool make_side_wait(struct make_side *side)
{
    struct executor_queue *queue = side->context->queue;
    uint64_t now_ms = clock_monotonic_ms();

    if (side->ends_ms == 0) {
        side->ends_ms = now_ms + TASK_OUTAGE_MAX_MS;
    }
    if (now_ms >= side->ends_ms) {
        return false;
    }
    side->backoff_ms = side->backoff_ms == 0 ? TASK_BACKOFF_MIN_MS : 2 * side->backoff_ms;
    if (side->backoff_ms > TASK_BACKOFF_MAX_MS) {
        side->backoff_ms = TASK_BACKOFF_MAX_MS;
    }
    (void)executor_queue_pause(queue, side->context->worker, side->backoff_ms);
    return true;
}

enum make_end make_side_judge(struct make_side *side, const struct pg_error *words)
{
    const struct task_outcome_report report = { .failed = true, .error = *words };
    bool lost = side->conn == NULL || pg_conn_is_lost(side->conn);

    if (strcmp(words->sqlstate, "SK007") == 0) {
        return MAKE_ALREADY;
    }
    if (strcmp(words->sqlstate, "55P03") == 0 && !lost) {
        /* A try that nobody hears of any more may still hold the tenant. */
        stalled_try_end(side->conn, side->task->tenant, prepared_set_model(side->task->set)->name,
                        side->task->token);
        lost = true;
    }
    if (lost || words->sqlstate[0] == '\0' || accident_is(words)) {
        make_side_close(side);
        if (make_side_wait(side)) {
            return MAKE_AGAIN;
        }
    }
    if (words->sqlstate[0] == '\0' || accident_is(words)) {
        make_side_fail(side, TASK_CODE_DATABASE_LOST, words->message);
    } else {
        task_answer_refused(side->result, side->task, side->context->options->shard, &report,
                            false);
    }
    return MAKE_ENDED;
}

static bool make_side_prepare(struct make_side *side, struct pg_error *ret_words, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *set = NULL;
    CLEANUP(pg_result_free) struct pg_result *guarded = NULL;
    const char *timeout =
        arena_printf(&side->task->arena, "%" PRIu64 "ms", side->task->lock_timeout_ms);
    const char *guard[] = { side->task->tenant, prepared_set_model(side->task->set)->name };

    return pg_query(side->conn, make_side_settings_sql, &timeout, 1, &set, ret_words, err) &&
           (!side->guarded || pg_query(side->conn, make_side_guard_sql, guard, COUNT_OF(guard),
                                       &guarded, ret_words, err));
}

static enum make_end make_side_connect(struct make_side *side)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!pg_conn_open(side->context->options->conninfo, side->database, "skein-agent", &side->conn,
                      &err)) {
        bool passing = err.code == ERR_UNAVAILABLE || err.code == ERR_LIMIT;
        if (passing && make_side_wait(side)) {
            return MAKE_AGAIN;
        }
        make_side_fail(side, passing ? TASK_CODE_DATABASE_LOST : TASK_CODE_RUNNER, err.message);
        return MAKE_ENDED;
    }
    if (!side->bare && !journal_ensure(side->conn, &err)) {
        bool lost = pg_conn_is_lost(side->conn);
        make_side_close(side);
        if (lost && make_side_wait(side)) {
            return MAKE_AGAIN;
        }
        make_side_fail(side, lost ? TASK_CODE_DATABASE_LOST : TASK_CODE_RUNNER, err.message);
        return MAKE_ENDED;
    }
    if (!make_side_prepare(side, &words, &err)) {
        enum make_end end = make_side_judge(side, &words);
        make_side_close(side);
        return end;
    }
    return MAKE_DONE;
}

enum make_end make_side_open(struct make_side *side)
{
    enum make_end end = MAKE_AGAIN;

    if (side->conn != NULL && !pg_conn_is_lost(side->conn)) {
        return MAKE_DONE;
    }
    make_side_close(side);
    while (end == MAKE_AGAIN) {
        end = make_side_connect(side);
    }
    return end;
}

enum make_end make_side_ask(struct make_side *side, const char *sql, const char *const *parameters,
                            size_t count, struct pg_result **ret_rows)
{
    enum make_end end = MAKE_AGAIN;

    while (end == MAKE_AGAIN) {
        CLEANUP(pg_result_free) struct pg_result *rows = NULL;
        struct pg_error words = { 0 };
        struct error err = { 0 };

        end = make_side_open(side);
        if (end != MAKE_DONE) {
            break;
        }
        if (!pg_query(side->conn, sql, parameters, count, &rows, &words, &err)) {
            end = make_side_judge(side, &words);
            continue;
        }
        side->ends_ms = 0;
        side->backoff_ms = 0;
        if (ret_rows != NULL) {
            *ret_rows = TAKE(rows);
        }
    }
    return end;
}

enum make_end make_side_say(struct make_side *side, const char *sql, struct pg_error *ret_words)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct error err = { 0 };
    enum make_end end = make_side_open(side);

    *ret_words = (struct pg_error){ 0 };
    if (end != MAKE_DONE) {
        return end;
    }
    pg_conn_set_patience(side->conn, 0);
    if (!pg_query(side->conn, sql, NULL, 0, &rows, ret_words, &err)) {
        return make_side_judge(side, ret_words);
    }
    pg_conn_set_patience(side->conn, PG_QUERY_MAX_MS);
    return MAKE_DONE;
}
