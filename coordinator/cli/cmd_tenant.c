/* Tenants: list, show, history. */
#include "coordinator/cli/cmd_tenant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/duration.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

enum { TENANT_SELECTOR_BYTES = 2 * NAME_BYTES_MAX + 32, TENANT_CELL_BYTES = 8 << 10 };

bool cmd_tenant_selector(const struct cli *cli, const char *tenant, struct buf *selector)
{
    const char *slash = strchr(tenant, '/');

    if (slash == NULL || slash == tenant || slash[1] == '\0' ||
        strpbrk(tenant, ",*?()!= ") != NULL) {
        (void)cli_usage(cli, "'%s' is not a tenant: SHARD/NAME", tenant);
        return false;
    }
    buf_printf(selector, "shard=%.*s,tenant=%s", (int)(slash - tenant), tenant, slash + 1);
    return true;
}

/* ---- list and show ---- */

/* {"tenant", "shard", "name", "labels", "versions", "locked_by"} as interface.md promises it. */
static json_t *cmd_tenant_shape(const json_t *tenant)
{
    const json_t *versions = field_get(tenant, "versions");
    const char *locked_by = field_text(tenant, "locked_by");
    json_t *by_set = json_object();
    json_t *shaped = json_object();

    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        field_copy(by_set, field_text(version, "set"), version, "version");
    }
    field_copy(shaped, "tenant", tenant, "tenant");
    field_copy(shaped, "shard", tenant, "shard");
    field_copy(shaped, "name", tenant, "name");
    field_copy(shaped, "labels", tenant, "labels");
    json_object_set_new(shaped, "versions", by_set);
    json_object_set_new(shaped, "locked_by",
                        locked_by[0] == '\0' ? json_null() : json_string(locked_by));
    field_copy(shaped, "has_objects", tenant, "has_objects");
    return shaped;
}

static size_t cmd_tenant_say_unknown(const json_t *pages)
{
    const json_t *shards = field_get(json_array_get(pages, 0), "shards_unknown");

    for (size_t i = 0; i < json_array_size(shards); i++) {
        output_say("the tenants of shard %s are not known yet: its agent has not told them to this "
                   "coordinator",
                   json_string_value(json_array_get(shards, i)));
    }
    return json_array_size(shards);
}

