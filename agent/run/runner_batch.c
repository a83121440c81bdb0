#include "agent/run/runner_batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/check/prepared_batch.h"
#include "agent/decide/batch_pace.h"
#include "agent/run/batch_chunk.h"
#include "agent/run/batch_look.h"
#include "common/core/clock.h"
#include "common/core/memory.h"
#include "common/model/duration.h"

struct runner_batch_run {
    const struct runner_call *call;
    const struct batch_settings *settings;
    const struct batch_script *script;
    struct runner_report *report;
    struct batch_text text;
    struct batch_position position;
    struct batch_pace pace;
    uint64_t total; /* rows, an estimate; 0: none */
    /* The standbys were asked for this place in the WAL first at that time, and at least one of
     * them has not replayed it yet; "": none has been asked. */
    char mark[32];
    uint64_t mark_ms;
};

static const struct batch_settings *runner_batch_settings(const struct runner_call *call)
{
    const struct operation *operation = call->operation->operation;

    return call->down ? &operation->down_settings.batch : &operation->settings.batch;
}

/* A chunk holds its rows' locks for about its target, so nobody waits longer than the rollout
 * allows. */
static uint64_t runner_batch_target_ms(const struct runner_call *call)
{
    uint64_t target_ms = runner_batch_settings(call)->target_ms;
    uint64_t lock_ms = call->task->lock_timeout_ms;

    return lock_ms > 0 && lock_ms < target_ms ? lock_ms : target_ms;
}

static void runner_batch_progress(const struct runner_batch_run *run, const char *waits)
{
    const struct operation *operation = run->call->operation->operation;
    char words[PROGRESS_BYTES_MAX + 1];
    char pace[BATCH_PACE_WORDS_BYTES];

    batch_pace_words(&run->pace, run->position.rows, run->total, clock_monotonic_us(), pace);
    (void)snprintf(words, sizeof(words), "%.64s%s: %s%s%.64s", operation->stem,
                   run->call->down ? " (rollback)" : "", pace, waits[0] != '\0' ? ", " : "", waits);
    run->call->progress(run->call->context, run->position.rows, run->total, words);
}

static bool runner_batch_cancelled(const struct runner_batch_run *run)
{
    return runner_fail(run->call, run->report, TASK_CODE_CANCELLED,
                       "cancelled after %" PRIu64 " rows, which stay done", run->position.rows);
}

static bool runner_batch_pause(const struct runner_batch_run *run, uint64_t milliseconds)
{
    return run->call->pause(run->call->context, milliseconds) || runner_batch_cancelled(run);
}

/* Waits while a standby is further behind than it may be: while it has not replayed what was
 * written max_lag ago. One that goes away is not waited for. False: cancelled, or an error. */
static bool runner_batch_wait_standbys(struct runner_batch_run *run,
                                       const struct batch_chunk_answer *answer)
{
    uint64_t max_lag_ms = run->settings->max_lag_ms;
    char behind[NAME_BYTES_MAX + 1];
    char waits[NAME_BYTES_MAX + 32];

    memcpy(behind, answer->behind, sizeof(behind));
    while (behind[0] != '\0' && max_lag_ms > 0 &&
           clock_monotonic_ms() - run->mark_ms > max_lag_ms) {
        (void)snprintf(waits, sizeof(waits), "waits for standby %s", behind);
        runner_batch_progress(run, waits);
        if (!runner_batch_pause(run, BATCH_LAG_LOOK_MS) ||
            !batch_look_behind(run->call, run->mark, behind, run->report)) {
            return false;
        }
    }
    if (behind[0] == '\0') {
        memcpy(run->mark, answer->wal, sizeof(run->mark));
        run->mark_ms = clock_monotonic_ms();
    }
    return true;
}

/* Nothing is wrong with the chunk, but it was in somebody's way or took too long. */
static bool runner_batch_is_refusal(const struct runner_batch_run *run,
                                    const struct batch_chunk_answer *answer)
{
    static const char *const states[] = { "55P03", "40P01", "40001", "57014" };

    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (answer->failed && !answer->lost && strcmp(answer->error.sqlstate, states[i]) == 0) {
            return !run->call->is_cancelled(run->call->context);
        }
    }
    return false;
}

