#include "agent/run/task_piece.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/step_order.h"
#include "agent/run/task_ledger.h"
#include "agent/run/task_looks.h"
#include "agent/run/task_opening.h"
#include "agent/run/unwind_words.h"

#define TASK_OPENING                                                                               \
    ", skein.step_begin($5, $6, $7, $8::bigint, $9),"                                              \
    " set_config('skein.m1', clock_timestamp()::text, true)"
static const char task_piece_begin_sql[] = "SELECT " TASK_SETTINGS TASK_OPENING;
static const char task_piece_begin_14_sql[] = "SELECT " TASK_SETTINGS TASK_SETTINGS_14 TASK_OPENING;

enum { TASK_PIECE_BEGIN_COUNT = TASK_SETTING_COUNT + 5 };

/* The first words of one of a walk's transactions. */
static void task_piece_begin(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;
    const char **p = arena_alloc_array(&b->arena, TASK_PIECE_BEGIN_COUNT, sizeof(*p));

    memcpy(p, b->settings, sizeof(b->settings));
    p[4] = task->tenant;
    p[5] = prepared_set_model(task->set)->name;
    p[6] = b->order->step->from;
    p[7] = arena_printf(&b->arena, "%" PRIu64, task->token);
    p[8] = b->order->options->database_mode ? "" : task->tenant;
    task_batch_add_step(b, TASK_STEP_BEGIN, "BEGIN ISOLATION LEVEL READ COMMITTED");
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN },
                   pg_conn_server_version(b->conn) >= 140000 ? task_piece_begin_14_sql
                                                             : task_piece_begin_sql,
                   p, TASK_PIECE_BEGIN_COUNT);
    task_batch_cut(b, "after_begin");
}

/* The operations of one step; each migration in it has a time of its own. */
static void task_piece_scripts(struct task_batch *b)
{
    const struct step_order *step = b->order->step;
    bool works = step->count > 0;
    size_t migrations = 1;

    size_t first = 0;
    size_t completed = 0;

    step_order_completes(b->order->task, step, &first, &completed);
    if (completed > 0 && !step->down) {
        task_ledger_check(b->order->task, first, completed, step->from[0] == '\0', &b->arena,
                          task_batch_add_ledger, b);
    }
    if (works) {
        task_looks_bound(b);
    }
    for (size_t i = 0; i < step->count; i++) {
        const struct step_operation *operation = &step->operations[i];

        if (i > 0 && operation->migration != step->operations[i - 1].migration) {
            migrations++;
            task_batch_add_mark(b, migrations);
        }
        task_batch_add_operation(b, operation->prepared, step->down);
    }
    if (step->closes && step->rehearses && b->order->plan->repeatables) {
        task_batch_find_changed(b);
        for (size_t i = 0; i < b->repeats.count; i++) {
            task_batch_add_operation(
                b, prepared_set_repeatable(b->order->task->set, b->repeats.items[i]), false);
        }
    }
    if (step->closes) {
        task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
    }
    if (works || step->closes) {
        task_looks_bound(b);
    }
}

static void task_piece_end(struct task_batch *b)
{
    const struct step_order *step = b->order->step;
    const char **p = arena_alloc_array(&b->arena, STEP_ORDER_PARAMETERS_MAX, sizeof(*p));
    size_t count = 0;
    const char *sql = step_order_end(&b->arena, b->order->options, b->order->task, step, p, &count);

    size_t first = 0;
    size_t completed = 0;

    step_order_completes(b->order->task, step, &first, &completed);
    task_ledger_write(b->order->task, first, completed, &b->arena, task_batch_add_ledger, b);
    task_batch_add(b, (struct task_tag){ .step = TASK_STEP_END }, sql, p, count);
}