int cmd_tenant_find(struct cli *cli, const char *selector, json_t **ret_tenants,
                    size_t *ret_unknown)
{
    json_t *request = json_pack("{s:s}", "selector", selector);
    json_t *pages = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got = call_pages(&cli->caller, "ListTenants", request, &pages, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    json_t *tenants = json_array();
    for (size_t i = 0; i < json_array_size(pages); i++) {
        const json_t *page = field_get(json_array_get(pages, i), "tenants");
        for (size_t j = 0; j < json_array_size(page); j++) {
            json_array_append_new(tenants, cmd_tenant_shape(json_array_get(page, j)));
        }
    }
    const size_t unknown = cmd_tenant_say_unknown(pages);
    if (ret_unknown != NULL) {
        *ret_unknown = unknown;
    }
    json_decref(pages);
    *ret_tenants = tenants;
    return EXIT_CODE_DONE;
}

/* "region=eu, tier=free". */
static void cmd_tenant_put_pairs(json_t *object, const char *between, struct buf *text)
{
    const char *key;
    json_t *value;
    const char *comma = "";

    json_object_foreach(object, key, value)
    {
        buf_printf(text, "%s%s%s%s", comma, key, between, json_string_value(value));
        comma = ", ";
    }
}

static void cmd_tenant_cell_pairs(struct table *table, json_t *object, const char *between)
{
    CLEANUP(buf_release) struct buf text = { .size_max = TENANT_CELL_BYTES };

    cmd_tenant_put_pairs(object, between, &text);
    table_cell(table, buf_text(&text));
}

static void cmd_tenant_list_table(const struct cli *cli, const json_t *tenants)
{
    static const struct table_column columns[] = {
        { "TENANT", false }, { "VERSIONS", false }, { "LOCKED BY", false }, { "LABELS", false }
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const json_t *tenant = json_array_get(tenants, i);
        table_cell(&table, field_text(tenant, "tenant"));
        if (json_object_size(field_get(tenant, "versions")) == 0 &&
            field_flag(tenant, "has_objects")) {
            table_cell(&table, "(unmanaged)");
        } else {
            cmd_tenant_cell_pairs(&table, field_get(tenant, "versions"), " ");
        }
        table_cell(&table, field_text(tenant, "locked_by"));
        cmd_tenant_cell_pairs(&table, field_get(tenant, "labels"), "=");
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_tenant_list(struct cli *cli)
{
    json_t *tenants = NULL;

    int code = cmd_tenant_find(cli, cli->options.where, &tenants, NULL);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json_list(cli->format, tenants);
    } else if (json_array_size(tenants) == 0) {
        output_say("no tenant%s; see 'skein shard list' for the agents that report them",
                   cli->options.where[0] != '\0' ? " matches" : " is known");
    } else {
        cmd_tenant_list_table(cli, tenants);
        output_say("%zu tenant%s", json_array_size(tenants),
                   json_array_size(tenants) == 1 ? "" : "s");
    }
    json_decref(tenants);
    return EXIT_CODE_DONE;
}

static void cmd_tenant_show_text(const json_t *tenant)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    CLEANUP(buf_release) struct buf clean = { .size_max = OUTPUT_BYTES_MAX };
    const char *locked_by = field_text(tenant, "locked_by");

    buf_printf(&text, "tenant    %s\nversions  ", field_text(tenant, "tenant"));
    if (json_object_size(field_get(tenant, "versions")) > 0) {
        cmd_tenant_put_pairs(field_get(tenant, "versions"), " ", &text);
    } else {
        buf_puts(&text, field_flag(tenant, "has_objects")
                            ? "none, but it holds objects: it wants a baseline"
                            : "none");
    }
    buf_puts(&text, "\nlabels    ");
    if (json_object_size(field_get(tenant, "labels")) > 0) {
        cmd_tenant_put_pairs(field_get(tenant, "labels"), "=", &text);
    } else {
        buf_puts(&text, "none");
    }
    buf_printf(&text, "\nlocked    %s\n", locked_by[0] != '\0' ? locked_by : "no");
    for (const char *line = buf_text(&text); *line != '\0';) {
        CLEANUP(buf_release) struct buf one = { .size_max = OUTPUT_BYTES_MAX };
        const size_t size = strcspn(line, "\n");
        buf_append(&one, line, size);
        style_clean(buf_text(&one), &clean);
        buf_puts(&clean, "\n");
        line += size + 1;
    }
    output_text(&clean);
}

int cmd_tenant_show(struct cli *cli)
{
    CLEANUP(buf_release) struct buf selector = { .size_max = TENANT_SELECTOR_BYTES };
    json_t *tenants = NULL;

    if (!cmd_tenant_selector(cli, cli->arguments[0], &selector)) {
        return EXIT_CODE_USAGE;
    }
    int code = cmd_tenant_find(cli, buf_text(&selector), &tenants, NULL);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    const json_t *tenant = json_array_get(tenants, 0);
    if (tenant == NULL) {
        output_say("no tenant '%s' is known; 'skein tenant list' shows them", cli->arguments[0]);
        code = EXIT_CODE_INTERNAL;
    } else if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, tenant);
    } else {
        cmd_tenant_show_text(tenant);
    }
    json_decref(tenants);
    return code;
}

/* ---- history ---- */

static void cmd_tenant_history_table(const struct cli *cli, const json_t *entries)
{
    static const struct table_column columns[] = {
        { "STARTED", false },   { "SET", false },   { "VERSION", false }, { "SCRIPT", false },
        { "DIRECTION", false }, { "STATE", false }, { "TOOK", true },     { "ROLLOUT", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    char took[DURATION_TEXT_BYTES];

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const double duration_ms = field_real(entry, "duration_ms");
        table_cell(&table, field_text(entry, "started_at"));
        table_cell(&table, field_text(entry, "set"));
        table_cell(&table, field_text(entry, "version"));
        table_cell(&table, field_text(entry, "script"));
        table_cell(&table, field_text(entry, "direction"));
        table_cell(&table, field_text(entry, "state"));
        if (duration_ms < 1000) {
            table_cell_f(&table, "%.1fms", duration_ms);
        } else {
            table_cell(&table, duration_format((uint64_t)duration_ms, took));
        }
        table_cell(&table, field_text(entry, "rollout"));
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_tenant_history(struct cli *cli)
{
    json_t *request = json_pack("{s:s, s:I}", "tenant", cli->arguments[0], "limit",
                                (json_int_t)cli->options.limit);
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got = call_unary(&cli->caller, "GetTenantHistory", request, CALL_REPEATABLE, &response,
                          &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    const json_t *entries = field_get(response, "entries");
    if (cli->format != OUTPUT_TABLE) {
        output_json_list(cli->format, entries);
    } else if (json_array_size(entries) == 0) {
        output_say("nothing was applied to %s yet", cli->arguments[0]);
    } else {
        cmd_tenant_history_table(cli, entries);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}
