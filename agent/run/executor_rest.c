#include "agent/run/executor_rest.h"

#include <stdio.h>
#include <string.h>

#include "agent/run/executor_notes.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/model/duration.h"

/* Failures of the moment: nothing was changed, or what was done stands in the journal and the next
 * try goes on from there. */
static bool executor_rest_is_worth_it(const struct executor_try *attempt,
                                      const struct task_result *result)
{
    enum task_code code = result->error.code;

    return result->outcome == TASK_FAILED && result->mode != TASK_SETTLE && !attempt->turn.settle &&
           (code == TASK_CODE_LOCK_TIMEOUT || code == TASK_CODE_YIELDED ||
            code == TASK_CODE_SERVER_BUSY);
}

/* For whom it waits, or did. */
static const char *executor_rest_words(const struct executor_try *attempt,
                                       struct task_result *result)
{
    struct arena *arena = &attempt->turn.task->arena;
    char words[TEXT_BYTES_MAX];
    char blocker[WATCH_KEY_BYTES];

    if (result->error.code == TASK_CODE_SERVER_BUSY) {
        return result->error.message;
    }
    if (result->error.code == TASK_CODE_YIELDED) {
        (void)executor_notes_has_yielded(attempt->queue, attempt->worker, words);
        result->error.message = arena_strdup(arena, words);
        return result->error.message;
    }
    executor_notes_read_blockers(attempt->queue, attempt->worker, words, blocker);
    attempt->turn.task->blocker = arena_strdup(arena, blocker);
    return words[0] == '\0' ? "waits for a lock" : arena_strdup(arena, words);
}

static void executor_rest_give_up(const struct executor_try *attempt, struct task_result *result,
                                  const char *words)
{
    struct executor_task *task = attempt->turn.task;
    const struct patience *patience = &task->patience;
    char waited[DURATION_TEXT_BYTES];
    const char *detail = result->error.detail;

    duration_format_whole(clock_monotonic_ms() - patience->began_ms, waited);
    result->error.detail = arena_printf(&task->arena, "%s%stried %u time%s in %s; %s", detail,
                                        detail[0] == '\0' ? "" : "; ", (unsigned)patience->tries,
                                        patience->tries == 1 ? "" : "s", waited, words);
}

static void executor_rest_cancel(struct executor_task *task, struct task_result *result)
{
    result->error.code = TASK_CODE_CANCELLED;
    result->error.message =
        arena_printf(&task->arena, "cancelled between two tries: %s", task->waits_for);
}

/* A dry run that was stopped for what it held, not for what it waited for, would hold up the
 * application just as long the next time; and the run would, too. */
static bool executor_rest_is_hopeless(const struct executor_try *attempt,
                                      const struct task_result *result)
{
    struct executor_task *task = attempt->turn.task;
    char words[TEXT_BYTES_MAX];
    char blocker[WATCH_KEY_BYTES];

    if (result->error.code != TASK_CODE_YIELDED || !task_mode_is_dry(result->mode)) {
        return false;
    }
    executor_notes_read_blockers(attempt->queue, attempt->worker, words, blocker);
    task->yields += words[0] == '\0' ? 1 : 0;
    return task->yields >= DRY_RUN_YIELDS_MAX;
}

bool executor_rest(const struct executor_try *attempt, struct task_result *result)
{
    struct executor_task *task = attempt->turn.task;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t due_ms = 0;

    if (!executor_rest_is_worth_it(attempt, result)) {
        return false;
    }
    task->blocker = "";
    const char *words = executor_rest_words(attempt, result);
    /* A tenant that is tried again and again says nothing new of the others. */
    if (result->error.code == TASK_CODE_YIELDED ||
        (result->error.code == TASK_CODE_LOCK_TIMEOUT && task->patience.tries == 0)) {
        executor_queue_disturb(attempt->queue);
    }
    const bool hopeless = executor_rest_is_hopeless(attempt, result);
    if (!patience_try_again(&task->patience, task->patience_ms, attempt->began_ms, now_ms,
                            attempt->random, &due_ms) ||
        hopeless) {
        executor_rest_give_up(attempt, result, words);
        return false;
    }
    task->gives_up_ms = task->patience.began_ms + task->patience_ms;
    task->waits_for = words;
    task->last = result;
    log_debug("task_rests", "tenant=%s code=%s tries=%u ms=%llu why=\"%.300s\"", task->tenant,
              task_code_name(result->error.code), (unsigned)task->patience.tries,
              (unsigned long long)(due_ms - now_ms), words);
    /* From here on it is the queue's, unless it is cancelled. */
    if (executor_queue_rest(attempt->queue, attempt->worker, due_ms)) {
        return true;
    }
    executor_rest_cancel(task, result);
    return false;
}

struct task_result *executor_rest_dropped(struct executor_task *task)
{
    if (task->last != NULL) {
        executor_rest_cancel(task, task->last);
    }
    return task->last;
}
