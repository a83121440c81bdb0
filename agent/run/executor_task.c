#include "agent/run/executor_task.h"

#include <stdlib.h>

#include "common/core/memory.h"

static struct labels executor_task_copy_labels(struct arena *arena, const struct labels *from)
{
    struct label *items = arena_alloc_array(arena, from->count, sizeof(*items));

    for (size_t i = 0; i < from->count; i++) {
        items[i].key = arena_strdup(arena, from->items[i].key);
        items[i].value = arena_strdup(arena, from->items[i].value);
    }
    return (struct labels){ .items = items, .count = from->count };
}

struct executor_task *executor_task_new(const struct task_assignment *assignment,
                                        const struct task_item *item, struct prepared_set *set)
{
    struct executor_task *task = memory_alloc(sizeof(*task));

    task->rollout = arena_strdup(&task->arena, assignment->rollout);
    task->mode = assignment->mode;
    task->tenant = arena_strdup(&task->arena, item->tenant);
    task->from = arena_strdup(&task->arena, item->from);
    task->target = arena_strdup(&task->arena, assignment->target);
    task->baseline = arena_strdup(&task->arena, item->baseline);
    task->repeatables = item->repeatables;
    task->token = assignment->token;
    task->lock_timeout_ms = assignment->lock_timeout_ms;
    task->lock_timeout_full_ms = assignment->lock_timeout_ms;
    task->lock_budget_ms = assignment->lock_budget_ms;
    task->patience_ms = assignment->patience_ms;
    task->rehearse_rollback = assignment->rehearse_rollback;
    task->size_limit_bytes = assignment->size_limit_bytes;
    task->allow_large = assignment->allow_large;
    task->dry_run_step = assignment->dry_run_step;
    task->stamp = item->stamp;
    task->source = arena_strdup(&task->arena, assignment->source == NULL ? "" : assignment->source);
    task->from_ledger =
        arena_strdup(&task->arena, assignment->from_ledger == NULL ? "" : assignment->from_ledger);
    task->kind = assignment->kind;
    task->labels = executor_task_copy_labels(&task->arena, &assignment->labels);
    task->force = assignment->force;
    prepared_set_ref(set);
    task->set = set;
    return task;
}

void executor_task_free(struct executor_task **task)
{
    if (*task != NULL) {
        prepared_set_unref(&(*task)->set);
        arena_release(&(*task)->arena);
        free(*task);
        *task = NULL;
    }
}

uint64_t executor_task_statement_ms(const struct executor_task *task,
                                    const struct executor_options *options)
{
    uint64_t longest_ms = options->statement_timeout_ms;
    uint64_t dry_ms = options->dry_statement_ms;
    bool dry = task->mode == TASK_DRY_RUN || task->mode == TASK_ROLLBACK_DRY_RUN;

    return dry && dry_ms != 0 && (longest_ms == 0 || dry_ms < longest_ms) ? dry_ms : longest_ms;
}
