#include "coordinator/cli/census.h"

#include <string.h>

#include "common/core/limits.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/schema_diff.h"

enum { CENSUS_VERSIONS_BYTES = 16 << 10 };

/* ---- reading ---- */

static void census_put(json_t *tenants, const json_t *shown, const json_t *schemas)
{
    for (size_t i = 0; i < json_array_size(schemas) && i < json_array_size(shown); i++) {
        const json_t *schema = json_array_get(schemas, i);
        json_t *tenant =
            json_array_get(tenants, (size_t)json_integer_value(json_array_get(shown, i)));
        const char *error = field_text(schema, "error");
        if (error[0] != '\0') {
            json_object_set_new(tenant, "error", json_string(error));
        } else {
            json_object_set_new(tenant, "digest", json_string(field_text(schema, "digest")));
        }
    }
}

/* One call for the tenants at these indices, all of one shard. Where the shard is away its tenants
 * get that as their error. */
static int census_ask(struct cli *cli, json_t *tenants, const char *shard, const json_t *indices,
                      size_t *ret_done)
{
    json_t *names = json_array();
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    for (size_t i = 0; i < json_array_size(indices); i++) {
        size_t index = (size_t)json_integer_value(json_array_get(indices, i));
        json_array_append_new(names,
                              json_string(field_text(json_array_get(tenants, index), "name")));
    }
    json_t *request = json_pack("{s:s, s:o}", "shard", shard, "tenants", names);
    bool got =
        call_unary(&cli->caller, "GetSchemas", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (got) {
        const json_t *schemas = field_get(response, "schemas");
        census_put(tenants, indices, schemas);
        *ret_done = json_array_size(schemas);
        json_decref(response);
        return *ret_done > 0 ? EXIT_CODE_DONE : EXIT_CODE_INTERNAL;
    }
    if (end.status != RPC_FAILED_PRECONDITION && end.status != RPC_UNAVAILABLE &&
        end.status != RPC_INTERNAL && end.status != RPC_NOT_FOUND) {
        return cli_fail(cli, &end, &err);
    }
    for (size_t i = 0; i < json_array_size(indices); i++) {
        size_t index = (size_t)json_integer_value(json_array_get(indices, i));
        json_object_set_new(json_array_get(tenants, index), "error", json_string(err.message));
    }
    *ret_done = json_array_size(indices);
    return EXIT_CODE_DONE;
}

static bool census_is_read(const json_t *tenant)
{
    return json_object_get(tenant, "digest") != NULL || json_object_get(tenant, "error") != NULL;
}

int census_read(struct cli *cli, json_t *tenants)
{
    size_t first = 0;

    while (first < json_array_size(tenants)) {
        const json_t *tenant = json_array_get(tenants, first);
        const char *shard = field_text(tenant, "shard");
        json_t *indices = json_array();
        size_t done = 0;

        for (size_t i = first;
             i < json_array_size(tenants) && json_array_size(indices) < SCHEMAS_PER_CALL_MAX; i++) {
            const json_t *other = json_array_get(tenants, i);
            if (!census_is_read(other) && strcmp(field_text(other, "shard"), shard) == 0) {
                json_array_append_new(indices, json_integer((json_int_t)i));
            }
        }
        int code = census_ask(cli, tenants, shard, indices, &done);
        json_decref(indices);
        if (code != EXIT_CODE_DONE) {
            return code;
        }
        while (first < json_array_size(tenants) && census_is_read(json_array_get(tenants, first))) {
            first++;
        }
    }
    return EXIT_CODE_DONE;
}

/* ---- grouping ---- */

json_t *census_versions(const json_t *tenant)
{
    CLEANUP(buf_release) struct buf text = { .size_max = CENSUS_VERSIONS_BYTES };
    json_t *versions = json_object_get(tenant, "versions");
    const char *set;
    json_t *version;

    json_object_foreach(versions, set, version)
    {
        buf_printf(&text, "%s%s %s", text.size > 0 ? ", " : "", set, json_string_value(version));
    }
    return json_string(text.size > 0 ? buf_text(&text) : "(none)");
}

static void census_count(json_t *counts, const char *key)
{
    json_object_set_new(counts, key,
                        json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static json_t *census_find(json_t *classes, const char *digest)
{
    for (size_t i = 0; i < json_array_size(classes); i++) {
        if (strcmp(field_text(json_array_get(classes, i), "digest"), digest) == 0) {
            return json_array_get(classes, i);
        }
    }
    json_t *made = json_pack("{s:s, s:i, s:[], s:{}, s:{}}", "digest", digest, "count", 0,
                             "tenants", "versions", "shards");
    json_array_append_new(classes, made);
    return made;
}

/* The largest first; of equal ones that with the smaller digest, so that every run says the same.
 */
static bool census_is_before(const json_t *a, const json_t *b)
{
    json_int_t more = json_integer_value(json_object_get(a, "count"));
    json_int_t less = json_integer_value(json_object_get(b, "count"));

    return more > less ||
           (more == less && strcmp(field_text(a, "digest"), field_text(b, "digest")) < 0);
}

static json_t *census_sorted(json_t *classes)
{
    json_t *sorted = json_array();

    for (size_t i = 0; i < json_array_size(classes); i++) {
        json_t *class = json_array_get(classes, i);
        size_t at = 0;
        while (at < json_array_size(sorted) &&
               census_is_before(json_array_get(sorted, at), class)) {
            at++;
        }
        json_array_insert(sorted, at, class);
    }
    json_decref(classes);
    return sorted;
}

bool census_has(const json_t *class, const char *tenant)
{
    const json_t *names = json_object_get(class, "tenants");

    for (size_t i = 0; i < json_array_size(names); i++) {
        if (strcmp(json_string_value(json_array_get(names, i)), tenant) == 0) {
            return true;
        }
    }
    return false;
}

static void census_put_first(json_t *classes, const char *tenant)
{
    for (size_t i = 0; i < json_array_size(classes); i++) {
        json_t *class = json_array_get(classes, i);
        if (census_has(class, tenant)) {
            json_incref(class);
            json_array_remove(classes, i);
            json_array_insert_new(classes, 0, class);
            return;
        }
    }
}

json_t *census_classes(const json_t *tenants, const char *reference)
{
    json_t *classes = json_array();

    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const json_t *tenant = json_array_get(tenants, i);
        const char *digest = field_text(tenant, "digest");
        if (digest[0] == '\0') {
            continue;
        }
        json_t *class = census_find(classes, digest);
        json_t *versions = census_versions(tenant);
        json_object_set_new(class, "count",
                            json_integer(json_integer_value(json_object_get(class, "count")) + 1));
        json_array_append(json_object_get(class, "tenants"), json_object_get(tenant, "tenant"));
        census_count(json_object_get(class, "versions"), json_string_value(versions));
        census_count(json_object_get(class, "shards"), field_text(tenant, "shard"));
        json_decref(versions);
    }
    classes = census_sorted(classes);
    census_put_first(classes, reference);
    return classes;
}

/* ---- comparing ---- */

/* The lines of a class's first tenant; NULL where they cannot be read now, or are others by now. */
static json_t *census_lines(struct cli *cli, const json_t *class)
{
    const char *tenant = json_string_value(json_array_get(json_object_get(class, "tenants"), 0));
    const char *slash = strchr(tenant, '/');
    json_t *response = NULL;
    json_t *lines = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    json_t *request = json_pack("{s:s%, s:[s], s:b}", "shard", tenant, (size_t)(slash - tenant),
                                "tenants", slash + 1, "lines", 1);
    if (call_unary(&cli->caller, "GetSchemas", request, CALL_REPEATABLE, &response, &end, &err)) {
        const json_t *schema = json_array_get(field_get(response, "schemas"), 0);
        if (strcmp(field_text(schema, "digest"), field_text(class, "digest")) == 0) {
            lines = json_incref(json_object_get(schema, "lines"));
        }
    }
    json_decref(response);
    json_decref(request);
    return lines;
}

int census_compare(struct cli *cli, json_t *classes)
{
    const size_t count = json_array_size(classes);
    json_t *usual = count > 1 ? census_lines(cli, json_array_get(classes, 0)) : NULL;

    for (size_t i = 1; i < count && i <= CENSUS_DIFFS_MAX && usual != NULL; i++) {
        json_t *class = json_array_get(classes, i);
        json_t *lines = census_lines(cli, class);
        if (lines != NULL) {
            json_object_set_new(class, "differences", schema_diff(usual, lines));
        }
        json_decref(lines);
    }
    json_decref(usual);
    return EXIT_CODE_DONE;
}
