#include "agent/run/state_step.h"

#include "agent/run/runner_step.h"
#include "common/core/clock.h"

enum { STATE_STEP_POSITION_BYTES = 16 << 20 };

#define STATE_STEP_IMMEDIATE "SET CONSTRAINTS ALL IMMEDIATE"

bool state_step_begin(const struct runner_call *call, struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *answers = NULL;

    runner_step_add_begin(call, &arena, call->batch, 0);
    pg_batch_add(call->batch, STATE_STEP_IMMEDIATE, NULL, 0, 0);
    pg_batch_run(call->batch, &answers);
    return (!answers->failed && !answers->lost) || runner_fail_pg(call, &answers->error, report);
}

bool state_step_commit(const struct runner_call *call, const struct state_position *position,
                       struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = STATE_STEP_POSITION_BYTES };
    const struct pg_batch_report *answers = NULL;
    struct error err = { 0 };

    if (position != NULL) {
        state_position_put(position, &text);
        if (!buf_check(&text, &err)) {
            return runner_fail(call, report, TASK_CODE_RUNNER, "the names of a page's streams: %s",
                               err.message);
        }
        runner_step_add_position(call, &arena, call->batch, buf_text(&text), 0);
        pg_batch_end_segment(call->batch);
    }
    runner_step_add_commit(call->batch, 0);
    pg_batch_run(call->batch, &answers);
    return (!answers->failed && !answers->lost) || runner_fail_pg(call, &answers->error, report);
}

bool state_step_abort(const struct runner_call *call, struct runner_report *report)
{
    struct error err = { 0 };

    if (!pg_script(call->conn, "ROLLBACK", NULL, &err)) {
        report->interrupted = true;
    }
    return false;
}

bool state_step_open(const struct runner_call *call, const struct state_link *link,
                     struct runner_report *report)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (call->lease_until != NULL && clock_monotonic_ms() >= call->lease_until(call->context)) {
        return runner_fail(call, report, TASK_CODE_CANCELLED,
                           "the agent's lease is over: nothing is written in the database '%s'",
                           link->database);
    }
    return pg_script(link->conn,
                     "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; " STATE_STEP_IMMEDIATE,
                     &words, &err) ||
           state_link_fail(call, link, &words, report);
}

bool state_step_close(const struct runner_call *call, const struct state_link *link, bool commit,
                      struct runner_report *report)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    return pg_script(link->conn, commit ? "COMMIT" : "ROLLBACK", &words, &err) ||
           state_link_fail(call, link, &words, report);
}

void state_step_leave(const struct state_link *link)
{
    struct error err = { 0 };

    (void)!pg_script(link->conn, "ROLLBACK", NULL, &err);
}

enum state_tried state_step_try(const struct runner_call *call, const struct state_link *link,
                                const char *sql, const char *const *parameters, size_t count,
                                struct pg_error *ret_error, struct runner_report *report)
{
    struct pg_batch *batch = state_link_batch(link, call);
    const struct pg_batch_report *answers = NULL;

    pg_batch_add(batch, "SAVEPOINT skein_row", NULL, 0, 0);
    pg_batch_add(batch, sql, parameters, count, 0);
    pg_batch_add(batch, "RELEASE SAVEPOINT skein_row", NULL, 0, 0);
    pg_batch_run(batch, &answers);
    if (!answers->failed && !answers->lost) {
        return STATE_TRIED;
    }
    *ret_error = answers->error;
    if (!answers->lost) {
        pg_batch_add(batch, "ROLLBACK TO SAVEPOINT skein_row", NULL, 0, 0);
        pg_batch_run(batch, &answers);
    }
    if (answers->lost || answers->failed) {
        (void)state_link_fail(call, link, ret_error, report);
        return STATE_TRIED_BROKEN;
    }
    return STATE_TRIED_REFUSED;
}
