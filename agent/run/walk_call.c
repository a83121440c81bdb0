/* walk_call.c - a walk's words with its runners; see walk_parts.h. */
#include <stdio.h>
#include <string.h>

#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "agent/run/walk_parts.h"

static bool walk_call_is_cancelled(void *context)
{
    const struct walk *walk = context;

    return executor_queue_is_cancelled(walk->context->queue, walk->context->worker);
}

static uint64_t walk_call_lease_until(void *context)
{
    const struct walk *walk = context;

    return executor_queue_lease(walk->context->queue);
}

static bool walk_call_pause(void *context, uint64_t milliseconds)
{
    const struct walk *walk = context;

    return executor_queue_pause(walk->context->queue, walk->context->worker, milliseconds);
}

static void walk_call_progress(void *context, uint64_t done, uint64_t total, const char *words)
{
    const struct walk *walk = context;

    executor_notes_progress(walk->context->queue, walk->context->worker, done, total, words);
}

static enum task_code walk_call_why(void *context)
{
    const struct walk *walk = context;

    return executor_notes_why(walk->context->queue, walk->context->worker);
}

static void walk_call_insist(void *context, bool insists)
{
    const struct walk *walk = context;

    executor_notes_insist(walk->context->queue, walk->context->worker, insists);
}

static void walk_call_blocked(void *context, const char *words, const char *blocker)
{
    const struct walk *walk = context;

    executor_notes_foresee(walk->context->queue, walk->context->worker, words, blocker);
}

struct runner_call walk_call_make(struct walk *walk, const struct migration *migration,
                                  const struct prepared_operation *operation,
                                  const struct step_known *row, bool down)
{
    const char *up_position = row == NULL ? "" : row->position;

    return (struct runner_call){
        .options = walk->context->options,
        .task = walk->task,
        .migration = migration,
        .operation = operation,
        .from = walk->version,
        .down = down,
        .started_before = row != NULL && row->down == down && !row->done,
        .position = !down         ? up_position
                    : row == NULL ? ""
                                  : row->undone,
        .rollout = row == NULL ? walk->task->rollout : row->rollout,
        .done = down ? up_position : "",
        .conn = walk->context->link->conn,
        .batch = walk->context->link->batch,
        .arena = &walk->task->arena,
        .is_cancelled = walk_call_is_cancelled,
        .why = walk_call_why,
        .insist = walk_call_insist,
        .blocked = walk_call_blocked,
        .lease_until = walk_call_lease_until,
        .pause = walk_call_pause,
        .progress = walk_call_progress,
        .context = walk,
    };
}

static const char *walk_call_text(const char *text)
{
    return text == NULL ? "" : text;
}

static struct task_error walk_call_error(struct walk *walk, const struct runner_call *call,
                                         const struct runner_problem *problem)
{
    const struct operation *operation = call->operation->operation;
    bool own_file = problem->file != NULL;
    bool down_file = call->down && operation->down_path != NULL;

    return (struct task_error){
        .tenant = arena_printf(&walk->task->arena, "%s/%s", walk->context->options->shard,
                               walk->task->tenant),
        .mode = walk->task->mode,
        .code = problem->code == TASK_CODE_NONE ? TASK_CODE_RUNNER : problem->code,
        .sqlstate = walk_call_text(problem->sqlstate),
        .message = walk_call_text(problem->message),
        .detail = walk_call_text(problem->detail),
        .hint = walk_call_text(problem->hint),
        .file = own_file    ? problem->file
                : down_file ? operation->down_path
                            : operation->path,
        .statement = problem->statement,
        .line = problem->line,
    };
}

void walk_call_refuse(struct walk *walk, const struct runner_call *call,
                      const struct runner_report *report)
{
    walk->result->outcome = TASK_FAILED;
    walk->result->error = walk_call_error(walk, call, &report->problem);
    if (report->output != NULL && walk->result->error.detail[0] == '\0') {
        walk->result->error.detail = report->output;
    }
    walk->result->version = walk->version;
}

void walk_call_break(struct walk *walk, const struct runner_report *report)
{
    struct task_outcome_report *said = &walk->report;
    const struct runner_problem *problem = &report->problem;

    memset(said, 0, sizeof(*said));
    said->lost = pg_conn_is_lost(walk->context->link->conn);
    said->failed = !said->lost;
    said->failed_step = TASK_STEP_END;
    (void)snprintf(said->error.sqlstate, sizeof(said->error.sqlstate), "%s",
                   walk_call_text(problem->sqlstate));
    (void)snprintf(said->error.message, sizeof(said->error.message), "%s",
                   walk_call_text(problem->message));
}

static void walk_call_add_warning(struct walk *walk, const struct task_error *warning)
{
    struct task_result *result = walk->result;
    size_t count = result->warning_count;

    if (count == WARNINGS_PER_TASK_MAX) {
        return;
    }
    if (count >= walk->warning_capacity) {
        size_t capacity = 2 * count + WARNINGS_PER_TRY_MAX;
        struct task_error *grown = arena_alloc_array(&walk->task->arena, capacity, sizeof(*grown));

        if (count > 0) {
            memcpy(grown, result->warnings, count * sizeof(*grown));
        }
        walk->warning_capacity = capacity;
        grown[count] = *warning;
        result->warnings = grown;
    } else {
        /* The array is this walk's own; others only read it. */
        struct task_error *own = (struct task_error *)(uintptr_t)result->warnings;

        own[count] = *warning;
    }
    result->warning_count = count + 1;
}

void walk_call_warn(struct walk *walk, const struct runner_call *call,
                    const struct runner_report *report, enum task_code code)
{
    struct task_error warning;

    for (size_t i = 0; i < report->warning_count; i++) {
        warning = walk_call_error(walk, call, &report->warnings[i]);
        walk_call_add_warning(walk, &warning);
    }
    if (code != TASK_CODE_NONE) {
        warning = walk_call_error(walk, call, &report->problem);
        warning.code = code;
        walk_call_add_warning(walk, &warning);
    }
}

void walk_call_absorb(struct walk *walk)
{
    struct task_result said = { 0 };

    task_answer_warn(&said, walk->task, walk->context->options->shard, &walk->report);
    for (size_t i = 0; i < said.warning_count; i++) {
        walk_call_add_warning(walk, &said.warnings[i]);
    }
}
