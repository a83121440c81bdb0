#include "agent/run/task_hook.h"

#include "agent/run/task_text.h"

enum { TASK_HOOK_FACTS = 7 };

static const char task_hook_sql[] =
    "SELECT set_config('skein.hook', $1, true), set_config('skein.rollout', $2, true),"
    " set_config('skein.set', $3, true), set_config('skein.shard', $4, true),"
    " set_config('skein.tenant', $5, true), set_config('skein.from', $6, true),"
    " set_config('skein.to', $7, true)";

/* Where the version only moves, there is something to do for hooks, too. */
static bool task_hook_applies(const struct task_batch *b)
{
    const struct executor_task *task = b->order->task;

    return task->mode != TASK_BASELINE && (b->order->plan->count + b->repeats.count > 0 ||
                                           task_text_goes_further(task, b->order->plan));
}

bool task_hook_has_work(const struct task_batch *b)
{
    const struct prepared_set *set = b->order->task->set;

    return b->order->plan->count + b->repeats.count > 0 ||
           (task_hook_applies(b) && (prepared_set_hook(set, SET_HOOK_BEFORE_TENANT) != NULL ||
                                     prepared_set_hook(set, SET_HOOK_AFTER_TENANT) != NULL));
}

void task_hook_add(struct task_batch *b, enum set_hook hook)
{
    const struct prepared_operation *operation = prepared_set_hook(b->order->task->set, hook);

    if (operation != NULL && b->order->runs_hooks && task_hook_applies(b)) {
        task_batch_add_operation(b, operation, false);
    }
}

void task_hook_tell(struct task_batch *b, const struct operation *operation)
{
    const struct executor_task *task = b->order->task;

    if (!operation_is_hook(operation)) {
        return;
    }
    const char **p = arena_alloc_array(&b->arena, TASK_HOOK_FACTS, sizeof(*p));
    p[0] = operation->stem;
    p[1] = task->rollout;
    p[2] = prepared_set_model(task->set)->name;
    p[3] = b->order->options->shard;
    p[4] = task->tenant;
    p[5] = task_text_start(task);
    p[6] = task->target;
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN }, task_hook_sql, p,
                   TASK_HOOK_FACTS);
}
