/* Tenants by what their schemas are: tenant census, drift. */
#include <inttypes.h>
#include <string.h>

#include "coordinator/cli/call.h"
#include "coordinator/cli/census.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_tenant.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

enum {
    CENSUS_DIGEST_SHOWN = 12,
    CENSUS_LINES_SHOWN = 20,  /* differences of one class */
    CENSUS_TENANTS_SHOWN = 8, /* of one class that has drifted */
    CENSUS_CELL_BYTES = 4 << 10,
};

/* ---- what is common ---- */

/* Those that carry the set; all for "". */
static json_t *cmd_census_of_set(json_t *tenants, const char *set)
{
    json_t *chosen = json_array();

    for (size_t i = 0; i < json_array_size(tenants); i++) {
        json_t *tenant = json_array_get(tenants, i);
        if (set[0] == '\0' || json_object_get(field_get(tenant, "versions"), set) != NULL) {
            json_array_append(chosen, tenant);
        }
    }
    json_decref(tenants);
    return chosen;
}

/* The selected tenants with their digests, and how many shards could not say theirs; an exit code.
 */
static int cmd_census_collect(struct cli *cli, const char *set, json_t **ret_tenants,
                              size_t *ret_unknown)
{
    json_t *tenants = NULL;
    int code = cmd_tenant_find(cli, cli->options.where, &tenants, ret_unknown);

    if (code != EXIT_CODE_DONE) {
        return code;
    }
    tenants = cmd_census_of_set(tenants, set);
    code = census_read(cli, tenants);
    if (code != EXIT_CODE_DONE) {
        json_decref(tenants);
        return code;
    }
    *ret_tenants = tenants;
    return EXIT_CODE_DONE;
}

/* {"tenant", "error"} of those that could not be read; a new array. */
static json_t *cmd_census_unread(const json_t *tenants)
{
    json_t *unread = json_array();

    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const json_t *tenant = json_array_get(tenants, i);
        if (field_text(tenant, "error")[0] != '\0') {
            json_array_append_new(unread,
                                  json_pack("{s:s, s:s}", "tenant", field_text(tenant, "tenant"),
                                            "error", field_text(tenant, "error")));
        }
    }
    return unread;
}

static void cmd_census_print_unread(const json_t *unread)
{
    const size_t count = json_array_size(unread);

    if (count > 0) {
        const json_t *first = json_array_get(unread, 0);
        output_say("%zu tenant%s could not be read, such as %s: %s", count, count == 1 ? "" : "s",
                   field_text(first, "tenant"), field_text(first, "error"));
    }
}

/* "  missing  column a.x  bigint not null". */
static void cmd_census_print_difference(const json_t *difference, struct buf *text)
{
    const char *what = field_text(difference, "what");

    buf_printf(text, "    %-8s ", what);
    style_clean(field_text(difference, "object"), text);
    if (strcmp(what, "changed") == 0) {
        buf_puts(text, "  is ");
        style_clean(field_text(difference, "is"), text);
        buf_puts(text, "  instead of ");
        style_clean(field_text(difference, "usual"), text);
    } else if (field_text(difference, what[0] == 'm' ? "usual" : "is")[0] != '\0') {
        buf_puts(text, "  ");
        style_clean(field_text(difference, what[0] == 'm' ? "usual" : "is"), text);
    }
    buf_puts(text, "\n");
}

static void cmd_census_print_differences(const json_t *class, struct buf *text)
{
    const json_t *differences = field_get(class, "differences");
    const size_t count = json_array_size(differences);

    for (size_t i = 0; i < count && i < CENSUS_LINES_SHOWN; i++) {
        cmd_census_print_difference(json_array_get(differences, i), text);
    }
    if (count > CENSUS_LINES_SHOWN) {
        buf_printf(text, "    and %zu more: -o json has them all\n", count - CENSUS_LINES_SHOWN);
    } else if (differences == NULL) {
        buf_puts(text, "    not compared\n");
    }
}

/* "billing 1.0.0 (97), billing 0.9.0 (3)"; only the name where there is one. */
static void cmd_census_cell_counts(struct table *table, json_t *counts)
{
    CLEANUP(buf_release) struct buf text = { .size_max = CENSUS_CELL_BYTES };
    const char *key;
    json_t *value;

    json_object_foreach(counts, key, value)
    {
        buf_printf(&text, "%s%.200s", text.size > 0 ? ", " : "", key);
        if (json_object_size(counts) > 1) {
            buf_printf(&text, " (%lld)", (long long)json_integer_value(value));
        }
        if (text.size > CENSUS_CELL_BYTES / 2) {
            break;
        }
    }
    table_cell(table, buf_text(&text));
}

