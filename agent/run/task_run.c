/* How a lost answer to COMMIT is settled: never guessed. The task is run again from its start, on a
 * new connection. skein.task_begin takes the tenant's row lock, which waits for the old backend as
 * long as its transaction lives; then the row's version and rollout say whether it committed
 * (SK007: this rollout did it) or not (then this try does the work). So a try that follows a lost
 * one needs no state but the journal's, and any number of tries has the effect of one.
 *
 * Where no further try is wanted (the task is cancelled, or was given out to settle what another
 * agent left) a look at the row is not enough: the old try may not have begun yet, its words in the
 * buffers of a server that stands still. skein.task_settle ends what runs and raises the fence
 * above it first. */
#include "agent/run/task_run.h"

#include <assert.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "agent/run/barrier.h"
#include "agent/run/clone.h"
#include "agent/run/copy_first.h"
#include "agent/run/executor_notes.h"
#include "agent/run/stalled_try.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_batch.h"
#include "agent/run/task_check.h"
#include "agent/run/task_ledger.h"
#include "agent/run/task_life.h"
#include "agent/run/task_measure.h"
#include "agent/run/task_sizes.h"
#include "agent/run/task_tables.h"
#include "agent/run/task_try.h"
#include "agent/run/task_verdict.h"
#include "agent/run/unwind_check.h"
#include "agent/run/walk.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/model/plan.h"

/* The server said no. True: to be tried again, because an old try still holds the tenant's row: one
 * of ours, or that of an agent which had the tenant before and stands still. */
static bool task_run_refused(struct task_try *t, const struct task_outcome_report *report)
{
    bool settles = t->uncertain || t->order.settle;
    bool held = strcmp(report->error.sqlstate, "55P03") == 0 ||
                (settles && strcmp(report->error.sqlstate, "57014") == 0);

    if (held && report->failed_step <= TASK_STEP_SETTLE) {
        if (report->clean) {
            stalled_try_end(t->context->link->conn, t->task->tenant,
                            prepared_set_model(t->task->set)->name, t->task->token);
        }
        if (task_try_wait(t, &t->settle_ends_ms,
                          settles ? TASK_SETTLE_MAX_MS : TASK_OUTAGE_MAX_MS)) {
            return true;
        }
        task_try_fail(t, task_try_is_cancelled(t) ? TASK_CODE_CANCELLED : TASK_CODE_DATABASE_LOST,
                      "an older transaction still holds the tenant's row in skein's journal");
        return false;
    }
    if (t->uncertain && report->failed_step > TASK_STEP_SETTLE) {
        /* This try has changed nothing. But the lost one, with the same token, may not even have
         * begun yet: the coordinator tries again with a later one, which fences it out. */
        task_try_fail(t, TASK_CODE_DATABASE_LOST, report->error.message);
        return false;
    }
    task_answer_refused(t->result, t->task, t->context->options->shard, report,
                        executor_notes_why(t->context->queue, t->context->worker));
    return false;
}

static bool task_run_install(struct task_try *t)
{
    struct error err = { 0 };

    if (journal_ensure(t->context->link->conn, &err)) {
        return true;
    }
    if (pg_conn_is_lost(t->context->link->conn)) {
        return true;
    }
    task_try_fail(t, TASK_CODE_RUNNER, err.message);
    return false;
}

/* It has done what it was to do, now or in an earlier try. `version` is what another tool's table
 * has told, where that is asked. */
static void task_run_succeed(struct task_try *t, const char *version, size_t repeated)
{
    const struct task_undo *undo = t->order.undo;

    task_answer_succeed(t->result, t->task, undo == NULL ? t->plan.count + repeated : undo->count);
    if (undo != NULL) {
        t->result->version = task_mode_is_dry(t->task->mode) ? undo->from : undo->start;
    }
    if (task_ledger_reads(t->task)) {
        t->result->version = arena_strdup(&t->task->arena, version);
    }
}

/* The same for a rollback. The journal's row says whose it was. */
static bool task_run_undo_settled(struct task_try *t, const struct task_outcome_report *report)
{
    struct error err = { 0 };
    const char *version = "";
    bool done = false;

    if (!task_undo_is_done(t->context->link->conn, t->task, &done, &version, &err)) {
        t->uncertain = true;
        return task_try_again(t, report);
    }
    if (done) {
        task_answer_succeed(t->result, t->task, t->undo.count);
    } else {
        task_try_fail(t, TASK_CODE_CANCELLED, "cancelled");
    }
    t->result->version = version;
    return false;
}

