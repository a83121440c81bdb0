#include "agent/run/copy_first.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/keep/fingerprint.h"
#include "agent/run/accident.h"
#include "agent/run/clone.h"
#include "agent/run/copy_table.h"
#include "agent/run/copy_weigh.h"
#include "agent/run/executor_notes.h"
#include "agent/run/task_answer.h"
#include "common/core/clock.h"
#include "common/core/log.h"

static const char copy_first_half_sql[] =
    "SELECT EXISTS (SELECT FROM skein.operation WHERE tenant = $1 AND set_name = $2)";

/* One look. */
struct copy_first_call {
    struct copy_first *first;
    struct task_context *context;
    struct executor_task *task;
    const struct plan *plan;
    struct task_result *result;
    struct copy_key key;
};

enum copy_first_end {
    COPY_FIRST_GO,   /* the tenant itself is next */
    COPY_FIRST_STOP, /* the result says why not */
    COPY_FIRST_REST,
};

static bool copy_first_is_loose(const struct operation *operation)
{
    return operation->kind == OPERATION_SQL && !operation->settings.control_scope &&
           !operation->settings.transaction;
}

/* What may be done to large tables matters to none where it is allowed, or where there are none
 * yet.
 */
struct copy_first_fear {
    bool grows;
    bool opaque;
};

static bool copy_first_fears(const struct copy_first_fear *fear,
                             const struct prepared_operation *prepared)
{
    return copy_first_is_loose(prepared->operation) || (fear->grows && prepared->up.grows) ||
           (fear->opaque && prepared->up.opaque);
}

static bool copy_first_is_risky(const struct executor_task *task, const struct plan *plan,
                                bool large)
{
    const struct set *set = prepared_set_model(task->set);
    bool weighs = !task->allow_large && (task->from[0] != '\0' || task->baseline[0] != '\0');
    const struct copy_first_fear fear = { .grows = weighs && large, .opaque = weighs };
    bool risky = false;

    for (size_t m = plan->first; m < plan->first + plan->count && !risky; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count && !risky; o++) {
            risky = copy_first_fears(&fear, prepared_set_operation(task->set, m, o));
        }
    }
    for (size_t r = 0; plan->repeatables && r < set->repeatable_count && !risky; r++) {
        risky = copy_first_fears(&fear, prepared_set_repeatable(task->set, r));
    }
    return risky;
}

static bool copy_first_is_news(const struct copy_first_call *call, const char *words)
{
    return copy_table_is_news(call->context->copies, call->task->rollout, call->task->tenant,
                              words);
}

static struct task_error *copy_first_add(struct copy_first_call *call, const char *words)
{
    struct copy_first *first = call->first;
    struct task_error *warning =
        &first->warnings[first->warning_count == SIZE_WARNINGS_MAX ? SIZE_WARNINGS_MAX - 1
                                                                   : first->warning_count++];

    *warning = (struct task_error){ .code = TASK_CODE_LINT,
                                    .sqlstate = "",
                                    .message = words,
                                    .detail = "",
                                    .hint = "",
                                    .file = "" };
    return warning;
}

/* Once for a rollout and shard, by the first who has to say it. */
static void copy_first_note(struct copy_first_call *call, const char *why, const char *hint)
{
    static const char key[] = "not tried on a copy first";
    struct arena *arena = &call->task->arena;

    if (copy_first_is_news(call, key)) {
        copy_first_add(call,
                       arena_printf(arena, "%s (%s): %s", key, call->context->options->shard, why))
            ->hint = hint;
    }
}

static void copy_first_note_none(struct copy_first_call *call, const char *why)
{
    copy_first_note(call, why,
                    "The scripts may do more to live tables than can be told beforehand; a copy "
                    "needs the agent's --pg-dump and a role with CREATEDB. `--dry-run clone` tries "
                    "them on nothing else.");
}

