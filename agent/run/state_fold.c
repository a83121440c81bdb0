#include "agent/run/state_fold.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/run/task_text.h"
#include "common/core/clock.h"

/* Rows of state_sql.read and of skein.state_fold. */
enum { STATE_READ_EVENTS, STATE_READ_LAST, STATE_READ_LARGE, STATE_READ_KIND, STATE_READ_LINE };
enum { STATE_FOLD_SEQUENCE, STATE_FOLD_ANSWER, STATE_FOLD_ERROR };

static const char state_fold_sql[] =
    "SELECT out_sequence, out_answer, out_error FROM skein.state_fold($1::text[], $2::text[], $3,"
    " $4, $5, $6::jsonb, $7, $8::bigint, $9::bigint, $10::bigint, $11::bigint)";

/* Some of the page's streams, from `at` on, on their way. */
struct state_group {
    size_t at;
    size_t count; /* that are looked at */
    size_t *open; /* of those, by index in the page: the ones to be folded */
    size_t open_count;
    const char **lines; /* of each open one: its events; NULL: they lie where they are folded */
    size_t bytes;       /* of the answers */
};

enum state_turn {
    STATE_TURN_WELL,   /* the group's streams have their results, at least the first of them */
    STATE_TURN_OWN,    /* one of them is at fault: `words` */
    STATE_TURN_BROKEN, /* the folder's problem is set */
};

static struct state_result *state_fold_result(struct state_folder *folder, size_t index,
                                              enum state_outcome outcome, const char *text)
{
    folder->results[index] = (struct state_result){ .outcome = outcome, .text = text };
    return &folder->results[index];
}

static enum state_turn state_fold_break(struct state_folder *folder, const struct state_link *link,
                                        const struct pg_error *error)
{
    folder->error = *error;
    if (state_link_is_own(error)) {
        (void)snprintf(folder->words, sizeof(folder->words), "%.400s (%s)", error->message,
                       error->sqlstate);
        return STATE_TURN_OWN;
    }
    folder->problem = STATE_FOLDER_SQL;
    folder->failed_on = link;
    return STATE_TURN_BROKEN;
}

/* On the tenant's database, in a transaction that cannot write; its rows live until the batch is
 * used again. In a rehearsal that is a savepoint's, whose end gives the right to write back. */
