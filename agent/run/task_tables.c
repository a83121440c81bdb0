#include "agent/run/task_tables.h"

#include <stdio.h>
#include <string.h>

#include "agent/check/lock_plan.h"
#include "agent/run/executor_notes.h"
#include "agent/run/watch_old.h"
#include "agent/run/watcher.h"
#include "agent/run/worker_link.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"

/* As of the watcher's last look: in the tenant, or in another schema that the plan leaves it for.
 */
static bool task_tables_may_be_held(struct watcher *watcher, const struct executor_task *task,
                                    const struct lock_plan *locks)
{
    bool may = watcher_sees_old(watcher, task->tenant);

    for (size_t i = 0; i < locks->count && !may; i++) {
        const char *relation = locks->locks[i].relation;
        const char *dot = strchr(relation, '.');
        char schema[NAME_BYTES_MAX + 1];

        if (dot != NULL) {
            (void)snprintf(schema, sizeof(schema), "%.*s", (int)(dot - relation), relation);
            may = watcher_sees_old(watcher, schema);
        }
    }
    return may;
}

static bool task_tables_are_held(struct task_context *context, const struct executor_task *task,
                                 const struct lock_plan *locks)
{
    const struct executor_options *options = context->options;
    const struct watch_old_call call = { .schema = options->database_mode ? "" : task->tenant,
                                         .age_ms = options->watch.old_ms,
                                         .locks = locks->locks,
                                         .count = locks->count };
    char words[PROGRESS_BYTES_MAX];
    char blocker[WATCH_KEY_BYTES];
    struct error err = { 0 };

    if (!watch_old_blockers(context->link->conn, &call, words, blocker, &err)) {
        log_failure("old_transactions_unseen", &err, "tenant=%s", task->tenant);
        return true; /* a connection that is lost is for the try to find */
    }
    if (words[0] != '\0') {
        executor_notes_foresee(context->queue, context->worker, words, blocker);
    }
    return words[0] != '\0';
}

void task_tables_look(struct task_context *context, struct executor_task *task,
                      const struct plan *plan)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct lock_plan locks = { .all = true };
    bool last = task->last != NULL && clock_monotonic_ms() >= task->gives_up_ms;

    if (context->watcher == NULL) {
        return;
    }
    task->lock_timeout_ms = task->lock_timeout_full_ms;
    if (last || task->lock_timeout_full_ms <= WATCH_SHORT_TRY_MS) {
        return;
    }
    if (plan != NULL) {
        locks = lock_plan_make(task->set, plan, &arena);
    }
    if ((locks.all || locks.count > 0) && task_tables_may_be_held(context->watcher, task, &locks) &&
        (locks.all || task_tables_are_held(context, task, &locks))) {
        task->lock_timeout_ms = WATCH_SHORT_TRY_MS;
    }
}