/* ---- census ---- */

static void cmd_census_print_classes(const struct cli *cli, const json_t *classes, struct buf *text)
{
    static const struct table_column columns[] = { { "SCHEMA", false },
                                                   { "TENANTS", true },
                                                   { "VERSIONS", false },
                                                   { "SHARDS", false },
                                                   { "SUCH AS", false } };
    CLEANUP(table_release) struct table table = { 0 };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(classes); i++) {
        const json_t *class = json_array_get(classes, i);
        table_cell_f(&table, "%.*s", CENSUS_DIGEST_SHOWN, field_text(class, "digest"));
        table_cell_f(&table, "%llu", (unsigned long long)field_u64(class, "count"));
        cmd_census_cell_counts(&table, field_get(class, "versions"));
        cmd_census_cell_counts(&table, field_get(class, "shards"));
        table_cell(&table, json_string_value(json_array_get(field_get(class, "tenants"), 0)));
    }
    table_print(&table, &cli->style, text);
}

static void cmd_census_print(const struct cli *cli, const json_t *classes)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    cmd_census_print_classes(cli, classes, &text);
    for (size_t i = 1; i < json_array_size(classes); i++) {
        const json_t *class = json_array_get(classes, i);
        buf_printf(&text, "\n%.*s differs from %.*s:\n", CENSUS_DIGEST_SHOWN,
                   field_text(class, "digest"), CENSUS_DIGEST_SHOWN,
                   field_text(json_array_get(classes, 0), "digest"));
        cmd_census_print_differences(class, &text);
    }
    output_text(&text);
}

int cmd_tenant_census(struct cli *cli)
{
    json_t *tenants = NULL;
    size_t unknown = 0; /* which has been said */
    int code = cmd_census_collect(cli, cli->options.set, &tenants, &unknown);

    if (code != EXIT_CODE_DONE) {
        return code;
    }
    json_t *classes = census_classes(tenants, "");
    json_t *unread = cmd_census_unread(tenants);
    code = census_compare(cli, classes);
    if (code == EXIT_CODE_DONE && cli->format != OUTPUT_TABLE) {
        json_t *view = json_pack("{s:O, s:O}", "classes", classes, "unread", unread);
        output_json(cli->format, view);
        json_decref(view);
    } else if (code == EXIT_CODE_DONE) {
        if (json_array_size(classes) == 0 && json_array_size(unread) == 0) {
            output_say("there is no such tenant");
        } else {
            cmd_census_print(cli, classes);
        }
        cmd_census_print_unread(unread);
    }
    json_decref(classes);
    json_decref(unread);
    json_decref(tenants);
    return code;
}

/* ---- drift ---- */

/* The tenants that are where `versions` says. */
static json_t *cmd_census_drift_at(const json_t *tenants, const char *versions)
{
    json_t *there = json_array();

    for (size_t i = 0; i < json_array_size(tenants); i++) {
        json_t *tenant = json_array_get(tenants, i);
        json_t *text = census_versions(tenant);
        if (strcmp(json_string_value(text), versions) == 0) {
            json_array_append(there, tenant);
        }
        json_decref(text);
    }
    return there;
}