static enum state_turn state_fold_query(struct state_folder *folder, const char *sql,
                                        const char *const *parameters, size_t count,
                                        const struct pg_result **ret_rows)
{
    struct pg_batch *batch = state_link_batch(&folder->fold, folder->call);
    const struct pg_batch_report *answers = NULL;

    if (folder->rehearses) {
        pg_batch_add(batch, "SAVEPOINT skein_fold", NULL, 0, 0);
        pg_batch_add(batch, "SET LOCAL transaction_read_only = on", NULL, 0, 0);
    } else {
        pg_batch_add(batch, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", NULL, 0, 0);
    }
    pg_batch_add(batch, sql, parameters, count, 1);
    pg_batch_end_segment(batch);
    pg_batch_add(batch, folder->rehearses ? "ROLLBACK TO SAVEPOINT skein_fold" : "ROLLBACK", NULL,
                 0, 0);
    pg_batch_run(batch, &answers);
    if (answers->failed || answers->lost) {
        return state_fold_break(folder, &folder->fold, &answers->error);
    }
    *ret_rows = answers->items[folder->rehearses ? 2 : 1].result;
    return STATE_TURN_WELL;
}

static const char *state_fold_number(struct state_folder *folder, uint64_t number)
{
    return arena_printf(&folder->arena, "%" PRIu64, number);
}

/* ---- reading ---- */

/* What has been read of a stream: whether it is to be folded. */
static void state_fold_take_read(struct state_folder *folder, struct state_group *group,
                                 const struct pg_result *rows, size_t row)
{
    const struct set_state *set = folder->sql->set;
    size_t index = group->at + row;
    const char *kind = pg_result_text(rows, row, STATE_READ_KIND);
    bool other = set->kind[0] != '\0' && set->registry.kind[0] == '\0' &&
                 (kind == NULL || strcmp(kind, set->kind) != 0);

    if (pg_result_u64(rows, row, STATE_READ_EVENTS) == 0 || other) {
        (void)state_fold_result(folder, index, STATE_SKIPPED, NULL);
    } else if (pg_result_bool(rows, row, STATE_READ_LARGE)) {
        (void)state_fold_result(folder, index, STATE_FAILED,
                                arena_printf(&folder->arena,
                                             "the stream has more than %" PRIu64
                                             " events or %" PRIu64 " bytes",
                                             set->max_events, set->max_bytes));
    } else {
        struct state_result *result = state_fold_result(folder, index, STATE_MIGRATED, NULL);

        result->sequence = arena_strdup(&folder->arena, pg_result_text(rows, row, STATE_READ_LAST));
        group->lines[group->open_count] =
            arena_strdup(&folder->arena, pg_result_text(rows, row, STATE_READ_LINE));
        group->open[group->open_count++] = index;
    }
}

/* Reads the events of as many of the group as fit. */
static enum state_turn state_fold_read(struct state_folder *folder, struct state_group *group)
{
    CLEANUP(pg_result_free) struct pg_result *own = NULL;
    const struct pg_result *rows = NULL;
    const struct set_state *set = folder->sql->set;
    const char *const parameters[] = {
        task_text_array(&folder->arena, folder->streams + group->at, group->count),
        state_fold_number(folder, set->max_events),
        state_fold_number(folder, set->max_bytes),
        state_fold_number(folder, STATE_GROUP_BYTES_MAX),
    };
    struct pg_error error = { 0 };
    struct error err = { 0 };
    enum state_turn turn = STATE_TURN_WELL;

    if (folder->reads.conn == NULL) {
        turn = state_fold_query(folder, folder->sql->read, parameters, COUNT_OF(parameters), &rows);
    } else if (pg_query(folder->reads.conn, folder->sql->read, parameters, COUNT_OF(parameters),
                        &own, &error, &err)) {
        rows = own;
    } else {
        turn = state_fold_break(folder, &folder->reads, &error);
    }
    if (turn != STATE_TURN_WELL) {
        return turn;
    }
    group->count = pg_result_row_count(rows);
    for (size_t row = 0; row < group->count; row++) {
        state_fold_take_read(folder, group, rows, row);
    }
    return STATE_TURN_WELL;
}

/* ---- folding ---- */

static void state_fold_take_folded(struct state_folder *folder, const struct pg_result *rows,
                                   size_t row, size_t index)
{
    const char *answer = pg_result_text(rows, row, STATE_FOLD_ANSWER);
    const char *problem = pg_result_text(rows, row, STATE_FOLD_ERROR);
    const char *sequence = pg_result_text(rows, row, STATE_FOLD_SEQUENCE);
    const char *text = problem != NULL ? problem : answer;
    enum state_outcome outcome = problem != NULL  ? STATE_FAILED
                                 : answer != NULL ? STATE_MIGRATED
                                                  : STATE_SKIPPED;

    state_fold_result(folder, index, outcome, arena_strdup(&folder->arena, text))->sequence =
        arena_strdup(&folder->arena, sequence);
}

/* With SQL functions. The server stops by itself when the answers become too large. */
static enum state_turn state_fold_by_sql(struct state_folder *folder, struct state_group *group)
{
    const struct set_state *set = folder->sql->set;
    const struct pg_result *rows = NULL;
    const char **streams = arena_alloc_array(&folder->arena, group->open_count, sizeof(*streams));
    bool kind_of_events = set->kind[0] != '\0' && set->registry.kind[0] == '\0';

    for (size_t i = 0; i < group->open_count; i++) {
        streams[i] = folder->streams[group->open[i]];
    }
    const char *const parameters[] = {
        task_text_array(&folder->arena, streams, group->open_count),
        task_text_array(&folder->arena, group->lines, group->open_count),
        folder->sql->events,
        folder->sql->fold,
        folder->sql->migrate,
        set->initial,
        kind_of_events ? set->kind : NULL,
        state_fold_number(folder, set->max_events),
        state_fold_number(folder, set->max_bytes),
        state_fold_number(folder, STATE_RESULT_BYTES_MAX),
        state_fold_number(folder, STATE_GROUP_BYTES_MAX),
    };
    enum state_turn turn =
        state_fold_query(folder, state_fold_sql, parameters, COUNT_OF(parameters), &rows);
    if (turn != STATE_TURN_WELL) {
        return turn;
    }
    size_t folded = pg_result_row_count(rows);
    for (size_t row = 0; row < folded; row++) {
        state_fold_take_folded(folder, rows, row, group->open[row]);
    }
    group->count = folded < group->open_count ? group->open[folded] - group->at : group->count;
    return STATE_TURN_WELL;
}

static bool state_fold_may_go_on(void *context, uint64_t *ret_until_ms)
{
    const struct state_folder *folder = context;
    const struct runner_call *call = folder->call;

    *ret_until_ms = call->lease_until == NULL ? UINT64_MAX : call->lease_until(call->context);
    return !atomic_load(folder->stop) && !call->is_cancelled(call->context) &&
           clock_monotonic_ms() < *ret_until_ms && (!folder->first || pg_conn_is_there(call->conn));
}

static enum state_turn state_fold_by_program(struct state_folder *folder, struct state_group *group)
{
    struct state_answer *answers =
        arena_alloc_array(&folder->arena, group->open_count, sizeof(*answers));
    const char **streams = arena_alloc_array(&folder->arena, group->open_count, sizeof(*streams));
    size_t answered = 0;

    for (size_t i = 0; i < group->open_count; i++) {
        streams[i] = folder->streams[group->open[i]];
    }
    const struct state_program_run run = { .program = folder->program,
                                           .may_go_on = state_fold_may_go_on,
                                           .context = folder,
                                           .streams = streams,
                                           .lines = group->lines,
                                           .count = group->open_count,
                                           .arena = &folder->arena };
    enum state_program_end end = state_program_run(&run, answers, &answered, folder->words);
    if (end == STATE_PROGRAM_STOPPED || end == STATE_PROGRAM_ABSENT) {
        folder->problem =
            end == STATE_PROGRAM_STOPPED ? STATE_FOLDER_STOPPED : STATE_FOLDER_PROGRAM;
        return STATE_TURN_BROKEN;
    }
    for (size_t i = 0; i < answered; i++) {
        struct state_result *result = &folder->results[group->open[i]];

        result->outcome = answers[i].outcome;
        result->text = answers[i].text;
    }
    if (end == STATE_PROGRAM_DONE || answered == group->open_count) {
        return STATE_TURN_WELL;
    }
    /* Those before the one that it broke at have their results; that one comes next, alone. */
    group->count = group->open[answered] - group->at;
    return STATE_TURN_OWN;
}

static enum state_turn state_fold_group(struct state_folder *folder, struct state_group *group)
{
    bool reads = folder->program != NULL || folder->sql->events_database[0] != '\0';

    group->open = arena_alloc_array(&folder->arena, group->count, sizeof(*group->open));
    group->lines = arena_alloc_array(&folder->arena, group->count, sizeof(*group->lines));
    if (reads) {
        enum state_turn turn = state_fold_read(folder, group);

        if (turn != STATE_TURN_WELL) {
            group->count = 0;
            return turn;
        }
    } else {
        for (size_t i = 0; i < group->count; i++) {
            group->open[i] = group->at + i;
        }
        group->open_count = group->count;
    }
    if (group->open_count == 0) {
        return STATE_TURN_WELL;
    }
    size_t count = group->count;
    enum state_turn turn = folder->program != NULL ? state_fold_by_program(folder, group)
                                                   : state_fold_by_sql(folder, group);
    if (turn == STATE_TURN_OWN && group->count == count) {
        group->count = 0; /* a statement has failed: nothing of the group is known */
    }
    return turn;
}

/* The bytes of the results from `from` on. */
static size_t state_fold_bytes(const struct state_folder *folder, size_t from)
{
    size_t bytes = 0;

    for (size_t i = from; i < folder->done; i++) {
        bytes += folder->results[i].text == NULL ? 0 : strlen(folder->results[i].text);
    }
    return bytes;
}

void state_folder_run(struct state_folder *folder)
{
    size_t size = folder->count; /* of the next group */
    size_t bytes = 0;

    folder->results = arena_alloc_array(&folder->arena, folder->count, sizeof(*folder->results));
    while (folder->done < folder->count && bytes < STATE_GROUP_BYTES_MAX) {
        size_t left = folder->count - folder->done;
        struct state_group group = { .at = folder->done, .count = size < left ? size : left };
        size_t tried = group.count;

        if (atomic_load(folder->stop)) {
            folder->problem = STATE_FOLDER_STOPPED;
            return;
        }
        enum state_turn turn = state_fold_group(folder, &group);
        if (turn == STATE_TURN_BROKEN) {
            return;
        }
        folder->done += group.count;
        bytes += state_fold_bytes(folder, group.at);
        if (turn == STATE_TURN_WELL) {
            size = 2 * tried;
        } else if (tried == 1) {
            (void)state_fold_result(folder, folder->done, STATE_FAILED,
                                    arena_strdup(&folder->arena, folder->words));
            folder->done++;
        } else {
            size = folder->program != NULL ? 1 : tried / 2;
        }
    }
}

void state_folder_clear(struct state_folder *folder)
{
    arena_release(&folder->arena);
    folder->arena = (struct arena){ 0 };
    folder->streams = NULL;
    folder->results = NULL;
    folder->count = 0;
    folder->done = 0;
    folder->problem = STATE_FOLDER_WELL;
}

void state_folder_cancel(struct state_folder *folder)
{
    if (folder->reads.conn != NULL) {
        pg_conn_cancel(folder->reads.conn);
    }
    if (folder->fold.conn != NULL) {
        pg_conn_cancel(folder->fold.conn);
    }
}