/* What the copy did not get through, and nobody can tell whether a tenant with rows would. */
static void copy_first_note_partly(struct copy_first_call *call, const struct task_error *error)
{
    struct arena *arena = &call->task->arena;
    const char *words =
        arena_printf(arena, "on an empty copy this fails, and what follows was not tried there: %s",
                     error->message);
    const char *key = arena_printf(arena, "%s:%" PRIu32, error->file, error->statement);

    if (copy_first_is_news(call, key)) {
        struct task_error *warning = copy_first_add(call, words);

        call->first->told_if_passed = call->first->warning_count == 1;
        warning->file = error->file;
        warning->statement = error->statement;
        warning->line = error->line;
    }
}

/* Half of a migration is there already: the scripts would begin with what was done. */
static bool copy_first_is_half_done(const struct copy_first_call *call)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { call->task->tenant,
                                       prepared_set_model(call->task->set)->name };
    struct error err = { 0 };

    return pg_query(call->context->link->conn, copy_first_half_sql, parameters,
                    COUNT_OF(parameters), &rows, NULL, &err) &&
           pg_result_bool(rows, 0, 0); /* no journal yet: nothing is half done */
}

static void copy_first_make_key(struct copy_first_call *call, const char *fingerprint)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    const struct executor_task *task = call->task;
    const uint64_t numbers[] = { call->plan->first, call->plan->count,
                                 call->plan->repeatables ? 1 : 0 };
    uint8_t digest[CHECKSUM_BYTES];

    (void)snprintf(call->key.rollout, sizeof(call->key.rollout), "%s", task->rollout);
    checksum_add_text(checksum, task->rollout);
    checksum_add_text(checksum, prepared_set_model(task->set)->digest);
    checksum_add_text(checksum, task->from);
    checksum_add_text(checksum, task->baseline);
    checksum_add_text(checksum, task->target);
    checksum_add(checksum, numbers, sizeof(numbers));
    checksum_add_text(checksum, fingerprint);
    checksum_finish(checksum, digest);
    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        (void)snprintf(call->key.text + 2 * i, 3, "%02x", digest[i]);
    }
}

static enum copy_first_end copy_first_await(struct copy_first_call *call, const char *key,
                                            const char *words)
{
    struct executor_task *task = call->task;

    task->awaits_copy = arena_strdup(&task->arena, key);
    task->waits_for = words;
    task->blocker = "";
    task_answer_fail(call->result, task, call->context->options->shard, TASK_FAILED,
                     TASK_CODE_CANCELLED, "cancelled while it waited for the trial on a copy");
    call->result->version = task->from;
    return COPY_FIRST_REST;
}

/* Somebody holds a table of the tenant against everybody: perhaps none that the scripts are about.
 */
static enum copy_first_end copy_first_busy(struct copy_first_call *call, const char *why)
{
    if (++call->task->copy_tries < COPY_BUSY_TRIES_MAX) {
        return copy_first_await(call, "", arena_strdup(&call->task->arena, why));
    }
    copy_first_note_none(call, why);
    return COPY_FIRST_GO;
}

static enum copy_first_end copy_first_cancelled(struct copy_first_call *call)
{
    task_answer_fail(call->result, call->task, call->context->options->shard, TASK_FAILED,
                     TASK_CODE_CANCELLED, "cancelled while it was tried on a copy");
    call->result->version = call->task->from;
    return COPY_FIRST_STOP;
}

/* What holds for this tenant of what was found out about all of its class. */
static enum copy_first_end copy_first_apply(struct copy_first_call *call,
                                            const struct copy_verdict *verdict)
{
    struct executor_task *task = call->task;
    const struct executor_options *options = call->context->options;

    switch (verdict->kind) {
    case COPY_NONE:
        copy_first_note_none(call, verdict->error.message);
        return COPY_FIRST_GO;
    case COPY_REFUSED:
        call->result->outcome = TASK_FAILED;
        call->result->version = task->from;
        call->result->error = verdict->error;
        call->result->error.mode = task->mode;
        call->result->error.tenant =
            arena_printf(&task->arena, "%s/%s", options->shard, task->tenant);
        return COPY_FIRST_STOP;
    case COPY_PARTLY:
        copy_first_note_partly(call, &verdict->error);
        break;
    case COPY_PASSED:
        break;
    }
    const struct copy_weigh_call weigh = { .context = call->context,
                                           .task = task,
                                           .findings = verdict->findings,
                                           .count = verdict->finding_count,
                                           .warnings = call->first->warnings,
                                           .warning_count = &call->first->warning_count };
    return copy_weigh(&weigh, call->result) ? COPY_FIRST_GO : COPY_FIRST_STOP;
}

