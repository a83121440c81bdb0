#include "agent/keep/tenant_rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/pg/pg_batch.h"

/* pg_depend is indexed by what is referred to, so that "has objects" is one probe a schema. What an
 * extension brought does not count, nor do default privileges (they are no objects). */
#define TENANT_ROWS_LABELS                                                                         \
    "SELECT tenant, string_agg(key || '=' || value, E'\n' ORDER BY key COLLATE \"C\") AS labels"   \
    " FROM skein.label"

static const char tenant_rows_schemas_sql[] =
    "SELECT n.nspname, EXISTS (SELECT FROM pg_catalog.pg_depend d"
    " WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid"
    " AND d.deptype = 'n' AND d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = d.classid"
    " AND e.objid = d.objid AND e.deptype = 'e'))"
    " AND NOT EXISTS (SELECT FROM skein.operation o WHERE o.tenant = n.nspname::text),"
    " t.set_name, t.version, t.rollout, t.fence, t.undone, t.repeatables, l.labels"
    " FROM pg_catalog.pg_namespace n"
    " LEFT JOIN skein.tenant t ON t.tenant = n.nspname::text"
    " AND (t.version IS NOT NULL OR t.undone IS NOT NULL OR EXISTS (SELECT FROM skein.operation o"
    " WHERE o.tenant = t.tenant AND o.set_name = t.set_name))"
    " AND (t.schema_oid IS NULL OR t.schema_oid = n.oid"
    " OR NOT skein.row_is_old(t.database_oid, t.schema_oid, n.oid))"
    " LEFT JOIN (" TENANT_ROWS_LABELS " GROUP BY tenant) l ON l.tenant = n.nspname::text"
    " WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'skein')"
    " AND NOT EXISTS (SELECT FROM skein.making m WHERE m.tenant = n.nspname::text"
    " AND m.state = 'making' AND m.object = n.oid)" /* half a tenant is none */
    " ORDER BY n.nspname::text COLLATE \"C\", t.set_name COLLATE \"C\"";

static const char tenant_rows_database_sql[] =
    "SELECT current_database(), skein.database_has_objects() AND NOT EXISTS (SELECT FROM"
    " skein.operation o WHERE o.tenant = current_database()::text), t.set_name, t.version, "
    "t.rollout, "
    "t.fence, t.undone, t.repeatables,"
    " (SELECT labels FROM (" TENANT_ROWS_LABELS
    " WHERE tenant = current_database() GROUP BY tenant) l),"
    " m.version FROM (SELECT max(version) AS version FROM skein.meta) m"
    " LEFT JOIN skein.tenant t ON t.tenant = current_database()::text"
    " AND (t.version IS NOT NULL OR t.undone IS NOT NULL OR EXISTS (SELECT FROM skein.operation o"
    " WHERE o.tenant = t.tenant AND o.set_name = t.set_name))"
    " ORDER BY t.set_name COLLATE \"C\"";

static const char tenant_rows_databases_sql[] =
    "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
    " AND datname !~ '^skein_(clone|trace)_'" /* copies that a dry run is tried on */
    " ORDER BY datname::text COLLATE \"C\"";

static const char tenant_rows_history_sql[] =
    "SELECT id, set_name, version, script, direction, coalesce(encode(checksum, 'hex'), ''),"
    " rollout, agent, fence, state, (extract(epoch FROM started_at) * 1000)::bigint,"
    " coalesce(duration_ms, 0) FROM skein.history WHERE tenant = $1 ORDER BY id DESC LIMIT $2";

enum {
    COLUMN_NAME,
    COLUMN_OBJECTS,
    COLUMN_SET,
    COLUMN_VERSION,
    COLUMN_ROLLOUT,
    COLUMN_FENCE,
    COLUMN_UNDONE,
    COLUMN_REPEATABLES,
    COLUMN_LABELS,  /* of the tenant's own: lines of KEY=VALUE, sorted */
    COLUMN_JOURNAL, /* of a database of its own */
};

bool tenant_rows_of_schemas(struct pg_conn *conn, struct pg_result **ret_rows, struct error *err)
{
    return pg_query(conn, tenant_rows_schemas_sql, NULL, 0, ret_rows, NULL, err) ||
           error_wrap(err, "read the tenants");
}