/* What the journal says from now on, whatever tries there were. True: to be looked at again. */
static bool task_run_settled(struct task_try *t, const struct task_outcome_report *report)
{
    if (!report->committed) {
        return task_try_again(t, report);
    }
    t->uncertain = false;
    if (task_mode_is_rollback(t->task->mode)) {
        return task_run_undo_settled(t, report);
    }
    bool reads = task_ledger_reads(t->task);
    if ((reads || strcmp(report->settled_version, t->task->target) == 0) &&
        strcmp(report->settled_rollout, t->task->rollout) == 0) {
        task_run_succeed(t, report->settled_version, 0);
        return false;
    }
    if (t->task->mode == TASK_SETTLE) {
        task_answer_fail(t->result, t->task, t->context->options->shard, TASK_SKIPPED,
                         TASK_CODE_CANCELLED,
                         "it was not migrated, and no earlier try can do it any more");
    } else {
        task_try_fail(t, TASK_CODE_CANCELLED, "cancelled");
    }
    t->result->version = arena_strdup(&t->task->arena, report->settled_version);
    return false;
}

/* Makes a commit durable that this try did not make. */
static bool task_run_settle_already(struct task_try *t, const struct task_outcome_report *report)
{
    struct error err = { 0 };

    if (!barrier_flush(t->context->link->conn, &err)) {
        return false; /* the next try finds it again, or finds that it is gone */
    }
    task_run_succeed(t, report->error.detail, 0);
    return true;
}

/* A connection, and the right to use it. False: the result says why not. A pause after this is for
 * the fence in the tenant's database to deal with. */
static bool task_run_may_begin(struct task_try *t)
{
    bool cancelled = task_try_is_cancelled(t);

    if (!cancelled || t->uncertain) {
        if (!task_try_connect(t)) {
            return false;
        }
        cancelled = !executor_queue_wait_lease(t->context->queue, t->context->worker);
    }
    if (cancelled && !t->uncertain) {
        task_try_fail(t, TASK_CODE_CANCELLED, "cancelled before it began");
        return false;
    }
    t->order.settle = cancelled || t->task->mode == TASK_SETTLE;
    return true;
}

/* Whether the new tenant would be this agent's. */
static bool task_run_may_create(struct task_try *t)
{
    struct pg_conn *conn = t->context->link->conn;
    struct error err = { 0 };

    if (task_life_accept(t->context->options, conn, t->task, &err)) {
        return true;
    }
    task_try_fail(t, pg_conn_is_lost(conn) ? TASK_CODE_DATABASE_LOST : TASK_CODE_TENANT_REFUSED,
                  err.message);
    if (pg_conn_is_lost(conn)) {
        worker_link_close(t->context->link);
    }
    return false;
}

/* What is to be undone, by the tenant's journal. False: `ret_report` says why it could not be read,
 * or the result is complete already. */
static bool task_run_read_undo(struct task_try *t, struct task_outcome_report *ret_report,
                               bool *ret_complete)
{
    const struct unwind_check check = { t->context->options, t->walk.runners, t->task };
    struct pg_error words = { 0 };
    struct error err = { 0 };

    *ret_complete = true;
    t->order.undo = &t->undo;
    if (!task_undo_read(t->context->link->conn, t->context->options, t->task, &t->undo, &words,
                        &err)) {
        if (err.code == ERR_INVALID && words.sqlstate[0] == '\0') {
            task_try_fail(t, TASK_CODE_ROLLBACK, err.message);
            return false;
        }
        *ret_complete = false;
        memset(ret_report, 0, sizeof(*ret_report));
        ret_report->failed = true;
        ret_report->failed_step = TASK_STEP_BEGIN;
        ret_report->error = words;
        if (words.sqlstate[0] == '\0') { /* the connection broke: as if the server had said so */
            memcpy(ret_report->error.sqlstate, "08006", sizeof("08006"));
        }
        return false;
    }
    t->walks = t->undo.walks;
    if (task_mode_is_dry(t->task->mode) && t->undo.is_mine) {
        task_sizes_look_back(&t->sizes, t->context, t->task, &t->undo);
    }
    return t->walks || unwind_check_all(&check, &t->undo.plan, t->result);
}