/* Programs and the like that were passed over, and a copy that could not be dropped. */
static void copy_first_take_warnings(struct copy_first_call *call, const struct task_result *trial)
{
    for (size_t i = 0; i < trial->warning_count; i++) {
        const char *words = trial->warnings[i].message;

        if (copy_first_is_news(call, words)) {
            (void)copy_first_add(call, words);
        }
    }
}

/* False: nothing was found out that is worth keeping. */
static bool copy_first_judge(const struct clone_report *report, const struct task_result *trial,
                             struct copy_verdict *ret_verdict)
{
    struct pg_error words = { 0 };
    bool gone = trial->error.code == TASK_CODE_DATABASE_LOST;

    *ret_verdict = (struct copy_verdict){ .kind = COPY_PASSED,
                                          .findings = report->findings,
                                          .finding_count = report->finding_count };
    if (report->made && report->passed) {
        return true;
    }
    (void)snprintf(words.sqlstate, sizeof(words.sqlstate), "%s", trial->error.sqlstate);
    ret_verdict->error = trial->error;
    ret_verdict->kind = !report->made ? COPY_NONE : report->certain ? COPY_REFUSED : COPY_PARTLY;
    return !gone && !accident_is(&words);
}

/* The caller's turn: it ends here, whatever comes of it. */
static enum copy_first_end copy_first_make(struct copy_first_call *call)
{
    struct task_context *context = call->context;
    struct task_result *trial = task_answer_new(call->task);
    struct clone_report report;
    struct copy_verdict verdict;
    uint64_t began_ms = clock_monotonic_ms();

    executor_notes_progress(context->queue, context->worker, 0, 0,
                            "tries the scripts on an empty copy");
    clone_learn(context, call->task, call->plan, trial, &report);
    executor_notes_progress(context->queue, context->worker, 0, 0, "");
    bool cancelled = executor_queue_is_cancelled(context->queue, context->worker);
    bool busy = !report.made && trial->error.code == TASK_CODE_LOCK_TIMEOUT;
    bool kept = copy_first_judge(&report, trial, &verdict) && !cancelled && !busy;
    log_info("copy_tried",
             "rollout=%s tenant=%s made=%d passed=%d kept=%d findings=%zu ms=%llu error=\"%.300s\"",
             call->task->rollout, call->task->tenant, report.made, report.passed, kept,
             report.finding_count, (unsigned long long)(clock_monotonic_ms() - began_ms),
             trial->error.message == NULL ? "" : trial->error.message);

    if (kept) {
        copy_table_put(context->copies, &call->key, clock_monotonic_ms(), &verdict);
    } else {
        copy_table_give_up(context->copies, &call->key);
    }
    executor_queue_wake(context->queue, call->key.text);
    if (cancelled) {
        return copy_first_cancelled(call);
    }
    if (busy) {
        return copy_first_busy(call, trial->error.message);
    }
    /* That took a while: what is done to the tenant needs a lease that holds now. */
    if (!executor_queue_wait_lease(context->queue, context->worker)) {
        return copy_first_cancelled(call);
    }
    copy_first_take_warnings(call, trial);
    if (!kept) {
        verdict.kind = COPY_NONE;
    }
    return copy_first_apply(call, &verdict);
}

static enum copy_first_end copy_first_ask(struct copy_first_call *call)
{
    struct copy_verdict verdict = { 0 };

