#include "common/survey/survey_size.h"

#include "common/core/arena.h"
#include "common/survey/survey_ask.h"

/* $2 and $3: schemas ('' for the tenant's) and names, beside each other. First the schemas, so that
 * a name is looked up in its own one: how many tenants have a table of that name does not matter.
 */
static const char survey_size_sql[] =
    "WITH RECURSIVE wanted AS MATERIALIZED ("
    " SELECT n.oid AS namespace, w.name::name AS name"
    " FROM unnest($2::text[], $3::text[]) AS w (schema, name)"
    " JOIN pg_namespace n ON n.nspname = ANY (CASE WHEN w.schema <> '' THEN ARRAY[w.schema::name]"
    "   WHEN $1 <> '' THEN ARRAY[$1::name] ELSE current_schemas(false) END)"
    "), asked AS ("
    " SELECT c.oid AS root, c.oid, c.relkind FROM wanted w"
    " JOIN pg_class c ON c.relname = w.name AND c.relnamespace = w.namespace"
    " WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I')"
    " UNION ALL"
    " SELECT a.root, c.oid, c.relkind FROM asked a JOIN pg_inherits h ON h.inhparent = a.oid"
    " JOIN pg_class c ON c.oid = h.inhrelid)"
    " SELECT coalesce(max(bytes), 0)::bigint FROM (SELECT sum(CASE WHEN relkind IN ('r', 'm')"
    " THEN pg_table_size(oid) WHEN relkind = 'i' THEN pg_relation_size(oid) ELSE 0 END) AS bytes"
    " FROM asked GROUP BY root) AS sums";

bool survey_size_largest(struct pg_conn *conn, const struct survey_call *call, uint64_t *ret_bytes,
                         struct pg_error *ret_pg_error, struct error *err)
{
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_result *rows = NULL;
    const char *parameters[] = { call->schema, NULL, NULL };

    survey_ask_names(call, &arena, &parameters[1], &parameters[2]);
    if (!survey_ask(batch, call, survey_size_sql, parameters, COUNT_OF(parameters), &rows,
                    ret_pg_error, err)) {
        return false;
    }
    *ret_bytes = pg_result_u64(rows, 0, 0);
    return true;
}
