#include "agent/run/batch_chunk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/run/runner_step.h"
#include "common/core/crash.h"
#include "common/core/memory.h"

enum batch_step {
    BATCH_STEP_BEGIN,
    BATCH_STEP_WORK,
    BATCH_STEP_END,
    BATCH_STEP_COMMIT,
};

/* Values have to come back from their text as what they were, whatever the database's defaults.
 * And what the planner cannot know of a chunk: its rows lie together, so that looking them up by an
 * index costs little; and they lie far behind the table's beginning, where a merge join would start
 * to read, each time from there. */
static const char batch_settings_sql[] =
    "SELECT pg_catalog.set_config('datestyle', 'ISO', true),"
    " pg_catalog.set_config('intervalstyle', 'postgres', true),"
    " pg_catalog.set_config('extra_float_digits', '1', true),"
    " pg_catalog.set_config('bytea_output', 'hex', true),"
    " pg_catalog.set_config('random_page_cost', '1.1', true),"
    " pg_catalog.set_config('enable_mergejoin', 'off', true)";

/* What the work's statement has beside the author's: parameters follow those of the chunk. */
enum { BATCH_STORED_COUNT = 7 };

void batch_position_release(struct batch_position *position)
{
    for (size_t i = 0; i < BATCH_KEY_COLUMNS_MAX; i++) {
        memory_free(&position->key[i]);
    }
    *position = (struct batch_position){ 0 };
}

void batch_text_release(struct batch_text *text)
{
    buf_release(&text->first);
    buf_release(&text->next);
    buf_release(&text->end);
}

/* skein.operation keeps the way back apart from the way there. */
static const char *batch_chunk_column(bool down)
{
    return down ? "undone" : "position";
}

/* A table of the WITH that changes data is always performed, once, on the statement's snapshot: the
 * position is that of the very chunk that the work saw. */
static void batch_text_put_stored(const struct batch_script *script, bool down, bool first,
                                  struct buf *text)
{
    const char *column = batch_chunk_column(down);
    size_t p = 1 + (first ? 0 : script->column_count);

    buf_printf(text,
               ",\nskein_stored AS (UPDATE skein.operation AS skein_o SET fence = $%zu,"
               " updated_at = pg_catalog.clock_timestamp(), %s = pg_catalog.jsonb_build_object("
               "'rows', $%zu::bigint + (SELECT pg_catalog.count(*) FROM chunk),"
               " 'chunks', $%zu::bigint, 'size', $1::bigint,"
               " 'key', coalesce((SELECT pg_catalog.jsonb_build_array(",
               p + 1, column, p + 2, p + 3);
    for (size_t i = 0; i < script->column_count; i++) {
        buf_printf(text, "%s%s::text", i > 0 ? ", " : "", script->columns[i]);
    }
    buf_puts(text, ") FROM chunk ORDER BY ");
    for (size_t i = 0; i < script->column_count; i++) {
        buf_printf(text, "%s%s DESC", i > 0 ? ", " : "", script->columns[i]);
    }
    buf_printf(text,
               " LIMIT 1), %s%s)) WHERE skein_o.tenant = $%zu AND skein_o.set_name = $%zu"
               " AND skein_o.script = $%zu AND skein_o.operation = $%zu"
               " AND skein_o.direction = '%s' AND skein_o.state = 'started')",
               first ? "'null'" : column, first ? "" : "->'key'", p + 4, p + 5, p + 6, p + 7,
               down ? "down" : "up");
}

void batch_text_init(struct batch_text *text, const struct batch_script *script, bool down)
{
    size_t most = 2 * (size_t)SCRIPT_BYTES_MAX;
    CLEANUP(buf_release) struct buf first = { .size_max = most };
    CLEANUP(buf_release) struct buf next = { .size_max = most };

    *text = (struct batch_text){ .first = { .size_max = most },
                                 .next = { .size_max = most },
                                 .end = { .size_max = most } };
    batch_text_put_stored(script, down, true, &first);
    batch_script_put(script, true, buf_text(&first), &text->first);
    batch_text_put_stored(script, down, false, &next);
    batch_script_put(script, false, buf_text(&next), &text->next);
    buf_puts(&text->end, "SELECT out_keys, out_waiting, out_behind, out_wal");
    for (size_t i = 0; i < script->column_count; i++) {
        buf_printf(&text->end, ", out_key->>%zu", i);
    }
    buf_puts(&text->end, " FROM skein.batch_end($1, $2, $3, $4, $5::bigint, $6)");
}

