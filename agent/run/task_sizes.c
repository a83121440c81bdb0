#include "agent/run/task_sizes.h"

#include <string.h>

#include "agent/check/size_guard.h"
#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "agent/run/worker_link.h"
#include "common/model/size_text.h"

/* "accounts (41 GB): every row is looked at ... [set-not-null, takes ACCESS EXCLUSIVE]" */
static const char *task_sizes_words(struct arena *arena, const struct size_finding *finding)
{
    const struct size_item *item = finding->item;
    char size[SIZE_TEXT_BYTES];

    (void)size_text_format(finding->bytes, size);
    return arena_printf(arena, "%s%s%s%s: %s [%s%s%s]", item->relation,
                        item->relation[0] == '\0' ? "" : " (", size,
                        item->relation[0] == '\0' ? "" : ")", item->why, item->rule,
                        item->lock[0] == '\0' ? "" : ", takes ", item->lock);
}

static struct task_error task_sizes_error(struct executor_task *task, const char *shard,
                                          const struct size_finding *finding)
{
    struct arena *arena = &task->arena;

    return (struct task_error){ .tenant = arena_printf(arena, "%s/%s", shard, task->tenant),
                                .mode = task->mode,
                                .code = TASK_CODE_LINT,
                                .sqlstate = "",
                                .message = task_sizes_words(arena, finding),
                                .detail = "",
                                .hint = arena_strdup(arena, finding->item->fix),
                                .file = arena_strdup(arena, finding->item->file),
                                .statement = finding->item->statement,
                                .line = finding->item->line };
}

/* What is too large makes the task fail, the first of it; everything else is a warning: each tenant
 * that is let through above the limit, and of those below it the largest so far. */
static bool task_sizes_judge(struct task_sizes *sizes, const struct executor_options *options,
                             struct executor_task *task, uint64_t limit_bytes,
                             const struct size_look *look, struct task_result *result)
{
    const char *shard = options->shard;
    bool fits = true;

    for (size_t i = 0; i < look->count; i++) {
        struct task_error error = task_sizes_error(task, shard, &look->findings[i]);
        bool large = limit_bytes != 0 && look->findings[i].bytes >= limit_bytes;

        if (large && fits && !task->allow_large) {
            char size[SIZE_TEXT_BYTES];
            fits = false;
            task_answer_fail(result, task, shard, TASK_FAILED, TASK_CODE_LINT, "%s", error.message);
            error.hint = arena_printf(&task->arena,
                                      "Safe: %s (The limit is %s; rollout start --allow-large goes "
                                      "on all the same.)",
                                      error.hint, size_text_format(limit_bytes, size));
            error.message = result->error.message;
            result->error = error;
            result->version = task->from;
        } else if (task->dry_run_step == DRY_RUN_STEP_CLONE) {
            continue; /* the look at it, the step before, has said it */
        } else if (sizes->warning_count == SIZE_WARNINGS_MAX) {
            sizes->more++;
        } else if (large || size_guard_is_news(options->size_guard, task->rollout,
                                               look->findings[i].item, look->findings[i].bytes)) {
            error.detail = large ? ""
                                 : "The largest on this shard so far: of others only those are "
                                   "named that are twice as large.";
            sizes->warnings[sizes->warning_count++] = error;
        }
    }
    return fits;
}

uint64_t task_sizes_limit(const struct executor_options *options, const struct executor_task *task)
{
    const struct set_sizes *sizes = &prepared_set_model(task->set)->sizes;
    uint64_t limit_bytes = options->size_limit_bytes;

    if (task->size_limit_bytes != 0) {
        return task->size_limit_bytes;
    }
    bool lower = sizes->has_error && sizes->error_bytes != 0 && sizes->error_bytes < limit_bytes;
    return lower ? sizes->error_bytes : limit_bytes;
}

bool task_sizes_look(struct task_sizes *sizes, struct task_context *context,
                     struct executor_task *task, const struct plan *plan,
                     struct task_result *result)
{
    CLEANUP(size_look_release) struct size_look look = { 0 };
    const struct executor_options *options = context->options;
    struct pg_error words = { 0 };
    struct error err = { 0 };
    const struct size_guard_call call = {
        .conn = context->link->conn,
        .schema = options->database_mode ? "" : task->tenant,
        .lock_timeout_ms = task->lock_timeout_ms,
        .way = { .set = prepared_set_model(task->set), .plan = plan },
    };
    uint64_t limit_bytes = task_sizes_limit(options, task);

