#include "agent/run/task_looks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/task_sizes.h"
#include "common/core/limits.h"

enum { TASK_LOOKS_DIGITS = 6 }; /* of a second: microseconds */

/* Built-in functions without a cast: the first half of a look is asked for after every statement.
 */
#define TASK_LOOKS_TIME                                                                            \
    "SELECT extract(epoch FROM pg_catalog.clock_timestamp()),"                                     \
    " pg_catalog.pg_current_wal_insert_lsn(), "

static const char task_looks_begin_sql[] = TASK_LOOKS_TIME "skein.measure_begin()";
static const char task_looks_sql[] = TASK_LOOKS_TIME "skein.measure_locks()";
static const char task_looks_light_sql[] = TASK_LOOKS_TIME "NULL";

static bool task_looks_wanted(const struct task_batch *b)
{
    return b->order->log != NULL && !b->order->log->complete;
}

static void task_looks_add(struct task_batch *b, struct task_tag tag, const char *sql)
{
    tag.look = true;
    task_batch_add(b, tag, sql, NULL, 0);
}

void task_looks_fresh(struct task_batch *b)
{
    bool begins = b->order->step == NULL || b->order->step->opens;

    if (b->order->log != NULL && begins && pg_conn_server_version(b->conn) >= 150000) {
        /* In a segment of its own: they are given away when the session is idle. */
        task_batch_add_step(b, TASK_STEP_BEGIN, "SELECT pg_catalog.pg_stat_force_next_flush()");
        pg_batch_end_segment(b->batch);
    }
}

/* Whether the plan has scripts that lint cannot see into, such as a DO block. */
static bool task_looks_is_blind(const struct task_batch *b)
{
    const struct prepared_set *prepared = b->order->task->set;
    const struct plan *plan = b->order->plan;

    for (size_t m = plan->first; m < plan->first + plan->count; m++) {
        const struct migration *migration = &prepared_set_model(prepared)->migrations[m];

        for (size_t o = 0; o < migration->operation_count; o++) {
            if (prepared_set_operation(prepared, m, o)->up.opaque) {
                return true;
            }
        }
    }
    return false;
}

/* Sizes are weighed before a dry run where lint can tell what is rewritten; this is for the rest.
 * It costs some milliseconds, so not everybody pays for it. */
static void task_looks_guard(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;
    uint64_t limit_bytes = task_sizes_limit(b->order->options, task);
    const char **p = arena_alloc_array(&b->arena, 1, sizeof(*p));

    if (limit_bytes != 0 && !task->allow_large && task_looks_is_blind(b)) {
        p[0] = arena_printf(&b->arena, "%" PRIu64, limit_bytes);
        task_batch_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN },
                       "SELECT skein.guard_rewrites($1::bigint)", p, 1);
    }
}

void task_looks_begin(struct task_batch *b)
{
    const struct executor_task *task = b->order->task;

    if (b->order->log != NULL) {
        measure_log_release(b->order->log);
        b->looks = (struct look_group){
            .each = !prepared_set_is_foreseen(task->set) || task->rehearse_rollback ||
                    b->order->step != NULL,
            .fresh = task->from[0] == '\0' && task->baseline[0] == '\0',
        };
        task_looks_add(b, (struct task_tag){ .step = TASK_STEP_BEGIN, .bound = true },
                       task_looks_begin_sql);
        task_looks_guard(b);
    }
}

void task_looks_bound(struct task_batch *b)
{
    if (task_looks_wanted(b)) {
        task_looks_add(b, (struct task_tag){ .step = TASK_STEP_END, .bound = true },
                       task_looks_sql);
    }
}

void task_looks_before(struct task_batch *b, const struct prepared_file *file)
{
    bool looked = file->script.count > 0 && !file->changes_settings;

    if (task_looks_wanted(b) && file->script.count > 0 &&
        look_group_must_end(&b->looks, looked ? file : NULL)) {
        task_looks_add(b, (struct task_tag){ .step = TASK_STEP_END }, task_looks_sql);
    }
}