/* After one try: what it came to. True: another one is wanted; else the result is complete. */
static bool task_run_conclude(struct task_try *t, const struct task_outcome_report *report,
                              bool *ret_to_barrier)
{
    switch (task_verdict_of(t->task->mode, t->order.settle, report)) {
    case TASK_VERDICT_DONE:
        if (t->order.settle) {
            return task_run_settled(t, report);
        }
        if (!task_mode_is_dry(t->task->mode) && !report->committed) {
            /* COMMIT of an aborted transaction answers ROLLBACK and is no error. */
            task_try_fail(t, TASK_CODE_TRANSACTION_CONTROL,
                          "the server rolled the transaction back at COMMIT");
        } else {
            t->result->stamp = report->stamp;
            t->result->fingerprint = arena_strdup(&t->task->arena, report->fingerprint);
            task_run_succeed(t, report->found_version, report->repeated);
            *ret_to_barrier = report->committed && t->order.asynchronous;
        }
        return false;
    case TASK_VERDICT_ALREADY:
        return !task_run_settle_already(t, report) && task_try_again(t, report);
    case TASK_VERDICT_REFUSED:
        return task_run_refused(t, report);
    case TASK_VERDICT_UNCERTAIN:
        t->uncertain = true;
        return task_try_again(t, report);
    case TASK_VERDICT_NO_JOURNAL:
        return task_run_install(t) && task_try_again(t, report);
    case TASK_VERDICT_WALK:
        t->walks = true;
        return true;
    case TASK_VERDICT_AGAIN:
        break;
    }
    return task_try_again(t, report);
}

/* One try of a walk. Whatever was not known of the one before, the journal has said it. */
static bool task_run_walk(struct task_try *t, bool *ret_to_barrier)
{
    struct walk *walk = &t->walk;
    bool dry = task_mode_is_dry(t->task->mode);
    enum walk_end end = WALK_BROKEN;

    if (task_mode_is_rollback(t->task->mode)) {
        end = dry ? walk_unwind_rehearse(walk) : walk_unwind(walk);
    } else {
        end = dry ? walk_rehearse(walk) : walk_run(walk);
    }

    if (walk->looked) {
        t->uncertain = false;
    }
    if (walk->advanced) {
        t->attempts = 0; /* it gets on, slowly as it may be */
        t->outage_ends_ms = 0;
    }
    switch (end) {
    case WALK_DONE:
        t->result->stamp = walk->stamp;
        task_run_succeed(t, "", walk->repeated);
        return false;
    case WALK_ENDED:
        return false;
    case WALK_BROKEN:
        break;
    }
    return task_run_conclude(t, &walk->report, ret_to_barrier);
}

/* One try in one transaction. */
static bool task_run_whole(struct task_try *t, bool *ret_clean, bool *ret_to_barrier)
{
    struct worker_link *link = t->context->link;
    bool undoes = task_mode_is_rollback(t->task->mode) && !t->order.settle;
    struct task_outcome_report report;
    bool complete = false;

    if (undoes && !task_run_read_undo(t, &report, &complete)) {
        if (complete) {
            *ret_clean = true;
            return false;
        }
    } else if (t->walks && !t->order.settle) {
        bool again = task_run_walk(t, ret_to_barrier);

        *ret_clean = t->walk.report.clean;
        return again;
    } else {
        task_batch_run(link->conn, link->batch, &t->order, &report);
        task_answer_warn(t->result, t->task, t->context->options->shard, &report);
    }
    *ret_clean = report.clean;
    return task_run_conclude(t, &report, ret_to_barrier);
}

/* One try. True: another one is wanted; else the result is complete. */
static bool task_run_once(struct task_try *t, bool *ret_to_barrier)
{
    struct worker_link *link = t->context->link;
    bool again = false;
    bool clean = false;

    if (!task_run_may_begin(t)) {
        return false;
    }
    if (!t->order.settle && !t->uncertain && t->task->mode == TASK_CREATE && !t->task->staged &&
        !task_run_may_create(t)) {
        return false;
    }
    bool plans = t->task->mode == TASK_RUN || t->task->mode == TASK_DRY_RUN;
    if (!t->order.settle && !t->uncertain && (plans || task_mode_is_rollback(t->task->mode))) {
        task_tables_look(t->context, t->task, plans ? &t->plan : NULL);
    }
    if (t->task->mode == TASK_DRY_RUN && !t->order.settle &&
        !task_sizes_look(&t->sizes, t->context, t->task, &t->plan, t->result)) {
        return false;
    }
    if (t->task->mode == TASK_DRY_RUN && t->task->dry_run_step == DRY_RUN_STEP_CLONE) {
        clone_try(t->context, t->task, &t->plan, t->result);
        return false;
    }
    if (!t->order.settle &&
        !copy_first_look(&t->copy, t->context, t->task, &t->plan, t->sizes.found, t->result)) {
        return false;
    }
    if (t->walks && !t->order.settle) {
        again = task_run_walk(t, ret_to_barrier);
        clean = t->walk.report.clean;
    } else {
        again = task_run_whole(t, &clean, ret_to_barrier);
    }
    if (!clean || pg_conn_is_lost(link->conn)) {
        worker_link_close(link);
    }
    return again;
}

