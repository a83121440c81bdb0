#include "agent/run/state_sql.h"

#include <string.h>

#include "agent/run/task_text.h"

/* The placeholder replaced by the tenant, as often as it stands there. */
static const char *state_sql_expand(const char *text, const char *tenant, struct arena *arena)
{
    static const size_t size = sizeof(SET_STATE_TENANT) - 1;
    const char *at = NULL;
    const char *done = "";

    while ((at = strstr(text, SET_STATE_TENANT)) != NULL) {
        done = arena_printf(arena, "%s%.*s%s", done, (int)(at - text), text, tenant);
        text = at + size;
    }
    return arena_printf(arena, "%s%s", done, text);
}

const char *state_sql_quote(const char *name, const char *tenant, struct arena *arena)
{
    const char *dot = strchr(name, '.');

    /* Cut before the tenant's name is in it, which may hold dots of its own. */
    if (dot != NULL) {
        const char *schema = arena_strndup(arena, name, (size_t)(dot - name));

        return arena_printf(arena, "%s.%s",
                            task_text_identifier(arena, state_sql_expand(schema, tenant, arena)),
                            task_text_identifier(arena, state_sql_expand(dot + 1, tenant, arena)));
    }
    return task_text_identifier(arena, state_sql_expand(name, tenant, arena));
}

/* In the registry the streams stand next to each other. Each may stand there twice. */
static void state_sql_find_in_registry(struct state_sql *sql, struct arena *arena)
{
    const struct set_state_registry *names = &sql->set->registry;
    const char *stream = task_text_identifier(arena, names->stream);
    const char *kind =
        names->kind[0] == '\0'
            ? "NULL::text"
            : arena_printf(arena, "min(r.%s::text)", task_text_identifier(arena, names->kind));

    sql->find =
        arena_printf(arena,
                     "SELECT r.%s::text, %s FROM %s AS r WHERE r.%s > $2"
                     " AND starts_with(r.%s::text, $1) GROUP BY r.%s ORDER BY r.%s LIMIT $3",
                     stream, kind, sql->registry_table, stream, stream, stream, stream);
}

/* Among the events each stream is looked for behind the one before it, so that an index that begins
 * with the stream is asked once for each stream and not for each event. */
static void state_sql_find_in_events(struct state_sql *sql, struct arena *arena)
{
    const char *stream = task_text_identifier(arena, sql->set->events.stream);
    const char *table = sql->events_table;

    sql->find =
        arena_printf(arena,
                     "WITH RECURSIVE s(stream, n) AS ((SELECT e.%s::text, 1::bigint FROM %s AS e"
                     " WHERE e.%s > $2 AND starts_with(e.%s::text, $1) ORDER BY e.%s LIMIT 1)"
                     " UNION ALL SELECT (SELECT e.%s::text FROM %s AS e WHERE e.%s > s.stream"
                     " AND starts_with(e.%s::text, $1) ORDER BY e.%s LIMIT 1), s.n + 1"
                     " FROM s WHERE s.stream IS NOT NULL AND s.n < $3::bigint)"
                     " SELECT s.stream, NULL::text FROM s WHERE s.stream IS NOT NULL",
                     stream, table, stream, stream, stream, stream, table, stream, stream, stream);
}

static void state_sql_make_find(struct state_sql *sql, struct arena *arena)
{
    bool registry = sql->registry_table[0] != '\0';
    const char *stream =
        task_text_identifier(arena, registry ? sql->set->registry.stream : sql->set->events.stream);

    if (registry) {
        state_sql_find_in_registry(sql, arena);
    } else {
        state_sql_find_in_events(sql, arena);
    }
    sql->find_database = registry ? sql->registry_database : sql->events_database;
    sql->count = arena_printf(arena,
                              "SELECT count(*) FROM (SELECT DISTINCT t.%s FROM %s AS t"
                              " WHERE starts_with(t.%s::text, $1)) AS s",
                              stream, registry ? sql->registry_table : sql->events_table, stream);
}