    bool empty = task->from[0] == '\0' && task->baseline[0] == '\0'; /* or it is refused anyhow */

    if (sizes->looked || options->size_guard == NULL || limit_bytes == 0 || empty) {
        return true;
    }
    if (!size_guard_look(options->size_guard, &call, &look, &words, &err)) {
        if (pg_conn_is_lost(call.conn)) {
            return true;
        }
        const struct task_outcome_report report = { .failed = true,
                                                    .failed_step = TASK_STEP_BEGIN,
                                                    .error = words };
        if (words.sqlstate[0] == '\0') { /* a bound of ours */
            task_answer_fail(result, task, options->shard, TASK_FAILED, TASK_CODE_LINT, "%s",
                             err.message);
            result->version = task->from;
        } else {
            task_answer_refused(result, task, options->shard, &report,
                                executor_notes_why(context->queue, context->worker));
        }
        return false;
    }
    sizes->looked = true;
    sizes->found = look.count > 0;
    return task_sizes_judge(sizes, options, task, limit_bytes, &look, result);
}

/* From the oldest to the newest that it undoes. */
static struct plan task_sizes_plan_of(const struct task_undo *undo)
{
    struct plan plan = { .first = undo->count == 0 ? 0 : undo->migrations[0] };
    size_t last = plan.first;

    for (size_t i = 0; i < undo->count; i++) {
        plan.first = undo->migrations[i] < plan.first ? undo->migrations[i] : plan.first;
        last = undo->migrations[i] > last ? undo->migrations[i] : last;
    }
    plan.count = undo->count == 0 ? 0 : last - plan.first + 1;
    return plan;
}

void task_sizes_look_back(struct task_sizes *sizes, struct task_context *context,
                          struct executor_task *task, const struct task_undo *undo)
{
    CLEANUP(size_look_release) struct size_look look = { 0 };
    const struct executor_options *options = context->options;
    const struct plan plan = task_sizes_plan_of(undo);
    uint64_t limit_bytes = task_sizes_limit(options, task);
    struct error err = { 0 };
    const struct size_guard_call call = {
        .conn = context->link->conn,
        .schema = options->database_mode ? "" : task->tenant,
        .lock_timeout_ms = task->lock_timeout_ms,
        .way = { .set = prepared_set_model(task->set), .plan = &plan, .down = true },
    };

    if (sizes->looked || options->size_guard == NULL || limit_bytes == 0 || plan.count == 0 ||
        !size_guard_look(options->size_guard, &call, &look, NULL, &err)) {
        return;
    }
    sizes->looked = true;
    for (size_t i = 0; i < look.count; i++) {
        char size[SIZE_TEXT_BYTES];

        if (look.findings[i].bytes < limit_bytes) {
            continue;
        }
        if (sizes->warning_count == SIZE_WARNINGS_MAX) {
            sizes->more++;
            continue;
        }
        struct task_error *warning = &sizes->warnings[sizes->warning_count++];
        *warning = task_sizes_error(task, options->shard, &look.findings[i]);
        warning->detail =
            arena_printf(&task->arena, "The limit is %s; a rollback goes on all the same.",
                         size_text_format(limit_bytes, size));
    }
}

void task_sizes_warn(const struct task_sizes *sizes, struct executor_task *task,
                     struct task_result *result)
{
    if (sizes->warning_count == 0) {
        return;
    }
    struct task_error *all =
        arena_alloc_array(&task->arena, result->warning_count + sizes->warning_count, sizeof(*all));

    if (result->warning_count > 0) {
        memcpy(all, result->warnings, result->warning_count * sizeof(*all));
    }
    memcpy(all + result->warning_count, sizes->warnings, sizes->warning_count * sizeof(*all));
    if (sizes->more > 0) {
        all[result->warning_count + sizes->warning_count - 1].detail = arena_printf(
            &task->arena, "And %zu more: skein lint --database names them.", sizes->more);
    }
    result->warnings = all;
    result->warning_count += sizes->warning_count;
}