/* ---- the position ---- */

static void batch_chunk_name(const struct runner_call *call, const char *ret_names[4])
{
    ret_names[0] = call->task->tenant;
    ret_names[1] = prepared_set_model(call->task->set)->name;
    ret_names[2] = call->migration->script;
    ret_names[3] = call->operation->operation->stem;
}

static void batch_chunk_take_key(const struct batch_script *script, const struct pg_result *rows,
                                 size_t first_column, struct batch_position *position)
{
    for (size_t i = 0; i < script->column_count; i++) {
        memory_free(&position->key[i]);
        position->key[i] = memory_strdup(pg_result_text(rows, 0, first_column + i));
    }
}

bool batch_chunk_load(const struct runner_call *call, const struct batch_script *script,
                      struct batch_position *ret_position, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    CLEANUP(buf_release) struct buf sql = { .size_max = 4096 };
    const char *column = batch_chunk_column(call->down);
    const char *parameters[4];
    struct pg_error pg_error = { 0 };
    struct error err = { 0 };

    *ret_position = (struct batch_position){ 0 };
    buf_printf(&sql, "SELECT %s->>'rows', %s->>'chunks', %s->>'size'", column, column, column);
    for (size_t i = 0; i < script->column_count; i++) {
        buf_printf(&sql, ", %s->'key'->>%zu", column, i);
    }
    buf_puts(&sql, " FROM skein.operation WHERE tenant = $1 AND set_name = $2 AND script = $3"
                   " AND operation = $4");
    batch_chunk_name(call, parameters);
    if (!pg_query(call->conn, buf_text(&sql), parameters, COUNT_OF(parameters), &rows, &pg_error,
                  &err)) {
        return runner_fail_pg(call, &pg_error, report);
    }
    if (pg_result_row_count(rows) == 1) {
        ret_position->rows = pg_result_u64(rows, 0, 0);
        ret_position->chunks = pg_result_u64(rows, 0, 1);
        ret_position->size = pg_result_u64(rows, 0, 2);
        batch_chunk_take_key(script, rows, 3, ret_position);
    }
    return true;
}

/* ---- one chunk ---- */

struct batch_chunk {
    const struct runner_call *call;
    const struct batch_script *script;
    const struct batch_text *text;
    struct batch_position *position;
    struct batch_chunk_answer *answer;
    struct runner_report *report;
    struct arena arena; /* parameters of the statements */
    bool splits;        /* a crash point stands inside: separate round trips */
    bool committed;
    struct batch_position next; /* its key: where we are once COMMIT is answered */
};

static const char *batch_chunk_number(struct batch_chunk *c, uint64_t value)
{
    return arena_printf(&c->arena, "%" PRIu64, value);
}

static void batch_chunk_add_work(struct batch_chunk *c, uint64_t rows)
{
    const struct batch_position *position = c->position;
    bool first = position->key[0] == NULL;
    size_t columns = first ? 0 : c->script->column_count;
    const char **p = arena_alloc_array(&c->arena, 1 + columns + BATCH_STORED_COUNT, sizeof(*p));

    p[0] = batch_chunk_number(c, rows);
    for (size_t i = 0; i < columns; i++) {
        p[1 + i] = position->key[i];
    }
    p[1 + columns] = batch_chunk_number(c, c->call->task->token);
    p[2 + columns] = batch_chunk_number(c, position->rows);
    p[3 + columns] = batch_chunk_number(c, position->chunks + 1);
    batch_chunk_name(c->call, &p[4 + columns]);
    pg_batch_add(c->call->batch, batch_settings_sql, NULL, 0, BATCH_STEP_BEGIN);
    pg_batch_add(c->call->batch, buf_text(first ? &c->text->first : &c->text->next), p,
                 1 + columns + BATCH_STORED_COUNT, BATCH_STEP_WORK);
}

static void batch_chunk_add_end(struct batch_chunk *c, const char *mark)
{
    const char **p = arena_alloc_array(&c->arena, 6, sizeof(*p));

    batch_chunk_name(c->call, p);
    p[4] = batch_chunk_number(c, c->position->chunks + 1);
    p[5] = mark;
    pg_batch_add(c->call->batch, buf_text(&c->text->end), p, 6, BATCH_STEP_END);
}