void task_looks_after(struct task_batch *b, const struct task_tag *statement,
                      const struct prepared_file *file, size_t index)
{
    bool between = index + 1 < file->script.count && look_group_is_insert(statement->statement) &&
                   look_group_is_insert(statement->statement + 1);

    if (task_looks_wanted(b) && !file->changes_settings && !between &&
        b->order->log->asked < MEASURE_LOOKS_MAX) {
        struct look_choice choice = look_group_after(&b->looks, file, index);
        struct task_tag tag = *statement;

        b->order->log->asked++;
        tag.step = TASK_STEP_END;
        tag.foreseen = choice.foreseen;
        task_looks_add(b, tag, choice.locks ? task_looks_sql : task_looks_light_sql);
    }
}

void task_looks_behind(struct task_batch *b, const struct prepared_operation *operation, bool down)
{
    const struct prepared_file *file = down ? &operation->down : &operation->up;
    bool left_out = file->changes_settings ||
                    (b->order->log != NULL && b->order->log->asked >= MEASURE_LOOKS_MAX);

    if (task_looks_wanted(b) && left_out && file->script.count > 0) {
        const struct sql_statement *last = &file->script.statements[file->script.count - 1];

        task_looks_add(
            b,
            (struct task_tag){
                .step = TASK_STEP_END, .operation = operation, .statement = last, .down = down },
            task_looks_sql);
    }
}

void task_looks_end(struct task_batch *b)
{
    task_looks_bound(b);
    if (b->order->log != NULL) {
        b->order->log->complete = true;
    }
}

/* "UPDATE 500", "INSERT 0 3", "SELECT 7": the last word. */
static uint64_t task_looks_rows(const struct pg_result *result)
{
    const char *tag = pg_result_tag(result);
    const char *last = strrchr(tag, ' ');

    return last == NULL ? 0 : strtoull(last, NULL, 10);
}

/* "1795281472.429761" */
static uint64_t task_looks_us(const char *seconds)
{
    char *end = NULL;
    uint64_t us = strtoull(seconds, &end, 10);
    const char *digit = *end == '.' ? end + 1 : end;

    for (size_t i = 0; i < TASK_LOOKS_DIGITS; i++) {
        us = 10 * us + (*digit == '\0' ? 0 : (uint64_t)(*digit - '0'));
        digit += *digit == '\0' ? 0 : 1;
    }
    return us;
}

/* "1A/7FC8A2B0" */
static uint64_t task_looks_wal(const char *lsn)
{
    char *end = NULL;
    uint64_t high = strtoull(lsn, &end, 16);

    return (high << 32) + (*end == '/' ? strtoull(end + 1, NULL, 16) : 0);
}

void task_looks_absorb(struct task_batch *b, const struct pg_batch_report *answers)
{
    struct measure_log *log = b->order->log;

    for (size_t i = 0; log != NULL && i < answers->count; i++) {
        const struct pg_batch_item *item = &answers->items[i];
        const struct task_tag *tag = &b->tags[item->tag];

        if (item->step == PG_STEP_DONE && tag->step == TASK_STEP_SCRIPT) {
            log->rows += task_looks_rows(item->result);
        } else if (item->step == PG_STEP_DONE && tag->look) {
            const char *locks = pg_result_text(item->result, 0, 2);

            measure_log_add(log, &(struct measure_look){
                                     .operation = tag->operation,
                                     .statement = tag->statement,
                                     .down = tag->down,
                                     .light = locks == NULL,
                                     .foreseen = tag->foreseen,
                                     .bound = tag->bound,
                                     .at_us = task_looks_us(pg_result_text(item->result, 0, 0)),
                                     .wal = task_looks_wal(pg_result_text(item->result, 0, 1)),
                                     .rows = log->rows,
                                     .locks = locks == NULL ? "" : locks });
            log->rows = 0;
        }
    }
}
