/* cmd_shard.c - shards and audit events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/table.h"

enum { SHARD_CELL_BYTES = 8 << 10 };

/* A call without arguments whose answer is one list: a new array of its elements. */
static int cmd_shard_get_list(struct cli *cli, const char *method, json_t *request, const char *key,
                              json_t **ret_list)
{
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got = call_unary(&cli->caller, method, request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    *ret_list = json_incref(field_get(response, key));
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* "4m 05s": how long ago. */
static void cmd_shard_cell_age(struct table *table, uint64_t since_ms)
{
    char text[STYLE_DURATION_BYTES];
    const int64_t now_ms = clock_wall_ms();

    if (since_ms == 0 || (int64_t)since_ms > now_ms) {
        table_cell(table, "");
    } else {
        table_cell(table, style_duration((uint64_t)now_ms - since_ms, text));
    }
}

static void cmd_shard_cell_labels(struct table *table, json_t *labels)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SHARD_CELL_BYTES };
    const char *key;
    json_t *value;

    json_object_foreach(labels, key, value)
    {
        buf_printf(&text, "%s%s=%s", text.size > 0 ? ", " : "", key, json_string_value(value));
    }
    table_cell(table, buf_text(&text));
}

/* `since_ms` becomes `since`, as times are written everywhere else. */
static json_t *cmd_shard_with_times(const json_t *list)
{
    json_t *shaped = json_array();

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_copy(json_array_get(list, i));
        field_copy_time(item, "since", json_array_get(list, i), "since_ms");
        json_object_del(item, "since_ms");
        json_array_append_new(shaped, item);
    }
    return shaped;
}

/* "2 of 8: a standby is behind", or just how many there are. */
static void cmd_shard_cell_workers(struct table *table, const json_t *shard)
{
    const char *reason = field_text(shard, "workers_reason");

    if (reason[0] == '\0') {
        table_cell_f(table, "%" PRIu64, field_u64(shard, "workers"));
    } else {
        table_cell_f(table, "%" PRIu64 " of %" PRIu64 ": %s", field_u64(shard, "workers_now"),
                     field_u64(shard, "workers"), reason);
    }
}

static void cmd_shard_list_table(const struct cli *cli, const json_t *shards)
{
    static const struct table_column columns[] = {
        { "SHARD", false },  { "STATE", false },   { "TENANTS", true },  { "WORKERS", true },
        { "AT WORK", true }, { "STANDBYS", true }, { "SINCE", true },    { "VERSION", false },
        { "PEER", false },   { "LABELS", false },  { "TROUBLE", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        table_cell(&table, field_text(shard, "name"));
        table_cell(&table, field_text(shard, "state"));
        table_cell_f(&table, "%" PRIu64, field_u64(shard, "tenants"));
        cmd_shard_cell_workers(&table, shard);
        table_cell_f(&table, "%" PRIu64, field_u64(shard, "tasks_in_flight"));
        table_cell_f(&table, "%" PRIu64, field_u64(shard, "standbys"));
        cmd_shard_cell_age(&table, field_u64(shard, "since_ms"));
        table_cell(&table, field_text(shard, "agent_version"));
        table_cell(&table, field_text(shard, "peer"));
        cmd_shard_cell_labels(&table, field_get(shard, "labels"));
        table_cell(&table, field_text(shard, "trouble"));
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_shard_list(struct cli *cli)
{
    json_t *shards = NULL;

    int code = cmd_shard_get_list(cli, "ListShards", json_object(), "shards", &shards);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    if (cli->format != OUTPUT_TABLE) {
        json_t *shaped = cmd_shard_with_times(shards);
        output_json_list(cli->format, shaped);
        json_decref(shaped);
    } else if (json_array_size(shards) == 0) {
        output_say(
            "no shard yet; start an agent: skein-agent --shard NAME --coordinator HOST:PORT");
    } else {
        cmd_shard_list_table(cli, shards);
    }
    json_decref(shards);
    return EXIT_CODE_DONE;
}

int cmd_shard_forget(struct cli *cli)
{
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    int code =
        cli_confirm(cli, "Forget shard %s? Its databases are not touched.", cli->arguments[0]);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    json_t *request =
        json_pack("{s:s, s:s}", "name", cli->arguments[0], "reason", cli->options.reason);
    bool forgotten =
        call_unary(&cli->caller, "ForgetShard", request, CALL_ONCE, &response, &end, &err);
    json_decref(request);
    if (!forgotten) {
        return cli_fail(cli, &end, &err);
    }
    if (cli->format != OUTPUT_TABLE) {
        json_object_set_new(response, "name", json_string(cli->arguments[0]));
        output_json(cli->format, response);
    } else {
        (void)printf("shard %s is forgotten\n", cli->arguments[0]);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}

int cmd_event_list(struct cli *cli)
{
    static const struct table_column columns[] = {
        { "TIME", false },   { "ACTOR", false },  { "ACTION", false },
        { "OBJECT", false }, { "REASON", false }, { "DETAIL", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    json_t *events = NULL;

    int code = cmd_shard_get_list(cli, "ListEvents",
                                  json_pack("{s:I}", "limit", (json_int_t)cli->options.limit),
                                  "events", &events);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        table_cell(&table, field_text(event, "at"));
        table_cell(&table, field_text(event, "actor"));
        table_cell(&table, field_text(event, "action"));
        table_cell(&table, field_text(event, "object"));
        table_cell(&table, field_text(event, "reason"));
        table_cell(&table, field_text(event, "detail"));
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json_list(cli->format, events);
    } else if (table_row_count(&table) == 0) {
        output_say("nothing has happened yet");
    } else {
        table_print(&table, &cli->style, &text);
        output_text(&text);
    }
    json_decref(events);
    return EXIT_CODE_DONE;
}
