#include "agent/run/state_write.h"

#include <string.h>

#include "agent/run/state_step.h"
#include "agent/run/task_text.h"
#include "common/core/crash.h"

/* Rows of one statement: as many as have so many bytes, or one. */
enum { STATE_WRITE_BYTES = 8 << 20 };

bool state_writer_renames(const struct state_writer *writer)
{
    return writer->sql->moves && writer->sql->registry_table[0] != '\0';
}

bool state_writer_open(struct state_writer *writer, const struct runner_call *call,
                       const struct state_sql *sql, bool by_stream, bool rehearses,
                       struct runner_report *report)
{
    *writer = (struct state_writer){ .call = call,
                                     .sql = sql,
                                     .insert = state_sql_insert(sql, by_stream, call->arena),
                                     .rehearses = rehearses };

    return (sql->snapshots_database[0] == '\0' ||
            state_link_open(call, sql->snapshots_database, false, &writer->snapshots, report)) &&
           (!state_writer_renames(writer) || sql->registry_database[0] == '\0' ||
            state_link_open(call, sql->registry_database, false, &writer->registry, report));
}

void state_writer_close(struct state_writer *writer)
{
    state_link_release(&writer->snapshots);
    state_link_release(&writer->registry);
}

/* ---- snapshots ---- */

/* Of the results, the ones that are migrated: at most `most` from `*at` on, and not too large. */
static size_t state_write_gather(const struct state_result *results, size_t count, size_t most,
                                 size_t *at, size_t *ret_indexes)
{
    size_t gathered = 0;
    size_t bytes = 0;

    for (; *at < count && gathered < most; ++*at) {
        if (results[*at].outcome != STATE_MIGRATED) {
            continue;
        }
        bytes += strlen(results[*at].text);
        if (gathered > 0 && bytes > STATE_WRITE_BYTES) {
            break;
        }
        ret_indexes[gathered++] = *at;
    }
    return gathered;
}

static enum state_tried state_write_few(struct state_writer *writer, const char *const *streams,
                                        struct state_result *results, const size_t *indexes,
                                        size_t count, struct pg_error *ret_error,
                                        struct runner_report *report)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char **columns[3];

    for (size_t c = 0; c < COUNT_OF(columns); c++) {
        columns[c] = arena_alloc_array(&arena, count, sizeof(*columns[c]));
    }
    for (size_t i = 0; i < count; i++) {
        columns[0][i] = state_sql_target(writer->sql, streams[indexes[i]], &arena);
        columns[1][i] = results[indexes[i]].sequence;
        columns[2][i] = results[indexes[i]].text;
    }
    const char *const parameters[] = { task_text_array(&arena, columns[0], count),
                                       task_text_array(&arena, columns[1], count),
                                       task_text_array(&arena, columns[2], count) };
    return state_step_try(writer->call, &writer->snapshots, writer->insert, parameters,
                          COUNT_OF(parameters), ret_error, report);
}

/* All snapshots, in a transaction that is open. One that is refused is tried alone in the end, and
 * is its stream's error; what is everybody's trouble ends it. */
static bool state_write_snapshots(struct state_writer *writer, const char *const *streams,
                                  struct state_result *results, size_t count, struct arena *arena,
                                  struct runner_report *report)
{
    size_t *indexes = arena_alloc_array(arena, count, sizeof(*indexes));
    size_t most = count;
    size_t at = 0;

    while (at < count) {
        size_t next = at;
        size_t few = state_write_gather(results, count, most, &next, indexes);
        struct pg_error error = { 0 };

        if (few == 0) {
            break;
        }
        enum state_tried tried =
            state_write_few(writer, streams, results, indexes, few, &error, report);
        if (tried == STATE_TRIED_BROKEN) {
            return false;
        }
        if (tried == STATE_TRIED) {
            at = next;
            most = 2 * few;
        } else if (!state_link_is_own(&error)) {
            return state_link_fail(writer->call, &writer->snapshots, &error, report);
        } else if (few > 1) {
            most = few / 2;
        } else {
            results[indexes[0]].outcome = STATE_FAILED;
            results[indexes[0]].text =
                arena_printf(arena, "its snapshot: %s (%s)", error.message, error.sqlstate);
            at = next;
        }
    }
    return true;
}

/* In a transaction of the other database's, which is over before the position is stored. */
static bool state_write_elsewhere(struct state_writer *writer, const char *const *streams,
                                  struct state_result *results, size_t count, struct arena *arena,
                                  struct runner_report *report)
{
    const struct state_link *link = &writer->snapshots;

    if (!state_step_open(writer->call, link, report)) {
        return false;
    }
    if (!state_write_snapshots(writer, streams, results, count, arena, report)) {
        state_step_leave(link);
        return false;
    }
    return state_step_close(writer->call, link, !writer->rehearses, report);
}

/* The position behind the page's last stream. */
static void state_write_count(const struct state_writer *writer, const char *const *streams,
                              const struct state_result *results, size_t count, struct arena *arena,
                              struct state_position *position)
{
    const char **pending = arena_alloc_array(arena, count, sizeof(*pending));
    bool renames = state_writer_renames(writer);

    position->after = streams[count - 1];
    position->pending = pending;
    position->pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        switch (results[i].outcome) {
        case STATE_MIGRATED:
            position->migrated++;
            if (renames) {
                pending[position->pending_count++] = streams[i];
            }
            break;
        case STATE_SKIPPED:
            position->skipped++;
            break;
        case STATE_FAILED:
            state_position_note(position, writer->call->arena, streams[i], results[i].text, false);
            break;
        }
    }
}

bool state_writer_page(struct state_writer *writer, const char *const *streams,
                       struct state_result *results, size_t count, struct arena *arena,
                       struct state_position *position, struct runner_report *report)
{
    bool elsewhere = writer->snapshots.conn != NULL;

    if (elsewhere && !state_write_elsewhere(writer, streams, results, count, arena, report)) {
        return false;
    }
    if (elsewhere) {
        crash_point("state_written_elsewhere");
    }
    if (!writer->rehearses && !state_step_begin(writer->call, report)) {
        return state_step_abort(writer->call, report);
    }
    if (!elsewhere && !state_write_snapshots(writer, streams, results, count, arena, report)) {
        return writer->rehearses ? false : state_step_abort(writer->call, report);
    }
    state_write_count(writer, streams, results, count, arena, position);
    if (writer->rehearses) {
        return true;
    }
    crash_point("state_before_commit");
    if (!state_step_commit(writer->call, position, report)) {
        return state_step_abort(writer->call, report);
    }
    crash_point("state_committed");
    return true;
}