/* The set's reference tenant, "" for none. An exit code. */
static int cmd_census_drift_reference(struct cli *cli, json_t **ret_reference)
{
    json_t *request = json_pack("{s:s, s:s}", "set", cli->arguments[0], "digest", "");
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got = call_unary(&cli->caller, "GetSet", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    *ret_reference = json_string(field_text(response, "reference"));
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* Adds {"versions", "usual": digest, "usual_count", "usual_tenant", "reference", "digest",
 * "tenants", "differences"} for each class but the first of the tenants with the same versions; an
 * exit code. The first is that of the reference tenant if it is among them, else the largest. */
static int cmd_census_drift_find_at(struct cli *cli, const json_t *tenants, const char *reference,
                                    const char *versions, json_t *drifted)
{
    json_t *there = cmd_census_drift_at(tenants, versions);
    json_t *classes = census_classes(there, reference);
    int code = census_compare(cli, classes);

    for (size_t i = 1; i < json_array_size(classes) && code == EXIT_CODE_DONE; i++) {
        json_t *class = json_array_get(classes, i);
        json_t *usual = json_array_get(classes, 0);
        json_t *item = json_object();
        json_object_set_new(item, "versions", json_string(versions));
        json_object_set(item, "usual", field_get(usual, "digest"));
        json_object_set(item, "usual_count", field_get(usual, "count"));
        json_object_set(item, "usual_tenant", json_array_get(field_get(usual, "tenants"), 0));
        json_object_set_new(item, "reference",
                            json_string(census_has(usual, reference) ? reference : ""));
        json_object_set(item, "count", field_get(class, "count"));
        field_copy(item, "digest", class, "digest");
        field_copy(item, "tenants", class, "tenants");
        if (field_get(class, "differences") != NULL) {
            json_object_set(item, "differences", field_get(class, "differences"));
        }
        json_array_append_new(drifted, item);
    }
    json_decref(classes);
    json_decref(there);
    return code;
}

static int cmd_census_drift_find(struct cli *cli, const json_t *tenants, const char *reference,
                                 json_t *drifted)
{
    json_t *seen = json_object();
    int code = EXIT_CODE_DONE;

    for (size_t i = 0; i < json_array_size(tenants) && code == EXIT_CODE_DONE; i++) {
        json_t *versions = census_versions(json_array_get(tenants, i));
        const char *text = json_string_value(versions);
        if (json_object_get(seen, text) == NULL) {
            json_object_set_new(seen, text, json_true());
            code = cmd_census_drift_find_at(cli, tenants, reference, text, drifted);
        }
        json_decref(versions);
    }
    json_decref(seen);
    return code;
}

/* What they are compared with; where as many are otherwise, nobody can say which of the two is the
 * odd one. */
static void cmd_census_drift_print_usual(const json_t *item, struct buf *text)
{
    const uint64_t others = field_u64(item, "usual_count");
    const char *reference = field_text(item, "reference");

    if (reference[0] != '\0') {
        buf_printf(text, "; compared with the reference %s)\n", reference);
    } else if (others == field_u64(item, "count")) {
        buf_printf(text, "; compared with as many others, such as %s: either may be the odd one)\n",
                   field_text(item, "usual_tenant"));
    } else {
        buf_printf(text, "; compared with %" PRIu64 " other%s there)\n", others,
                   others == 1 ? "" : "s");
    }
}

static void cmd_census_drift_print_class(const json_t *item, struct buf *text)
{
    const json_t *names = field_get(item, "tenants");
    const size_t count = json_array_size(names);

    for (size_t i = 0; i < count && i < CENSUS_TENANTS_SHOWN; i++) {
        buf_puts(text, i > 0 ? ", " : "");
        style_clean(json_string_value(json_array_get(names, i)), text);
    }
    if (count > CENSUS_TENANTS_SHOWN) {
        buf_printf(text, " and %zu more", count - CENSUS_TENANTS_SHOWN);
    }
    buf_puts(text, "  (");
    style_clean(field_text(item, "versions"), text);
    cmd_census_drift_print_usual(item, text);
    cmd_census_print_differences(item, text);
    buf_puts(text, "\n");
}

static void cmd_census_drift_print(const json_t *drifted, size_t tenant_count)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(drifted); i++) {
        const json_t *item = json_array_get(drifted, i);
        count += json_array_size(field_get(item, "tenants"));
        cmd_census_drift_print_class(item, &text);
    }
    buf_printf(&text, "%zu of %zu tenants have drifted\n", count, tenant_count);
    output_text(&text);
}

int cmd_drift(struct cli *cli)
{
    json_t *tenants = NULL;
    size_t unknown = 0;
    int code = cmd_census_collect(cli, cli->arguments[0], &tenants, &unknown);

    if (code != EXIT_CODE_DONE) {
        return code;
    }
    json_t *reference = NULL;
    code = cmd_census_drift_reference(cli, &reference);
    if (code != EXIT_CODE_DONE) {
        json_decref(tenants);
        return code;
    }
    json_t *drifted = json_array();
    json_t *unread = cmd_census_unread(tenants);
    const size_t missed = json_array_size(unread) + unknown;
    code = cmd_census_drift_find(cli, tenants, json_string_value(reference), drifted);
    if (code == EXIT_CODE_DONE && cli->format != OUTPUT_TABLE) {
        json_t *view = json_pack("{s:O, s:O}", "drifted", drifted, "unread", unread);
        output_json(cli->format, view);
        json_decref(view);
    } else if (code == EXIT_CODE_DONE) {
        cmd_census_drift_print(drifted, json_array_size(tenants));
        cmd_census_print_unread(unread);
    }
    if (code == EXIT_CODE_DONE && cli->options.exit_code) {
        code = json_array_size(drifted) > 0 ? EXIT_CODE_PENDING
               : missed > 0                 ? EXIT_CODE_UNREACHABLE
                                            : EXIT_CODE_DONE;
    }
    json_decref(unread);
    json_decref(drifted);
    json_decref(reference);
    json_decref(tenants);
    return code;
}
