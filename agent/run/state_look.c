#include "agent/run/state_look.h"

#include <inttypes.h>
#include <string.h>

#include "agent/run/task_text.h"

/* The unique indexes of the table $1 that keep one row for the column $2, or for $2 and $3. */
static const char state_look_unique_sql[] =
    "SELECT bool_or(u.columns = ARRAY[$2::text]), bool_or(u.columns = ARRAY[least($2::text COLLATE"
    " \"C\", $3::text COLLATE \"C\"), greatest($2::text COLLATE \"C\", $3::text COLLATE \"C\")])"
    " FROM (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") AS columns"
    " FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS"
    " k(number, place) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid"
    " AND a.attnum = k.number WHERE i.indrelid = $1::text::regclass AND i.indisunique"
    " AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL"
    " AND k.place <= i.indnkeyatts GROUP BY i.indexrelid) AS u";
/* Whether an index of the table $1 begins with the column $2. */
static const char state_look_index_sql[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = $1::text::regclass"
    " AND a.attname = $2 AND i.indisvalid AND i.indpred IS NULL)";
static const char state_look_function_sql[] =
    "SELECT p.prorettype = 'pg_catalog.jsonb'::regtype FROM pg_catalog.pg_proc p"
    " WHERE p.oid = to_regprocedure($1)";

static bool state_look_query(const struct state_link *link, const struct runner_call *call,
                             const char *what, const char *sql, const char *const *parameters,
                             size_t count, struct pg_result **ret_rows,
                             struct runner_report *report)
{
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (pg_query(state_link_conn(link, call), sql, parameters, count, ret_rows, &words, &err)) {
        return true;
    }
    (void)state_link_fail(call, link, &words, report);
    report->problem.message = arena_printf(call->arena, "%s: %s", what, report->problem.message);
    return false;
}

/* ---- the connections ---- */

bool state_view_open(struct state_view *view, const struct runner_call *call,
                     const struct state_sql *sql, struct runner_report *report)
{
    *view = (struct state_view){ 0 };
    const struct {
        const char *database;
        struct state_link *link;
    } links[] = {
        { sql->find_database, &view->find },
        { sql->events_database, &view->events },
        { sql->snapshots_database, &view->snapshots },
        { sql->registry_database, &view->registry },
    };

    for (size_t i = 0; i < COUNT_OF(links); i++) {
        if (links[i].database[0] != '\0' &&
            !state_link_open(call, links[i].database, true, links[i].link, report)) {
            return false;
        }
    }
    return true;
}

void state_view_close(struct state_view *view)
{
    state_link_release(&view->find);
    state_link_release(&view->events);
    state_link_release(&view->snapshots);
    state_link_release(&view->registry);
}

/* ---- what there has to be ---- */

static bool state_look_function(const struct runner_call *call, const char *name,
                                const char *arguments, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct state_link here = { 0 };
    const char *signature = arena_printf(call->arena, "%s(%s)", name, arguments);
    const char *const parameters[] = { signature };

    if (!state_look_query(&here, call, "functions", state_look_function_sql, parameters, 1, &rows,
                          report)) {
        return false;
    }
    if (pg_result_row_count(rows) == 0) {
        return runner_fail(call, report, TASK_CODE_RUNNER,
                           "there is no function %s in the tenant's database", signature);
    }
    return pg_result_bool(rows, 0, 0) ||
           runner_fail(call, report, TASK_CODE_RUNNER,
                       "the function %s does not return what it has to: jsonb", signature);
}

static bool state_look_functions(const struct runner_call *call, const struct state_sql *sql,
                                 struct runner_report *report)
{
    const struct set_state *set = sql->set;
    const char *tenant = call->task->tenant;

    return (set->fold[0] == '\0' ||
            state_look_function(call, state_sql_quote(set->fold, tenant, call->arena),
                                "jsonb, text, jsonb", report)) &&
           (set->migrate[0] == '\0' ||
            state_look_function(call, state_sql_quote(set->migrate, tenant, call->arena), "jsonb",
                                report));
}

static bool state_look_unique(const struct state_view *view, const struct runner_call *call,
                              const struct state_sql *sql, bool *ret_by_stream,
                              struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct set_state_snapshots *names = &sql->set->snapshots;
    const char *const parameters[] = { sql->snapshots_table, names->stream, names->sequence };

    if (!state_look_query(&view->snapshots, call, "snapshots", state_look_unique_sql, parameters,
                          COUNT_OF(parameters), &rows, report)) {
        return false;
    }
    *ret_by_stream = pg_result_bool(rows, 0, 0);
    return *ret_by_stream || pg_result_bool(rows, 0, 1) ||
           runner_fail(call, report, TASK_CODE_RUNNER,
                       "no unique index of %s is on (%s, %s), or on %s alone: without one a "
                       "snapshot that is written again would be there twice",
                       sql->snapshots_table, names->stream, names->sequence, names->stream);
}

static bool state_look_index(const struct state_link *link, const struct runner_call *call,
                             const char *table, const char *stream, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { table, stream };

    if (!state_look_query(link, call, "indexes", state_look_index_sql, parameters,
                          COUNT_OF(parameters), &rows, report)) {
        return false;
    }
    if (!pg_result_bool(rows, 0, 0)) {
        runner_warn(call, report, TASK_CODE_RUNNER,
                    "no index of %s begins with %s: all of the table is read for each stream",
                    table, stream);
    }
    return true;
}

/* The tables with their columns, of which nothing is read. */
static bool state_look_tables(const struct state_view *view, const struct runner_call *call,
                              const struct state_sql *sql, struct runner_report *report)
{
    const struct {
        const char *what;
        const struct state_link *link;
        const char *sql;
    } tables[] = {
        { "events", &view->events, sql->look_events },
        { "snapshots", &view->snapshots, sql->look_snapshots },
        { "registry", &view->registry, sql->look_registry },
    };

    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        CLEANUP(pg_result_free) struct pg_result *rows = NULL;

        if (tables[i].sql != NULL && !state_look_query(tables[i].link, call, tables[i].what,
                                                       tables[i].sql, NULL, 0, &rows, report)) {
            return false;
        }
    }
    return true;
}