bool tenant_rows_of_database(struct pg_conn *conn, struct pg_result **ret_rows, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    struct pg_error words = { 0 };
    bool read = pg_query(conn, tenant_rows_database_sql, NULL, 0, &rows, &words, err);

    if (!read && !journal_is_missing(&words)) {
        return false;
    }
    if (!read || pg_result_u64(rows, 0, COLUMN_JOURNAL) != JOURNAL_VERSION) {
        pg_result_free(&rows);
        if (!journal_ensure(conn, err) ||
            !pg_query(conn, tenant_rows_database_sql, NULL, 0, &rows, NULL, err)) {
            return false;
        }
    }
    *ret_rows = TAKE(rows);
    return true;
}

bool tenant_rows_databases(struct pg_conn *conn, struct pg_result **ret_rows, struct error *err)
{
    return pg_query(conn, tenant_rows_databases_sql, NULL, 0, ret_rows, NULL, err) ||
           error_wrap(err, "list the databases");
}

bool tenant_rows_labels(struct pg_conn *conn, const char *query, struct pg_result **ret_rows,
                        struct error *err)
{
    CLEANUP(buf_release) struct buf sql = { .size_max = SELECTOR_BYTES_MAX + TEXT_BYTES_MAX };
    size_t length = strlen(query);

    while (length > 0 && strchr("; \t\n", query[length - 1]) != NULL) {
        length--;
    }
    (void)buf_printf(&sql,
                     "SELECT q.name::text, l.key, l.value FROM (\n%.*s\n) AS q(name, labels)"
                     " LEFT JOIN LATERAL jsonb_each_text(q.labels::jsonb) AS l ON true"
                     " WHERE q.name IS NOT NULL"
                     " ORDER BY q.name::text COLLATE \"C\", l.key COLLATE \"C\"",
                     (int)length, query);
    if (!buf_check(&sql, err) || !pg_query(conn, buf_text(&sql), NULL, 0, ret_rows, NULL, err)) {
        return error_wrap(err, "the query for tenants (it has to give: name text, labels jsonb)");
    }
    return true;
}

static const char *tenant_rows_text(const struct pg_result *rows, size_t row, size_t column,
                                    struct arena *arena)
{
    const char *text = pg_result_text(rows, row, column);

    return text == NULL ? "" : arena_strdup(arena, text);
}

bool tenant_rows_history(struct pg_conn *conn, const char *tenant, uint32_t limit,
                         struct arena *arena, struct history_reply *ret_reply, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    uint32_t most = limit == 0 || limit > HISTORY_ENTRIES_MAX ? HISTORY_ENTRIES_MAX : limit;
    const char *parameters[] = { tenant, arena_printf(arena, "%u", most) };

    if (!pg_query(conn, tenant_rows_history_sql, parameters, COUNT_OF(parameters), &rows, NULL,
                  err)) {
        return error_wrap(err, "read the history of '%s'", tenant);
    }
    size_t count = pg_result_row_count(rows);
    struct history_entry *entries = arena_alloc_array(arena, count, sizeof(*entries));

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct history_entry){
            .id = (int64_t)pg_result_u64(rows, i, 0),
            .set = tenant_rows_text(rows, i, 1, arena),
            .version = tenant_rows_text(rows, i, 2, arena),
            .script = tenant_rows_text(rows, i, 3, arena),
            .direction = tenant_rows_text(rows, i, 4, arena),
            .checksum = tenant_rows_text(rows, i, 5, arena),
            .rollout = tenant_rows_text(rows, i, 6, arena),
            .agent = tenant_rows_text(rows, i, 7, arena),
            .fence = pg_result_u64(rows, i, 8),
            .state = tenant_rows_text(rows, i, 9, arena),
            .started_at_ms = (int64_t)pg_result_u64(rows, i, 10),
            .duration_ms = strtod(pg_result_text(rows, i, 11), NULL),
        };
    }
    *ret_reply = (struct history_reply){ .entries = entries, .count = count, .error = "" };
    return true;
}

bool tenant_rows_label(struct pg_conn *conn, const struct history_request *request,
                       struct error *err)
{
    static const char sql[] = "SELECT skein.label_put($1, $2, $3)";
    enum { PARAMETERS = 3 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    const struct pg_batch_report *report = NULL;
    size_t count = request->labels.count + request->unlabelled_count;