static void state_sql_make_events(struct state_sql *sql, struct arena *arena)
{
    const struct set_state_events *names = &sql->set->events;
    const char *table = sql->events_table;
    const char *stream = task_text_identifier(arena, names->stream);
    const char *sequence = task_text_identifier(arena, names->sequence);
    const char *type = task_text_identifier(arena, names->type);
    const char *payload = task_text_identifier(arena, names->payload);

    sql->events = sql->events_database[0] == '\0'
                      ? arena_printf(arena,
                                     "SELECT e.%s::bigint AS sequence, e.%s::text AS type,"
                                     " e.%s::jsonb AS payload, coalesce(octet_length(e.%s::text),"
                                     " 0)::bigint AS bytes FROM %s AS e WHERE e.%s = $1"
                                     " AND $2 IS NULL ORDER BY e.%s",
                                     sequence, type, payload, payload, table, stream, sequence)
                      : "SELECT (g.e->>'sequence')::bigint AS sequence, g.e->>'type' AS type,"
                        " g.e->'payload' AS payload, 0::bigint AS bytes"
                        " FROM jsonb_array_elements($2->'events') WITH ORDINALITY AS g(e, n)"
                        " WHERE $1 IS NOT NULL ORDER BY g.n";
    sql->read = arena_printf(
        arena,
        "WITH size AS (SELECT i.n, i.stream, count(e.%s) AS events, max(e.%s)::bigint AS last,"
        " coalesce(sum(octet_length(e.%s::text)), 0)::bigint AS bytes"
        " FROM unnest($1::text[]) WITH ORDINALITY AS i(stream, n)"
        " LEFT JOIN %s AS e ON e.%s = i.stream GROUP BY i.n, i.stream),"
        " room AS (SELECT s.*, s.events > $2::bigint OR s.bytes > $3::bigint AS large,"
        " sum(CASE WHEN s.events > $2::bigint OR s.bytes > $3::bigint THEN 0"
        " ELSE s.bytes + 100 * s.events END) OVER (ORDER BY s.n) AS so_far FROM size AS s)"
        " SELECT r.events, r.last, r.large, (SELECT e.%s::text FROM %s AS e WHERE e.%s = r.stream"
        " ORDER BY e.%s LIMIT 1), CASE WHEN r.events > 0 AND NOT r.large THEN (SELECT"
        " json_build_object('stream', r.stream, 'events', json_agg(json_build_object('sequence',"
        " e.%s, 'type', e.%s, 'payload', e.%s::jsonb) ORDER BY e.%s))::text FROM %s AS e"
        " WHERE e.%s = r.stream) END"
        " FROM room AS r WHERE r.so_far <= $4::bigint OR r.n = 1 ORDER BY r.n",
        sequence, sequence, payload, table, stream, type, table, stream, sequence, sequence, type,
        payload, sequence, table, stream);
    sql->look_events = arena_printf(arena,
                                    "SELECT e.%s::text, e.%s::bigint, e.%s::text, e.%s::jsonb"
                                    " FROM %s AS e LIMIT 0",
                                    stream, sequence, type, payload, table);
}

static void state_sql_make_registry(struct state_sql *sql, struct arena *arena)
{
    const struct set_state_registry *names = &sql->set->registry;
    const char *stream = task_text_identifier(arena, names->stream);
    const char *table = sql->registry_table;

    sql->rename = arena_printf(arena,
                               "UPDATE %s AS r SET %s = u.target FROM unnest($1::text[],"
                               " $2::text[]) AS u(stream, target) WHERE r.%s = u.stream",
                               table, stream, stream);
    sql->missing =
        arena_printf(arena,
                     "SELECT u.stream FROM unnest($1::text[], $2::text[]) AS u(stream, target)"
                     " WHERE NOT EXISTS (SELECT FROM %s AS r WHERE r.%s = u.target)",
                     table, stream);
    sql->undo_rename = arena_printf(
        arena,
        "UPDATE %s AS r SET %s = $2 || substr(r.%s::text, length($1) + 1) FROM (SELECT t.%s AS"
        " stream FROM %s AS t WHERE starts_with(t.%s::text, $1) LIMIT $3) AS p"
        " WHERE r.%s = p.stream",
        table, stream, stream, stream, table, stream, stream);
    sql->look_registry =
        arena_printf(arena, "SELECT r.%s::text%s%s FROM %s AS r LIMIT 0", stream,
                     names->kind[0] == '\0' ? "" : ", r.",
                     names->kind[0] == '\0' ? "" : task_text_identifier(arena, names->kind), table);
}