bool state_look(const struct state_view *view, const struct runner_call *call,
                const struct state_sql *sql, bool *ret_by_stream, struct runner_report *report)
{
    return (!sql->moves || !set_state_overlap(sql->prefix, sql->to) ||
            runner_fail(call, report, TASK_CODE_RUNNER,
                        "for this tenant the prefix is '%s' and to is '%s': neither may begin with "
                        "the other",
                        sql->prefix, sql->to)) &&
           state_look_tables(view, call, sql, report) && state_look_functions(call, sql, report) &&
           state_look_unique(view, call, sql, ret_by_stream, report) &&
           state_look_index(&view->events, call, sql->events_table, sql->set->events.stream,
                            report);
}

static bool state_look_none(const struct state_link *link, const struct runner_call *call,
                            const char *table, const char *stream, const char *to,
                            struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *sql = arena_printf(call->arena,
                                   "SELECT t.%s::text FROM %s AS t WHERE starts_with(t.%s::text,"
                                   " $1) LIMIT 1",
                                   task_text_identifier(call->arena, stream), table,
                                   task_text_identifier(call->arena, stream));

    if (!state_look_query(link, call, table, sql, &to, 1, &rows, report)) {
        return false;
    }
    return pg_result_row_count(rows) == 0 ||
           runner_fail(call, report, TASK_CODE_RUNNER,
                       "%s has '%s' already: with rollback: true nothing may have the new prefix "
                       "'%s' yet, because all that has it is removed when it is undone",
                       table, pg_result_text(rows, 0, 0), to);
}

bool state_look_untouched(const struct state_view *view, const struct runner_call *call,
                          const struct state_sql *sql, struct runner_report *report)
{
    const struct set_state *set = sql->set;

    return state_look_none(&view->snapshots, call, sql->snapshots_table, set->snapshots.stream,
                           sql->to, report) &&
           (sql->registry_table[0] == '\0' ||
            state_look_none(&view->registry, call, sql->registry_table, set->registry.stream,
                            sql->to, report));
}

/* ---- the streams ---- */

bool state_look_count(const struct state_view *view, const struct runner_call *call,
                      const struct state_sql *sql, uint64_t *ret_count,
                      struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;

    if (!state_look_query(&view->find, call, "streams", sql->count, &sql->prefix, 1, &rows,
                          report)) {
        return false;
    }
    *ret_count = pg_result_u64(rows, 0, 0);
    return true;
}

bool state_look_page(const struct state_view *view, const struct runner_call *call,
                     const struct state_sql *sql, const char *after, size_t most,
                     struct arena *arena, const char ***ret_streams, bool **ret_wanted,
                     size_t *ret_count, struct runner_report *report)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { sql->prefix, after, arena_printf(arena, "%zu", most) };
    bool by_kind = sql->set->registry.kind[0] != '\0';

    if (!state_look_query(&view->find, call, "streams", sql->find, parameters, COUNT_OF(parameters),
                          &rows, report)) {
        return false;
    }
    *ret_count = pg_result_row_count(rows);
    *ret_streams = arena_alloc_array(arena, *ret_count, sizeof(**ret_streams));
    *ret_wanted = arena_alloc_array(arena, *ret_count, sizeof(**ret_wanted));
    for (size_t i = 0; i < *ret_count; i++) {
        const char *kind = pg_result_text(rows, i, 1);

        (*ret_streams)[i] = arena_strdup(arena, pg_result_text(rows, i, 0));
        (*ret_wanted)[i] = !by_kind || (kind != NULL && strcmp(kind, sql->set->kind) == 0);
    }
    return true;
}