    for (size_t i = 0; i < count; i++) {
        bool sets = i < request->labels.count;
        const struct label *label = sets ? &request->labels.items[i] : NULL;
        const char **p = arena_alloc_array(&arena, PARAMETERS, sizeof(*p));

        p[0] = request->tenant;
        p[1] = sets ? label->key : request->unlabelled[i - request->labels.count];
        p[2] = sets ? label->value : NULL;
        pg_batch_add(batch, sql, p, PARAMETERS, i);
    }
    pg_batch_end_segment(batch); /* one transaction */
    pg_batch_run(batch, &report);
    if (report->failed || report->lost) {
        return error_set(err, report->lost ? ERR_UNAVAILABLE : ERR_INVALID, "label '%s': %s",
                         request->tenant, report->error.message);
    }
    return true;
}

/* The row behind the last one whose first column is the same as that of row `first`. */
static size_t tenant_rows_end(const struct pg_result *rows, size_t first)
{
    const char *name = pg_result_text(rows, first, COLUMN_NAME);
    size_t end = first + 1;

    while (end < pg_result_row_count(rows) &&
           strcmp(pg_result_text(rows, end, COLUMN_NAME), name) == 0) {
        end++;
    }
    return end;
}

static void tenant_rows_take_own_labels(const char *text, struct arena *arena,
                                        struct labels *ret_labels)
{
    struct label *items = arena_alloc_array(arena, LABELS_MAX, sizeof(*items));

    for (size_t count = 0; text != NULL && text[0] != '\0' && count < LABELS_MAX; count++) {
        const char *equals = strchr(text, '=');
        const char *end = strchrnul(text, '\n');

        assert(equals != NULL && equals < end); /* the table's checks see to it */
        items[count] =
            (struct label){ .key = arena_printf(arena, "%.*s", (int)(equals - text), text),
                            .value =
                                arena_printf(arena, "%.*s", (int)(end - equals - 1), equals + 1) };
        ret_labels->count = count + 1;
        text = *end == '\0' ? NULL : end + 1;
    }
    ret_labels->items = items;
}

void tenant_rows_take(const struct pg_result *rows, size_t *index, struct arena *arena,
                      struct tenant_info *ret_tenant)
{
    size_t first = *index;
    size_t end = tenant_rows_end(rows, first);
    size_t count = 0;

    *index = end;
    *ret_tenant = (struct tenant_info){
        .name = arena_strdup(arena, pg_result_text(rows, first, COLUMN_NAME)),
        .has_objects = pg_result_bool(rows, first, COLUMN_OBJECTS),
    };
    if (pg_result_text(rows, first, COLUMN_LABELS) != NULL) {
        tenant_rows_take_own_labels(pg_result_text(rows, first, COLUMN_LABELS), arena,
                                    &ret_tenant->labels);
    }
    if (pg_result_text(rows, first, COLUMN_SET) == NULL) {
        return;
    }
    struct set_version *versions = arena_alloc_array(arena, end - first, sizeof(*versions));
    for (size_t row = first; row < end && count < VERSIONS_PER_TENANT_MAX; row++) {
        versions[count++] = (struct set_version){
            .set = tenant_rows_text(rows, row, COLUMN_SET, arena),
            .version = tenant_rows_text(rows, row, COLUMN_VERSION, arena),
            .rollout = tenant_rows_text(rows, row, COLUMN_ROLLOUT, arena),
            .fence = pg_result_u64(rows, row, COLUMN_FENCE),
            .undone = tenant_rows_text(rows, row, COLUMN_UNDONE, arena),
            .repeatables = pg_result_u64(rows, row, COLUMN_REPEATABLES),
        };
    }
    ret_tenant->versions = versions;
    ret_tenant->version_count = count;
}

bool tenant_rows_take_labels(const struct pg_result *rows, size_t *index, const char *name,
                             struct arena *arena, struct labels *ret_labels)
{
    size_t row_count = pg_result_row_count(rows);

    *ret_labels = (struct labels){ 0 };
    while (*index < row_count && strcmp(pg_result_text(rows, *index, 0), name) < 0) {
        (*index)++;
    }
    if (*index == row_count || strcmp(pg_result_text(rows, *index, 0), name) != 0) {
        return false;
    }
    size_t end = tenant_rows_end(rows, *index);
    struct label *items = arena_alloc_array(arena, end - *index, sizeof(*items));

    for (; *index < end; (*index)++) {
        const char *key = tenant_rows_text(rows, *index, 1, arena);
        size_t count = ret_labels->count;

        /* A name that the query gives twice has each label once, with its first value. */
        if (key[0] != '\0' && count < LABELS_MAX &&
            (count == 0 || strcmp(items[count - 1].key, key) != 0)) {
            items[count] =
                (struct label){ .key = key, .value = tenant_rows_text(rows, *index, 2, arena) };
            ret_labels->count++;
        }
    }
    ret_labels->items = items;
    return true;
}