static void batch_chunk_absorb_end(struct batch_chunk *c, const struct pg_result *rows)
{
    struct batch_chunk_answer *answer = c->answer;

    answer->keys = pg_result_u64(rows, 0, 0) - c->position->rows;
    answer->waiting = pg_result_bool(rows, 0, 1);
    (void)snprintf(answer->behind, sizeof(answer->behind), "%s", pg_result_text(rows, 0, 2));
    (void)snprintf(answer->wal, sizeof(answer->wal), "%s", pg_result_text(rows, 0, 3));
    batch_chunk_take_key(c->script, rows, 4, &c->next);
}

/* Sends what was added and reads the answers. */
static void batch_chunk_send(struct batch_chunk *c)
{
    struct batch_chunk_answer *answer = c->answer;
    const struct pg_batch_report *answers = NULL;

    pg_batch_run(c->call->batch, &answers);
    if (answers->failed && !answer->failed) {
        answer->failed = true;
        answer->in_work = answers->items[answers->failed_index].tag == BATCH_STEP_WORK;
        answer->error = answers->error;
    } else if (answers->lost && !answer->failed) {
        answer->error = answers->error;
    }
    answer->lost = answer->lost || answers->lost;
    for (size_t i = 0; i < answers->count; i++) {
        const struct pg_batch_item *item = &answers->items[i];

        if (item->step == PG_STEP_DONE && item->tag == BATCH_STEP_END) {
            batch_chunk_absorb_end(c, item->result);
        } else if (item->step == PG_STEP_DONE && item->tag == BATCH_STEP_COMMIT) {
            c->committed = strcmp(pg_result_tag(item->result), "COMMIT") == 0;
        }
    }
    for (size_t i = 0; i < answers->warning_count; i++) {
        const struct pg_warning *warning = &answers->warnings[i];

        if (warning->index < answers->count &&
            answers->items[warning->index].tag == BATCH_STEP_WORK) {
            runner_warn(c->call, c->report, TASK_CODE_SQL, "%s", warning->message);
        }
    }
}

/* A point in the middle of the transaction at which a test build may die. */
static void batch_chunk_cut(struct batch_chunk *c, const char *name)
{
    if (c->splits && !c->answer->failed && !c->answer->lost) {
        batch_chunk_send(c);
        crash_point(name);
    }
}

bool batch_chunk_run(const struct runner_call *call, const struct batch_script *script,
                     const struct batch_text *text, uint64_t rows, const char *mark,
                     struct batch_position *position, struct batch_chunk_answer *ret_answer,
                     struct runner_report *report)
{
    struct batch_chunk c = { .call = call,
                             .script = script,
                             .text = text,
                             .position = position,
                             .answer = ret_answer,
                             .report = report,
                             .splits = crash_is_wanted("batch_begun") ||
                                       crash_is_wanted("batch_worked") ||
                                       crash_is_wanted("batch_stored") };

    *ret_answer = (struct batch_chunk_answer){ 0 };
    crash_point("batch_before_chunk");
    runner_step_add_begin(call, &c.arena, call->batch, BATCH_STEP_BEGIN);
    batch_chunk_cut(&c, "batch_begun");
    batch_chunk_add_work(&c, rows);
    batch_chunk_cut(&c, "batch_worked");
    batch_chunk_add_end(&c, mark);
    batch_chunk_cut(&c, "batch_stored");
    pg_batch_end_segment(call->batch);
    runner_step_add_commit(call->batch, BATCH_STEP_COMMIT);
    if (!ret_answer->lost) {
        batch_chunk_send(&c);
    }
    arena_release(&c.arena);
    bool done = c.committed && !ret_answer->failed;
    if (done) {
        crash_point("batch_committed");
        c.next.rows = position->rows + ret_answer->keys;
        c.next.chunks = position->chunks + 1;
        c.next.size = rows;
        batch_position_release(position);
        *position = TAKE(c.next);
    }
    batch_position_release(&c.next);
    return done;
}

bool batch_chunk_fail(const struct runner_call *call, const struct batch_script *script,
                      const struct batch_text *text, const struct batch_position *position,
                      const struct batch_chunk_answer *answer, struct runner_report *report)
{
    const struct buf *sent = position->key[0] == NULL ? &text->first : &text->next;
    const struct sql_statement *work = batch_script_work(script);
    const struct sql_statement *statement = NULL;
    uint32_t line = 0;

    (void)runner_fail_pg(call, &answer->error, report);
    if (answer->in_work) {
        bool found =
            batch_script_locate(script, buf_text(sent), answer->error.position, &statement, &line);

        report->problem.statement = found ? statement->number : work->number;
        report->problem.line = found ? line : work->line;
    }
    return false;
}