/* Operations that are undone, each with what the journal has to know of it. */
static void task_piece_unwind(struct task_batch *b)
{
    const struct step_order *step = b->order->step;
    const struct executor_task *task = b->order->task;
    const struct set *set = prepared_set_model(task->set);
    const struct unwind_speaker speaker = { &b->arena, b->order->options, task };
    const struct task_tag tag = { .step = TASK_STEP_END };

    for (size_t i = 0; i < step->count; i++) {
        const struct unwind_operation *operation = &step->unwind[i];

        if (operation->opens && !step->rehearses) {
            const struct task_words *open = unwind_words_open(&speaker, operation);

            task_batch_add(b, tag, open->sql, open->parameters, open->count);
        }
        if (operation->opens) {
            task_ledger_undo(task, (size_t)(operation->migration - set->migrations), 1, &b->arena,
                             task_batch_add_ledger, b);
        }
        if (!operation->nothing) {
            task_batch_add_operation(b, operation->prepared, true);
        }
        if (!step->rehearses) {
            const struct task_words *end = unwind_words_end(&speaker, operation, NULL);

            task_batch_add(b, tag, end->sql, end->parameters, end->count);
        }
    }
    task_batch_add_step(b, TASK_STEP_END, "SET CONSTRAINTS ALL IMMEDIATE");
}

void task_piece_add(struct task_batch *b)
{
    const struct step_order *step = b->order->step;

    if (step->unwind != NULL) {
        if (step->opens) {
            task_piece_begin(b);
        }
        if (!task_batch_is_broken(b)) {
            task_piece_unwind(b);
        }
        if (!task_batch_is_broken(b) && step->closes) {
            task_batch_cut(b, "before_commit");
        }
        return;
    }
    if (step->opens && step->rehearses) {
        task_opening_add(b);
    } else if (step->opens) {
        task_piece_begin(b);
    }
    if (!task_batch_is_broken(b)) {
        task_piece_scripts(b);
    }
    if (!task_batch_is_broken(b) && step->closes && !step->rehearses) {
        task_piece_end(b);
        task_batch_cut(b, "before_commit");
    }
}

uint64_t task_piece_patience_ms(const struct task_order *order)
{
    const struct set *set = prepared_set_model(order->task->set);
    uint64_t longest = executor_task_statement_ms(order->task, order->options);

    if (longest == 0) {
        return 0;
    }
    for (size_t i = 0; order->step != NULL && order->step->unwind != NULL && i < order->step->count;
         i++) {
        uint64_t own =
            order->step->unwind[i].prepared->operation->down_settings.statement_timeout_ms;

        longest = own > longest ? own : longest;
    }
    if (order->step != NULL && order->step->down) {
        uint64_t own =
            order->step->operations[0].prepared->operation->down_settings.statement_timeout_ms;

        longest = own > longest ? own : longest;
    }
    for (size_t i = 0; order->undo != NULL && i < order->undo->count; i++) {
        const struct migration *migration = &set->migrations[order->undo->migrations[i]];
        for (size_t o = 0; o < migration->operation_count; o++) {
            uint64_t own = migration->operations[o].down_settings.statement_timeout_ms;

            longest = own > longest ? own : longest;
        }
    }
    for (size_t m = order->plan->first; m < order->plan->first + order->plan->count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            uint64_t own = set->migrations[m].operations[o].settings.statement_timeout_ms;

            longest = own > longest ? own : longest;
        }
    }
    for (size_t i = 0; order->plan->repeatables && i < set->repeatable_count; i++) {
        uint64_t own = set->repeatables[i].operations[0].settings.statement_timeout_ms;

        longest = own > longest ? own : longest;
    }
    for (int h = SET_HOOK_BEFORE_TENANT; h <= SET_HOOK_AFTER_TENANT; h++) {
        const struct migration *hook = set->hooks[h];
        uint64_t own = hook == NULL ? 0 : hook->operations[0].settings.statement_timeout_ms;

        longest = own > longest ? own : longest;
    }
    return longest + PG_STATEMENT_MARGIN_MS;
}
