#include "agent/run/task_make.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/make_copy.h"
#include "agent/run/make_parts.h"
#include "agent/run/step_plan.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_life.h"
#include "agent/run/task_text.h"
#include "common/core/clock.h"
#include "common/core/crash.h"
#include "common/model/plan.h"

/* How far an earlier try of this rollout has come. */
static const char task_make_look_sql[] =
    "SELECT coalesce(version, ''), coalesce(repeatables, 0) FROM skein.tenant"
    " WHERE tenant = $1 AND set_name = $2 AND rollout = $3";
static const char task_make_label_sql[] =
    "INSERT INTO skein.label (tenant, key, value)"
    " SELECT $1, u.key, u.value FROM unnest($2::text[], $3::text[]) AS u(key, value)"
    " ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value";

/* Whether its scripts fit one transaction. */
static bool task_make_is_simple(const struct executor_task *task)
{
    const struct plan_start start = { .from = "", .baseline = "" };
    struct plan plan;

    plan_make(prepared_set_model(task->set), &start, task->target, &plan);
    return plan.code != TASK_CODE_NONE || step_plan_is_simple(task->set, &plan);
}

bool task_make_is(const struct executor_options *options, const struct executor_task *task)
{
    switch (task->mode) {
    case TASK_CREATE:
        return options->database_mode || task->source[0] != '\0' || !task_make_is_simple(task);
    case TASK_DROP:
        return options->database_mode;
    case TASK_SETTLE:
        return task->kind == ROLLOUT_CREATE ||
               (task->kind == ROLLOUT_DROP && options->database_mode);
    case TASK_DRY_RUN:
    case TASK_RUN:
    case TASK_BASELINE:
    case TASK_ROLLBACK_DRY_RUN:
    case TASK_ROLLBACK:
    case TASK_MODE_COUNT:
        break;
    }
    return false;
}

static bool task_make_is_cancelled(const struct task_make *m)
{
    return executor_queue_is_cancelled(m->context->queue, m->context->worker);
}

static bool task_make_look(struct task_make *m, const char **ret_version, uint64_t *ret_repeatables)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    enum make_end end = make_side_ask(&m->tenant, task_make_look_sql, m->parameters, 3, &rows);
    bool known = end == MAKE_DONE && pg_result_row_count(rows) == 1;

    *ret_version = known ? arena_strdup(&m->task->arena, pg_result_text(rows, 0, 0)) : "";
    *ret_repeatables = known ? pg_result_u64(rows, 0, 1) : 0;
    return end == MAKE_DONE;
}

static bool task_make_label(struct task_make *m)
{
    struct task_text_labels labels = { 0 };

    task_text_labels(&m->task->arena, &m->task->labels, &labels);
    const char *parameters[] = { m->task->tenant, labels.keys, labels.values };
    return m->task->labels.count == 0 || make_side_ask(&m->tenant, task_make_label_sql, parameters,
                                                       COUNT_OF(parameters), NULL) == MAKE_DONE;
}

/* As any tenant is migrated, from where it is. */
static bool task_make_migrate(struct task_make *m, const char *version, uint64_t repeatables)
{
    const struct plan_start start = { .from = version, .baseline = "", .repeatables = repeatables };
    struct task_result *migrated = NULL;
    struct plan plan;

    m->task->from = version;
    m->task->repeatables = repeatables;
    plan_make(prepared_set_model(m->task->set), &start, m->task->target, &plan);
    if (plan.code == TASK_CODE_UP_TO_DATE) {
        task_answer_succeed(m->result, m->task, 0);
        return true;
    }
    bool to_barrier = task_run(m->context, m->turn, &migrated);
    (void)to_barrier; /* it never is: nothing is shown before it is durable */
    *m->result = *migrated;
    return m->result->outcome == TASK_SUCCEEDED;
}

/* True: all that is to be in it is. */
static bool task_make_fill(struct task_make *m)
{
    const char *version = "";
    uint64_t repeatables = 0;

    if (!task_make_look(m, &version, &repeatables)) {
        return false;
    }
    if (m->task->source[0] != '\0' && version[0] == '\0') {
        const struct make_copy copy = { .tenant = &m->tenant, .source = m->task->source };

        if (!make_copy_run(&copy) || !task_make_look(m, &version, &repeatables)) {
            return false;
        }
        crash_point("make_copied");
    }
    bool labelled = task_make_label(m);
    make_side_close(&m->tenant);
    if (!labelled) {
        return false;
    }
    if (task_make_is_cancelled(m)) {
        make_side_fail(&m->tenant, TASK_CODE_CANCELLED, "cancelled before its scripts began");
        return false;
    }
    return task_make_migrate(m, version, repeatables);
}

/* The first step of a new tenant; see task_run, which does the same for one transaction. */
static bool task_make_register(struct task_make *m, bool *ret_registered)
{
    struct error err = { 0 };

    if (task_life_register(m->context->options, m->task, ret_registered, &err)) {
        return true;
    }
    make_side_fail(&m->home, TASK_CODE_REGISTRY, err.message);
    return false;
}

static void task_make_create(struct task_make *m)
{
    bool registered = false;

    if (!make_begin_check(m) || !make_begin_may(m) || !task_make_register(m, &registered)) {
        return;
    }
    if (make_begin_run(m)) {
        make_end_finish(m, task_make_fill(m));
    } else if (m->already) {
        task_answer_succeed(m->result, m->task, 0);
    } else if (m->begun && !make_end_is_left(m)) {
        make_end_remove(m);
    }
    if (registered && m->result->outcome != TASK_SUCCEEDED && !make_end_is_left(m)) {
        task_life_unregister(m->context->options, m->task, m->result);
    }
}

void task_make_run(struct task_context *context, const struct executor_turn *turn,
                   struct task_result **ret_result)
{
    struct executor_task *task = turn->task;
    bool databases = context->options->database_mode;
    uint64_t started_us = clock_monotonic_us();
    struct task_make m = {
        .context = context,
        .turn = turn,
        .task = task,
        .result = task_answer_new(task),
        .parameters = { task->tenant, prepared_set_model(task->set)->name, task->rollout,
                        arena_printf(&task->arena, "%" PRIu64, task->token),
                        databases ? "" : task->tenant },
    };

    m.home = (struct make_side){
        .context = context, .task = task, .result = m.result, .database = "", .guarded = databases
    };
    m.tenant = (struct make_side){ .context = context,
                                   .task = task,
                                   .result = m.result,
                                   .database = databases ? task->tenant : "" };
    task->staged = true;
    if (task->mode == TASK_CREATE) {
        task->from = ""; /* an earlier try may have found more */
        task->repeatables = 0;
        task_make_create(&m);
    } else if (task->mode == TASK_DROP) {
        make_drop_run(&m);
    } else {
        make_drop_settle(&m);
    }
    make_side_close(&m.tenant);
    make_side_close(&m.home);
    m.result->duration_us = clock_monotonic_us() - started_us;
    *ret_result = m.result;
}
