#include "agent/run/task_try.h"

#include "agent/run/accident.h"
#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "agent/run/worker_link.h"
#include "common/core/clock.h"
#include "common/core/limits.h"

bool task_try_is_cancelled(const struct task_try *t)
{
    return executor_queue_is_cancelled(t->context->queue, t->context->worker);
}

void task_try_fail(struct task_try *t, enum task_code code, const char *words)
{
    const char *shard = t->context->options->shard;

    if (t->uncertain) {
        /* The one thing that must not be said here is that nothing happened. */
        task_answer_fail(t->result, t->task, shard, TASK_FAILED, TASK_CODE_DATABASE_LOST,
                         t->walks
                             ? "the connection broke and it could not be looked up how far the "
                               "tenant was migrated: %s"
                             : "the connection broke during COMMIT and it could not be looked "
                               "up whether the tenant was migrated: %s",
                         words);
        return;
    }
    task_answer_fail(t->result, t->task, shard, TASK_FAILED, code, "%s", words);
    t->result->version = t->walks ? t->walk.version : t->task->from;
}

bool task_try_wait(struct task_try *t, uint64_t *ends_ms, uint64_t most_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (*ends_ms == 0) {
        *ends_ms = now_ms + most_ms;
    }
    if (task_try_is_cancelled(t) && *ends_ms > now_ms + CANCEL_SETTLE_MS) {
        *ends_ms = now_ms + CANCEL_SETTLE_MS;
    }
    if (now_ms >= *ends_ms) {
        return false;
    }
    t->backoff_ms = t->backoff_ms == 0 ? TASK_BACKOFF_MIN_MS : 2 * t->backoff_ms;
    if (t->backoff_ms > TASK_BACKOFF_MAX_MS) {
        t->backoff_ms = TASK_BACKOFF_MAX_MS;
    }
    (void)executor_queue_pause(t->context->queue, t->context->worker, t->backoff_ms);
    return t->uncertain || !task_try_is_cancelled(t);
}

bool task_try_connect(struct task_try *t)
{
    const struct executor_options *options = t->context->options;
    const char *database = options->database_mode ? t->task->tenant : "";

    for (;;) {
        struct error err = { 0 };

        if (worker_link_open(t->context->link, database, &err)) {
            executor_notes_trouble(t->context->queue, t->context->worker, "");
            return true;
        }
        executor_notes_trouble(t->context->queue, t->context->worker, err.message);
        if (err.code == ERR_NOT_FOUND && options->database_mode) {
            task_answer_fail(t->result, t->task, options->shard, TASK_SKIPPED,
                             TASK_CODE_TENANT_MISSING, "the database does not exist any more");
            return false;
        }
        /* A server without a free connection is alive and well: others will leave it. */
        bool full = err.code == ERR_LIMIT;
        bool may_come_back = err.code == ERR_UNAVAILABLE || full;
        if (!may_come_back || !task_try_wait(t, full ? &t->full_ends_ms : &t->outage_ends_ms,
                                             full ? TASK_FULL_MAX_MS : TASK_OUTAGE_MAX_MS)) {
            task_try_fail(t,
                          task_try_is_cancelled(t) ? TASK_CODE_CANCELLED : TASK_CODE_DATABASE_LOST,
                          err.message);
            return false;
        }
    }
}

bool task_try_again(struct task_try *t, const struct task_outcome_report *report)
{
    bool refused = report->failed && !accident_is_farewell(&report->error) && !report->lost;

    t->attempts++;
    if (t->attempts < TASK_ATTEMPTS_MAX && (t->uncertain || !task_try_is_cancelled(t))) {
        if (refused) {
            (void)task_try_wait(t, &t->outage_ends_ms, TASK_OUTAGE_MAX_MS);
        }
        return true;
    }
    if (refused && !t->uncertain) {
        task_answer_refused(t->result, t->task, t->context->options->shard, report, TASK_CODE_NONE);
    } else {
        task_try_fail(t, task_try_is_cancelled(t) ? TASK_CODE_CANCELLED : TASK_CODE_DATABASE_LOST,
                      report->error.message);
    }
    return false;
}
