#include "agent/run/tenant_register.h"

#include <stdlib.h>
#include <string.h>

#include "agent/run/task_text.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/pg/pg_conn.h"

struct tenant_register {
    struct arena arena; /* owns the texts below */
    struct tenant_register_options options;
    const char *put_sql, *add_sql, *remove_sql;
    struct pg_conn *conn; /* NULL until needed */
};

/* $3 or $2 is the shard; where rows have none it is NULL, and is not asked for. */
static const char *tenant_register_where(struct arena *arena,
                                         const struct tenant_register_options *options,
                                         const char *parameter)
{
    return options->shard_column[0] == '\0'
               ? arena_printf(arena, "coalesce(%s::text, '') IS NOT NULL", parameter)
               : arena_printf(arena, "r.%s::text = %s::text", options->shard_column, parameter);
}

static void tenant_register_write_sql(struct tenant_register *reg)
{
    const struct tenant_register_options *o = &reg->options;
    struct arena *arena = &reg->arena;
    bool sharded = o->shard_column[0] != '\0';
    const char *of_put = tenant_register_where(arena, o, "$3");
    const char *of_one = tenant_register_where(arena, o, "$2");

    reg->put_sql = arena_printf(
        arena,
        "WITH u AS (SELECT * FROM unnest($1::text[], $2::text[]) AS u(tenant, version)),"
        " w AS (UPDATE %s AS r SET %s = u.version FROM u WHERE r.%s::text = u.tenant AND %s"
        " AND r.%s::text IS DISTINCT FROM u.version)"
        " SELECT u.tenant FROM u WHERE NOT EXISTS"
        " (SELECT FROM %s AS r WHERE r.%s::text = u.tenant AND %s)",
        o->table, o->version_column, o->tenant_column, of_put, o->version_column, o->table,
        o->tenant_column, of_put);
    reg->add_sql =
        arena_printf(arena,
                     "INSERT INTO %s (%s%s%s) SELECT $1::text%s WHERE NOT EXISTS"
                     " (SELECT FROM %s AS r WHERE r.%s::text = $1::text AND %s) RETURNING 1",
                     o->table, o->tenant_column, sharded ? ", " : "", o->shard_column,
                     sharded ? ", $2::text" : "", o->table, o->tenant_column, of_one);
    reg->remove_sql = arena_printf(arena, "DELETE FROM %s AS r WHERE r.%s::text = $1::text AND %s",
                                   o->table, o->tenant_column, of_one);
}

struct tenant_register *tenant_register_new(const struct tenant_register_options *options)
{
    struct tenant_register *reg = memory_alloc(sizeof(*reg));
    struct arena *arena = &reg->arena;

    reg->options = (struct tenant_register_options){
        .conninfo = arena_strdup(arena, options->conninfo),
        .table = arena_strdup(arena, options->table),
        .set = arena_strdup(arena, options->set),
        .tenant_column = arena_strdup(arena, options->tenant_column),
        .version_column = arena_strdup(arena, options->version_column),
        .shard_column = arena_strdup(arena, options->shard_column),
        .shard = arena_strdup(arena, options->shard),
    };
    tenant_register_write_sql(reg);
    return reg;
}

void tenant_register_free(struct tenant_register **pointer)
{
    struct tenant_register *reg = *pointer;

    if (reg != NULL) {
        pg_conn_free(&reg->conn);
        arena_release(&reg->arena);
        free(reg);
        *pointer = NULL;
    }
}

/* A connection that was kept may have died since: a failure counts on a new one only. */
static bool tenant_register_query(struct tenant_register *reg, const char *sql,
                                  const char *const *parameters, size_t count,
                                  struct pg_result **ret_rows, struct error *err)
{
    for (int try = 0;; try++) {
        bool kept = reg->conn != NULL && try == 0;

        if (reg->conn == NULL) {
            if (!pg_conn_open(reg->options.conninfo, "", "skein-agent registry", &reg->conn, err)) {
                return false;
            }
            pg_conn_set_patience(reg->conn, REGISTER_STATEMENT_MS);
        }
        if (pg_query(reg->conn, sql, parameters, count, ret_rows, NULL, err)) {
            return true;
        }
        bool lost = pg_conn_is_lost(reg->conn);
        if (lost) {
            pg_conn_free(&reg->conn);
        }
        if (!lost || !kept) {
            return false;
        }
        *err = (struct error){ 0 };
    }
}

bool tenant_register_put(struct tenant_register *reg, const struct tenant_register_row *rows,
                         size_t count, struct arena *arena, const char *const **ret_missing,
                         size_t *ret_missing_count, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    const char **tenants = arena_alloc_array(arena, count, sizeof(*tenants));
    const char **versions = arena_alloc_array(arena, count, sizeof(*versions));

    for (size_t i = 0; i < count; i++) {
        tenants[i] = rows[i].tenant;
        versions[i] = rows[i].version;
    }
    const char *parameters[] = { task_text_array(arena, tenants, count),
                                 task_text_array(arena, versions, count), reg->options.shard };
    if (!tenant_register_query(reg, reg->put_sql, parameters, COUNT_OF(parameters), &result, err)) {
        return error_wrap(err, "registry %s", reg->options.table);
    }
    size_t missing_count = pg_result_row_count(result);
    const char **missing = arena_alloc_array(arena, missing_count, sizeof(*missing));
    for (size_t i = 0; i < missing_count; i++) {
        missing[i] = arena_strdup(arena, pg_result_text(result, i, 0));
    }
    *ret_missing = missing;
    *ret_missing_count = missing_count;
    return true;
}

bool tenant_register_add(struct tenant_register *reg, const char *tenant, bool *ret_added,
                         struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    const char *parameters[] = { tenant, reg->options.shard };

    if (!tenant_register_query(reg, reg->add_sql, parameters, COUNT_OF(parameters), &result, err)) {
        return error_wrap(err, "registry %s", reg->options.table);
    }
    *ret_added = pg_result_row_count(result) > 0;
    return true;
}

bool tenant_register_remove(struct tenant_register *reg, const char *tenant, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    const char *parameters[] = { tenant, reg->options.shard };

    return tenant_register_query(reg, reg->remove_sql, parameters, COUNT_OF(parameters), &result,
                                 err) ||
           error_wrap(err, "registry %s", reg->options.table);
}