    switch (copy_table_ask(call->context->copies, &call->key, clock_monotonic_ms(),
                           &call->task->arena, &verdict)) {
    case COPY_KNOWN:
        return copy_first_apply(call, &verdict);
    case COPY_BUSY:
        return copy_first_await(call, call->key.text,
                                "waits until the scripts were tried on an empty copy of a tenant "
                                "with the same schema");
    case COPY_TURN:
        return copy_first_make(call);
    case COPY_FULL:
        break;
    }
    copy_first_note(call,
                    arena_printf(&call->task->arena,
                                 "its tenants have more than %d different schemas, and no more "
                                 "are copied",
                                 COPY_CLASSES_MAX),
                    "`skein tenant census` names them.");
    return COPY_FIRST_GO;
}

static enum copy_first_end copy_first_begin(struct copy_first_call *call)
{
    const struct executor_options *options = call->context->options;
    char fingerprint[FINGERPRINT_BYTES];
    struct error err = { 0 };

    if (options->pg_dump == NULL || options->pg_dump[0] == '\0') {
        copy_first_note_none(call, "this agent was not told where pg_dump is (--pg-dump)");
        return COPY_FIRST_GO;
    }
    if (copy_first_is_half_done(call)) {
        copy_first_note(call, "a tenant's migration is half done, which no copy shows",
                        "The dry run goes on from where it stands.");
        return COPY_FIRST_GO;
    }
    if (!fingerprint_read(call->context->link->conn,
                          options->database_mode ? "" : call->task->tenant, fingerprint, &err)) {
        if (strstr(err.message, "55P03") != NULL) {
            return copy_first_busy(call, err.message);
        }
        if (err.code != ERR_NOT_FOUND && !pg_conn_is_lost(call->context->link->conn)) {
            copy_first_note_none(call, err.message);
        }
        return COPY_FIRST_GO; /* the tenant's own try finds out */
    }
    copy_first_make_key(call, fingerprint);
    return copy_first_ask(call);
}

bool copy_first_look(struct copy_first *first, struct task_context *context,
                     struct executor_task *task, const struct plan *plan, bool large,
                     struct task_result *result)
{
    struct copy_first_call call = {
        .first = first, .context = context, .task = task, .plan = plan, .result = result
    };

    if (first->looked || task->mode != TASK_DRY_RUN || task->dry_run_step != DRY_RUN_STEP_WHOLE ||
        !copy_first_is_risky(task, plan, large)) {
        return true;
    }
    first->looked = true;
    return copy_first_begin(&call) == COPY_FIRST_GO;
}

bool copy_first_rest(struct task_context *context, struct executor_task *task)
{
    struct copy_key key = { 0 };
    uint64_t pause_ms = task->awaits_copy[0] == '\0' ? COPY_BUSY_PAUSE_MS : COPY_WAIT_MS;

    (void)snprintf(key.text, sizeof(key.text), "%s", task->awaits_copy);
    if (!executor_queue_rest(context->queue, context->worker, clock_monotonic_ms() + pause_ms)) {
        return false;
    }
    /* From here on it is the queue's. Had the trial ended before, nobody would have woken it. */
    if (key.text[0] != '\0' && !copy_table_is_busy(context->copies, &key)) {
        executor_queue_wake(context->queue, key.text);
    }
    return true;
}

void copy_first_warn(const struct copy_first *first, struct task_context *context,
                     struct executor_task *task, struct task_result *result)
{
    size_t skipped = first->told_if_passed && result->outcome != TASK_SUCCEEDED ? 1 : 0;
    size_t count = first->warning_count - skipped;
    struct task_error *all;

    if (count == 0 || task->awaits_copy != NULL) {
        return;
    }
    all = arena_alloc_array(&task->arena, result->warning_count + count, sizeof(*all));
    for (size_t i = 0; i < result->warning_count; i++) {
        all[i] = result->warnings[i];
    }
    for (size_t i = 0; i < count; i++) {
        struct task_error *warning = &all[result->warning_count + i];

        *warning = first->warnings[skipped + i];
        warning->mode = task->mode;
        warning->tenant =
            arena_printf(&task->arena, "%s/%s", context->options->shard, task->tenant);
    }
    result->warnings = all;
    result->warning_count += count;
}