/* One chunk, however often it has to be tried. *ret_more: there may be further ones. */
static bool runner_batch_chunk(struct runner_batch_run *run, bool *ret_more)
{
    struct batch_chunk_answer answer;
    uint64_t began_us = clock_monotonic_us();
    uint64_t rows = run->pace.rows;
    uint64_t pause_ms = 0;

    if (!batch_chunk_run(run->call, run->script, &run->text, rows, run->mark, &run->position,
                         &answer, run->report)) {
        if (runner_batch_is_refusal(run, &answer) && batch_pace_refused(&run->pace, &pause_ms)) {
            *ret_more = true;
            return runner_batch_pause(run, pause_ms);
        }
        return batch_chunk_fail(run->call, run->script, &run->text, &run->position, &answer,
                                run->report);
    }
    batch_pace_done(&run->pace, answer.keys, clock_monotonic_us() - began_us, answer.waiting);
    runner_batch_progress(run, "");
    *ret_more = answer.keys >= rows;
    if (!*ret_more) {
        return true;
    }
    pause_ms = run->settings->pause_ms;
    if (answer.waiting) { /* let them go first */
        pause_ms += run->settings->target_ms;
    }
    return (pause_ms == 0 || runner_batch_pause(run, pause_ms)) &&
           runner_batch_wait_standbys(run, &answer);
}

static void runner_batch_tell(const struct runner_batch_run *run)
{
    char words[BATCH_PACE_WORDS_BYTES];

    batch_pace_words(&run->pace, run->position.rows, 0, clock_monotonic_us(), words);
    run->report->output =
        arena_printf(run->call->arena, "%" PRIu64 " rows in %" PRIu64 " chunks, %s",
                     run->position.rows, run->position.chunks, words);
}

static bool runner_batch_all(struct runner_batch_run *run)
{
    const struct runner_call *call = run->call;
    bool more = true;

    if (!batch_chunk_load(call, run->script, &run->position, run->report)) {
        return false;
    }
    batch_pace_init(&run->pace, run->position.size > 0 ? run->position.size : run->settings->rows,
                    runner_batch_target_ms(call), run->position.rows, clock_monotonic_us());
    run->total = run->position.rows + batch_look_rows(call, run->script, run->position.key);
    while (more) {
        if (call->is_cancelled(call->context)) {
            return runner_batch_cancelled(run);
        }
        if (!runner_batch_chunk(run, &more)) {
            return false;
        }
    }
    runner_batch_tell(run);
    return true;
}

static bool runner_batch_execute(const struct runner_call *call, struct runner_report *report)
{
    struct runner_batch_run run = { .call = call,
                                    .settings = runner_batch_settings(call),
                                    .script = prepared_batch_script(call->operation, call->down),
                                    .report = report };

    batch_text_init(&run.text, run.script, call->down);
    bool done = runner_batch_all(&run);
    batch_text_release(&run.text);
    batch_position_release(&run.position);
    return done;
}

static bool runner_batch_setup(const struct runner_call *call, struct runner_report *report)
{
    const struct batch_script *script = prepared_batch_script(call->operation, call->down);

    return (call->started_before && call->position[0] != '\0') ||
           batch_look_keys(call, script, report);
}

/* The `.down.batch.sql` goes over its own keys from their beginning. */
static bool runner_batch_rollback(const struct runner_call *call, struct runner_report *report)
{
    return batch_look_keys(call, prepared_batch_script(call->operation, true), report) &&
           runner_batch_execute(call, report);
}

/* The first chunk, in the dry run's transaction, and what can be foreseen of the others. */
static bool runner_batch_dry_run(const struct runner_call *call, struct runner_report *report)
{
    const struct batch_script *script = prepared_batch_script(call->operation, call->down);

    return batch_look_keys(call, script, report) && batch_look_plan(call, script, report) &&
           batch_look_first(call, script, runner_batch_settings(call)->rows, report);
}

const struct runner runner_batch = { .kind = OPERATION_BATCH,
                                     .setup = runner_batch_setup,
                                     .execute = runner_batch_execute,
                                     .rollback = runner_batch_rollback,
                                     .dry_run = runner_batch_dry_run };
