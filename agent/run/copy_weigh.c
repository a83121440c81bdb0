#include "agent/run/copy_weigh.h"

#include <string.h>

#include "agent/check/size_guard.h"
#include "agent/run/executor_notes.h"
#include "agent/run/measure_compare.h"
#include "agent/run/task_answer.h"
#include "common/model/duration.h"
#include "common/model/size_text.h"
#include "common/survey/survey_size.h"

/* One statement's findings, and what they come to on this tenant. */
struct copy_weigh_sum {
    const struct clone_finding *first;
    size_t count;
    const struct clone_finding *worst; /* of those that lint did not foresee; NULL: none */
    uint64_t bytes_max;                /* of that one */
    bool others;
    uint64_t bytes;
    uint64_t took_ms; /* estimated */
};

static bool copy_weigh_has(const char **names, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && strcmp(names[i], name) != 0) {
        i++;
    }
    return i < count;
}

/* Lint has seen it, or need not: see above. */
static bool copy_weigh_is_known(const struct executor_task *task,
                                const struct clone_finding *finding)
{
    const struct lint_report *report = prepared_set_lint(task->set);

    for (size_t i = 0; i < report->statement_count; i++) {
        const struct lint_statement *s = &report->statements[i];

        if (s->number == finding->statement && strcmp(s->file, finding->file) == 0) {
            return s->allowed ||
                   (s->grows && (copy_weigh_has(s->rewrites, s->rewrite_count, finding->relation) ||
                                 copy_weigh_has(s->scans, s->scan_count, finding->relation)));
        }
    }
    return false;
}

static bool copy_weigh_ask(const struct copy_weigh_call *call, struct copy_weigh_sum *sum,
                           struct task_result *result)
{
    const struct executor_options *options = call->context->options;

    for (size_t i = 0; i < sum->count; i++) {
        if (copy_weigh_is_known(call->task, &sum->first[i])) {
            continue;
        }
        const char *const names[] = { sum->first[i].relation };
        const struct survey_call asked = { .schema =
                                               options->database_mode ? "" : call->task->tenant,
                                           .lock_timeout_ms = call->task->lock_timeout_ms,
                                           .names = names,
                                           .name_count = COUNT_OF(names) };
        struct pg_error words = { 0 };
        struct error err = { 0 };
        uint64_t bytes = 0;

        if (!survey_size_largest(call->context->link->conn, &asked, &bytes, &words, &err)) {
            const struct task_outcome_report report = { .failed = true,
                                                        .failed_step = TASK_STEP_BEGIN,
                                                        .error = words };

            if (words.sqlstate[0] == '\0') {
                return true; /* the connection is lost: the tenant's own try finds out */
            }
            task_answer_refused(result, call->task, options->shard, &report,
                                executor_notes_why(call->context->queue, call->context->worker));
            return false;
        }
        sum->worst = sum->worst == NULL || bytes > sum->bytes_max ? &sum->first[i] : sum->worst;
        sum->bytes_max = bytes > sum->bytes_max ? bytes : sum->bytes_max;
        sum->others = sum->others || sum->bytes > 0;
        sum->bytes += bytes;
        sum->took_ms += bytes * 1000 / sum->first[i].bytes_per_s;
    }
    return true;
}

/* "rewrites accounts (41 GB): estimated 7 min under ACCESS EXCLUSIVE, as an empty copy showed" */
static const char *copy_weigh_words(struct arena *arena, const struct copy_weigh_sum *sum)
{
    char size[SIZE_TEXT_BYTES];
    char took[DURATION_TEXT_BYTES];

    return arena_printf(
        arena, "%s %s%s (%s): estimated %s under %s, as a trial on an empty copy has shown",
        sum->worst->does, sum->worst->relation, sum->others ? " and others" : "",
        size_text_format(sum->bytes, size), duration_format_whole(sum->took_ms, took),
        sum->worst->lock);
}

static struct task_error copy_weigh_error(const struct copy_weigh_call *call,
                                          const struct copy_weigh_sum *sum)
{
    struct executor_task *task = call->task;
    const char *fix =
        measure_compare_fix(prepared_set_lint(task->set), sum->worst->file, sum->worst->statement);

    return (struct task_error){
        .tenant = arena_printf(&task->arena, "%s/%s", call->context->options->shard, task->tenant),
        .mode = task->mode,
        .code = TASK_CODE_LINT,
        .sqlstate = "",
        .message = copy_weigh_words(&task->arena, sum),
        .detail = "",
        .hint = fix,
        .file = sum->worst->file,
        .statement = sum->worst->statement,
        .line = sum->worst->line,
    };
}

static void copy_weigh_refuse(const struct copy_weigh_call *call, const struct copy_weigh_sum *sum,
                              const char *limit, struct task_result *result)
{
    struct executor_task *task = call->task;

    task_answer_fail(result, task, call->context->options->shard, TASK_FAILED, TASK_CODE_LINT, "%s",
                     copy_weigh_words(&task->arena, sum));
    result->error = copy_weigh_error(call, sum);
    result->error.hint =
        arena_printf(&task->arena, "%s%s(%s; rollout start --allow-large goes on all the same.)",
                     result->error.hint, result->error.hint[0] == '\0' ? "" : " ", limit);
    result->version = task->from;
}

static void copy_weigh_warn(const struct copy_weigh_call *call, const struct copy_weigh_sum *sum)
{
    const struct size_item item = { .rule = lint_rule_text(LINT_TRACE)->id,
                                    .file = sum->worst->file,
                                    .statement = sum->worst->statement,
                                    .relation = sum->worst->relation };
    const struct executor_options *options = call->context->options;

    if (sum->bytes >= SIZE_SMALL_BYTES && *call->warning_count < SIZE_WARNINGS_MAX &&
        (options->size_guard == NULL ||
         size_guard_is_news(options->size_guard, call->task->rollout, &item, sum->bytes))) {
        call->warnings[(*call->warning_count)++] = copy_weigh_error(call, sum);
    }
}

static bool copy_weigh_judge(const struct copy_weigh_call *call, const struct copy_weigh_sum *sum,
                             struct task_result *result)
{
    struct executor_task *task = call->task;
    uint64_t limit_bytes = task->size_limit_bytes != 0 ? task->size_limit_bytes
                                                       : call->context->options->size_limit_bytes;
    char size[SIZE_TEXT_BYTES];
    char budget[DURATION_TEXT_BYTES];

    if (limit_bytes != 0 && sum->bytes >= limit_bytes && !task->allow_large) {
        copy_weigh_refuse(
            call, sum,
            arena_printf(&task->arena, "The limit is %s", size_text_format(limit_bytes, size)),
            result);
        return false;
    }
    if (task->lock_budget_ms != 0 && sum->took_ms > task->lock_budget_ms && !task->allow_large) {
        copy_weigh_refuse(call, sum,
                          arena_printf(&task->arena, "The lock budget is %s",
                                       duration_format_whole(task->lock_budget_ms, budget)),
                          result);
        return false;
    }
    copy_weigh_warn(call, sum);
    return true;
}

bool copy_weigh(const struct copy_weigh_call *call, struct task_result *result)
{
    for (size_t i = 0; i < call->count;) {
        struct copy_weigh_sum sum = { .first = &call->findings[i] };

        while (i < call->count && call->findings[i].statement == sum.first->statement &&
               strcmp(call->findings[i].file, sum.first->file) == 0) {
            sum.count++;
            i++;
        }
        if (!copy_weigh_ask(call, &sum, result) ||
            (sum.worst != NULL && !copy_weigh_judge(call, &sum, result))) {
            return false;
        }
    }
    return true;
}