/* What can be said without a database. True: the task may run. */
static bool task_run_prepare(struct task_try *t)
{
    const struct executor_task *task = t->task;
    const struct set *set = prepared_set_model(task->set);
    const char *shard = t->context->options->shard;
    bool rehearses = task->rehearse_rollback && task->mode == TASK_DRY_RUN;
    struct error err = { 0 };

    if ((task->mode == TASK_CREATE || task->mode == TASK_DROP) && !task->staged &&
        !task_life_check(t->context->options, task, &err)) {
        task_try_fail(t, TASK_CODE_TENANT_REFUSED, err.message);
        return false;
    }
    t->walk = (struct walk){ .context = t->context,
                             .task = t->task,
                             .result = t->result,
                             .runners = t->context->options->runners != NULL
                                            ? t->context->options->runners
                                            : runners_all(),
                             .version = task->from,
                             .log = t->order.log };
    if (task->mode == TASK_BASELINE || task->mode == TASK_SETTLE || task->mode == TASK_DROP ||
        task_mode_is_rollback(task->mode)) {
        return true;
    }
    /* Whether a tenant without a version holds anything is seen in its transaction. */
    const struct plan_start start = { .from = task->from,
                                      .has_objects = task->baseline[0] != '\0',
                                      .baseline = task->baseline,
                                      .repeatables = task->repeatables };
    plan_make(set, &start, task->target, &t->plan);
    if (t->plan.code != TASK_CODE_NONE) {
        bool done = t->plan.code == TASK_CODE_UP_TO_DATE;

        task_answer_fail(t->result, t->task, shard, done ? TASK_SKIPPED : TASK_FAILED, t->plan.code,
                         "%s", done ? "the tenant is already there" : t->plan.error.message);
        t->result->version = task->from;
        return false;
    }
    bool looks = task->mode == TASK_DRY_RUN && task->dry_run_step == DRY_RUN_STEP_LOOK;
    t->order.half_done = !step_plan_is_simple(task->set, &t->plan);
    t->walks =
        !looks && (t->order.half_done || (rehearses && !step_plan_goes_back(task->set, &t->plan)));
    t->walk.plan = t->plan;
    return task_check(&(struct task_check){ .options = t->context->options,
                                            .runners = t->walk.runners,
                                            .task = t->task,
                                            .plan = &t->plan,
                                            .rehearses_rollback = rehearses },
                      t->result);
}

/* The first step of a new tenant. What dies behind it leaves a row without a version, which the
 * next try finds. */
static bool task_run_register(struct task_try *t, bool *ret_added)
{
    struct error err = { 0 };

    if (t->task->mode != TASK_CREATE || t->task->staged || t->uncertain ||
        task_life_register(t->context->options, t->task, ret_added, &err)) {
        return true;
    }
    task_try_fail(t, TASK_CODE_REGISTRY, err.message);
    return false;
}

bool task_run(struct task_context *context, const struct executor_turn *turn,
              struct task_result **ret_result)
{
    struct task_try t = { .context = context,
                          .task = turn->task,
                          .result = task_answer_new(turn->task),
                          .uncertain = turn->settle };
    uint64_t started_us = clock_monotonic_us();
    bool to_barrier = false;

    t.order = (struct task_order){
        .options = context->options,
        .task = turn->task,
        .plan = &t.plan,
        .log = turn->task->mode == TASK_DRY_RUN && turn->task->dry_run_step == DRY_RUN_STEP_WHOLE
                   ? &t.log
                   : NULL,
        .runs_hooks = true,
        .asynchronous = context->options->commit_group && barrier_takes(turn->task->mode),
    };
    bool registered = false;
    if (task_run_prepare(&t) && task_run_register(&t, &registered)) {
        worker_link_begin(context->link, turn->serial);
        do {
            while (task_run_once(&t, &to_barrier)) {
            }
        } while (t.order.log != NULL && !task_measure_tell(context, turn->task, &t.log, t.result));
        task_sizes_warn(&t.sizes, turn->task, t.result);
        copy_first_warn(&t.copy, context, turn->task, t.result);
        worker_link_end(context->link);
    }
    if (registered && t.result->outcome != TASK_SUCCEEDED &&
        t.result->error.code != TASK_CODE_DATABASE_LOST) { /* that may have committed */
        task_life_unregister(context->options, turn->task, t.result);
    }
    t.result->duration_us = clock_monotonic_us() - started_us;
    measure_log_release(&t.log);
    *ret_result = t.result;
    return to_barrier;
}