static void state_sql_make_snapshots(struct state_sql *sql, struct arena *arena)
{
    const struct set_state_snapshots *names = &sql->set->snapshots;
    const char *stream = task_text_identifier(arena, names->stream);
    const char *table = sql->snapshots_table;

    sql->undo_snapshots =
        arena_printf(arena,
                     "DELETE FROM %s AS s USING (SELECT t.%s AS stream FROM %s AS t WHERE"
                     " starts_with(t.%s::text, $1) LIMIT $2) AS p WHERE s.%s = p.stream",
                     table, stream, table, stream, stream);
    sql->look_snapshots =
        arena_printf(arena, "SELECT s.%s::text, s.%s::bigint, s.%s FROM %s AS s LIMIT 0", stream,
                     task_text_identifier(arena, names->sequence),
                     task_text_identifier(arena, names->state), table);
}

void state_sql_make(const struct set_state *set, const char *tenant, struct arena *arena,
                    struct state_sql *ret_sql)
{
    struct state_sql sql = {
        .set = set,
        .prefix = state_sql_expand(set->prefix, tenant, arena),
        .to = state_sql_expand(set->to, tenant, arena),
        .events_database = state_sql_expand(set->events.database, tenant, arena),
        .snapshots_database = state_sql_expand(set->snapshots.database, tenant, arena),
        .registry_database = state_sql_expand(set->registry.database, tenant, arena),
        .events_table = state_sql_quote(set->events.table, tenant, arena),
        .snapshots_table = state_sql_quote(set->snapshots.table, tenant, arena),
        .registry_table = set->registry.table[0] == '\0'
                              ? ""
                              : state_sql_quote(set->registry.table, tenant, arena),
        .fold =
            arena_printf(arena, "SELECT %s($1, $2, $3)", state_sql_quote(set->fold, tenant, arena)),
        .migrate = set->migrate[0] == '\0'
                       ? NULL
                       : arena_printf(arena, "SELECT %s($1)",
                                      state_sql_quote(set->migrate, tenant, arena)),
    };

    sql.moves = strcmp(sql.prefix, sql.to) != 0;
    state_sql_make_find(&sql, arena);
    state_sql_make_events(&sql, arena);
    state_sql_make_snapshots(&sql, arena);
    if (sql.registry_table[0] != '\0') {
        state_sql_make_registry(&sql, arena);
    }
    *ret_sql = sql;
}

const char *state_sql_insert(const struct state_sql *sql, bool by_stream, struct arena *arena)
{
    const struct set_state_snapshots *names = &sql->set->snapshots;
    const char *stream = task_text_identifier(arena, names->stream);
    const char *sequence = task_text_identifier(arena, names->sequence);
    const char *state = task_text_identifier(arena, names->state);
    /* A newer one is whoever's that wrote it since, and stays. */
    const char *newer =
        by_stream ? arena_printf(arena, " WHERE s.%s <= excluded.%s", sequence, sequence) : "";

    return arena_printf(arena,
                        "INSERT INTO %s AS s (%s, %s, %s) SELECT u.stream, u.sequence,"
                        " u.answer->'state' FROM unnest($1::text[], $2::bigint[], $3::jsonb[])"
                        " AS u(stream, sequence, answer) ON CONFLICT (%s%s%s) DO UPDATE SET"
                        " %s = excluded.%s, %s = excluded.%s%s",
                        sql->snapshots_table, stream, sequence, state, stream,
                        by_stream ? "" : ", ", by_stream ? "" : sequence, sequence, sequence, state,
                        state, newer);
}

const char *state_sql_target(const struct state_sql *sql, const char *stream, struct arena *arena)
{
    return arena_printf(arena, "%s%s", sql->to, stream + strlen(sql->prefix));
}
