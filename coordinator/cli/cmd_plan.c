/* cmd_plan.c - which tenants would go from where to where. */
#include <inttypes.h>
#include <string.h>

#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/plan_group.h"
#include "coordinator/cli/table.h"

struct plan_count {
    size_t total, pending, done, cannot;
};

/* {"tenant", "from", "to", "scripts", "error"} as interface.md promises it. */
static json_t *cmd_plan_shape_tenant(const json_t *planned, struct plan_count *count)
{
    const json_t *error = field_get(planned, "error");
    const char *code = field_text(error, "code");
    const char *from = field_text(planned, "from");
    const bool up_to_date = strcmp(code, "UP_TO_DATE") == 0;
    json_t *tenant = json_object();

    field_copy(tenant, "tenant", planned, "tenant");
    json_object_set_new(tenant, "from", from[0] == '\0' ? json_null() : json_string(from));
    field_copy(tenant, "to", planned, "to");
    field_copy(tenant, "scripts", planned, "scripts");
    count->total++;
    if (code[0] == '\0' || up_to_date) {
        bool moves = !up_to_date && (strcmp(from, field_text(planned, "to")) != 0 ||
                                     json_array_size(field_get(planned, "scripts")) > 0);
        count->pending += moves ? 1 : 0;
        count->done += moves ? 0 : 1;
        json_object_set_new(tenant, "error", json_null());
        return tenant;
    }
    count->cannot++;
    json_object_set_new(
        tenant, "error",
        json_pack("{s:s, s:s}", "code", code, "message", field_text(error, "message")));
    return tenant;
}

static json_t *cmd_plan_shape(const json_t *pages, struct plan_count *count)
{
    const json_t *first = json_array_get(pages, 0);
    json_t *plan = json_object();
    json_t *tenants = json_array();

    field_copy(plan, "set", first, "set");
    field_copy(plan, "target", first, "target");
    field_copy(plan, "digest", first, "digest");
    for (size_t i = 0; i < json_array_size(pages); i++) {
        const json_t *page = field_get(json_array_get(pages, i), "tenants");
        for (size_t j = 0; j < json_array_size(page); j++) {
            json_array_append_new(tenants, cmd_plan_shape_tenant(json_array_get(page, j), count));
        }
    }
    json_object_set_new(plan, "tenants", tenants);
    field_copy(plan, "shards_offline", first, "shards_offline");
    return plan;
}

static void cmd_plan_scripts(struct table *table, const json_t *tenant)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 20 };
    const json_t *scripts = field_get(tenant, "scripts");
    const json_t *error = field_get(tenant, "error");

    if (json_is_object(error)) {
        table_cell_f(table, "cannot: %s: %s", field_text(error, "code"),
                     field_text(error, "message"));
        return;
    }
    for (size_t i = 0; i < json_array_size(scripts); i++) {
        buf_printf(&text, "%s%s", i > 0 ? ", " : "", json_string_value(json_array_get(scripts, i)));
    }
    table_cell(table, text.size > 0 ? buf_text(&text) : "(none; the version moves)");
}

/* All of a few; of many, one and how many more there are: -o json names each. */
static void cmd_plan_names(struct table *table, const struct plan_group *group)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    if (group->count > PLAN_GROUP_TENANTS) {
        table_cell_f(table, "%s and %zu more", group->tenants[0], group->count - 1);
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        buf_printf(&text, "%s%s", i > 0 ? ", " : "", group->tenants[i]);
    }
    table_cell(table, buf_text(&text));
}

/* One line for each way to go. Tenants that are there already are only counted. */
static void cmd_plan_table(const struct cli *cli, const json_t *plan,
                           const struct plan_count *count)
{
    static const struct table_column columns[] = {
        { "TENANTS", false }, { "FROM", false }, { "TO", false }, { "SCRIPTS", false }
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct plan_groups groups = plan_group_make(field_get(plan, "tenants"), &arena);

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < groups.count; i++) {
        const struct plan_group *group = &groups.items[i];
        cmd_plan_names(&table, group);
        table_cell(&table, field_text(group->example, "from"));
        table_cell(&table, field_text(group->example, "to"));
        cmd_plan_scripts(&table, group->example);
    }
    if (table_row_count(&table) > 0) {
        table_print(&table, &cli->style, &text);
        buf_puts(&text, "\n");
    }
    buf_printf(&text, "%s %s %s: %zu tenant%s: %zu to migrate, %zu up to date, %zu cannot\n",
               field_text(plan, "set"), style_arrow(&cli->style), field_text(plan, "target"),
               count->total, count->total == 1 ? "" : "s", count->pending, count->done,
               count->cannot);
    output_text(&text);
}

static bool cmd_plan_has_shard(const json_t *plan, const char *shard)
{
    const json_t *tenants = field_get(plan, "tenants");
    const size_t size = strlen(shard);

    for (size_t i = 0; i < json_array_size(tenants); i++) {
        const char *tenant = field_text(json_array_get(tenants, i), "tenant");

        if (strncmp(tenant, shard, size) == 0 && tenant[size] == '/') {
            return true;
        }
    }
    return false;
}

static void cmd_plan_say_offline(const json_t *plan)
{
    const json_t *shards = field_get(plan, "shards_offline");

    for (size_t i = 0; i < json_array_size(shards); i++) {
        const char *shard = json_string_value(json_array_get(shards, i));

        if (cmd_plan_has_shard(plan, shard)) {
            output_say("the agent of shard %s is away: its tenants are as it knew them last",
                       shard);
        } else {
            output_say("the tenants of shard %s are not known now, so they are not in this plan",
                       shard);
        }
    }
}

int cmd_plan(struct cli *cli)
{
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "set", cli->arguments[0], "target",
                                cli->options.to, "selector", cli->options.tenants,
                                "baseline_unmanaged", cli->options.baseline_unmanaged);
    struct plan_count count = { 0 };
    json_t *pages = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool planned = call_pages(&cli->caller, "Plan", request, &pages, &end, &err);
    json_decref(request);
    if (!planned) {
        return cli_fail(cli, &end, &err);
    }
    json_t *plan = cmd_plan_shape(pages, &count);
    json_decref(pages);
    if (cli->format == OUTPUT_JSON) {
        output_json(cli->format, plan);
    } else if (cli->format == OUTPUT_NDJSON) {
        output_json_list(cli->format, field_get(plan, "tenants"));
    } else {
        cmd_plan_table(cli, plan, &count);
    }
    cmd_plan_say_offline(plan);
    json_decref(plan);
    if (cli->options.exit_code && count.pending + count.cannot > 0) {
        return EXIT_CODE_PENDING;
    }
    return EXIT_CODE_DONE;
}
