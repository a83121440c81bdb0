/* cmd_set.c - publishing and looking at migration sets. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/core/limits.h"
#include "common/wire/wire.h"
#include "coordinator/cli/cli.h"
#include "common/lint/set_lint.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_lint.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/lint_view.h"
#include "coordinator/cli/table.h"

/* ---- publish ---- */

static bool cmd_set_lint(const struct cli *cli, const struct set *set)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    struct sql_parser *parser = sql_parser_new();
    struct lint_run run;

    lint_run_begin(&run, parser, &report);
    set_lint(&run, set);
    lint_run_end(&run);
    sql_parser_free(&parser);
    if (report.error_count > 0 && cli->format != OUTPUT_TABLE) {
        json_t *view = lint_view_json(&report, &(const struct trace){ 0 });
        output_json(cli->format, view);
        json_decref(view);
    } else if (report.error_count > 0) {
        lint_view_print(&report, &(const struct trace){ 0 }, &cli->style, &text);
        (void)fputs(buf_text(&text), stderr);
    } else if (report.count > 0) {
        output_say("lint has %zu finding%s not stand in the way: skein lint '%s'", report.count,
                   report.count == 1 ? " that does" : "s that do", cli->arguments[0]);
    }
    return report.error_count == 0;
}

static void cmd_set_print_published(const struct cli *cli, const json_t *response)
{
    if (cli->format != OUTPUT_TABLE) {
        json_t *shaped = json_deep_copy(response);
        json_object_set_new(shaped, "dry_run", json_boolean(cli->options.dry_run));
        output_json(cli->format, shaped);
        json_decref(shaped);
        return;
    }
    const char *what = cli->options.dry_run              ? "would be published"
                       : field_flag(response, "changed") ? "published"
                                                         : "was there already, unchanged";
    (void)printf("%s %s %s: %" PRIu64 " migrations, latest %s\n", field_text(response, "set"),
                 field_text(response, "digest"), what, field_u64(response, "migrations"),
                 field_text(response, "latest"));
}

/* Sent again as a whole when it is repeated: the set is known by its content, so publishing it
 * twice is publishing it once. */
static int cmd_set_upload(struct cli *cli, struct bytes archive, struct arena *arena)
{
    const size_t count = archive.size == 0 ? 1 : (archive.size - 1) / SET_CHUNK_BYTES + 1;
    struct bytes *requests = arena_alloc_array(arena, count, sizeof(*requests));
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    for (size_t i = 0; i < count; i++) {
        size_t from = i * SET_CHUNK_BYTES;
        size_t size = archive.size - from < SET_CHUNK_BYTES ? archive.size - from : SET_CHUNK_BYTES;
        const struct bytes chunk = { .data = archive.data + from, .size = size };
        requests[i] = wire_encode_publish_set_request(chunk, i == 0 && cli->options.dry_run,
                                                      i == 0 ? cli->options.reason : "", arena);
    }
    if (!call_upload(&cli->caller, "PublishSet", requests, count, &response, &end, &err)) {
        output_say("%s", err.message);
        /* What was sent is a set, not a command line: when the coordinator finds it wrong, that is
         * a "no" of its checks. */
        return end.status == RPC_INVALID_ARGUMENT
                   ? EXIT_CODE_REJECTED
                   : (int)exit_code_of_status(end.status, cli->has_deadline);
    }
    cmd_set_print_published(cli, response);
    json_decref(response);
    return EXIT_CODE_DONE;
}

/* The folder's name does not travel, but the set's has to: where skein.yaml gives none (or is not
 * there), the name is added to it. Appended, since what stands first may be a document marker. */
static bool cmd_set_name_files(const struct set *set, struct arena *arena, struct set_file **files,
                               size_t *count, struct error *err)
{
    CLEANUP(set_release) struct set probe = { 0 };
    struct set_file *named = arena_alloc_array(arena, *count + 1, sizeof(*named));
    size_t named_count = 0;
    const char *text = arena_printf(arena, "name: %s\n", set->name);
    struct error unused;

    if (set_parse(*files, *count, "", &probe, &unused)) {
        return true;
    }
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*files)[i].path, "skein.yaml") == 0) {
            text = arena_printf(arena, "%.*s\n%s", (int)(*files)[i].content.size,
                                (const char *)(*files)[i].content.data, text);
        } else {
            named[named_count++] = (*files)[i];
        }
    }
    size_t at = named_count;
    for (; at > 0 && strcmp(named[at - 1].path, "skein.yaml") > 0; at--) {
        named[at] = named[at - 1];
    }
    named[at] = (struct set_file){ .path = "skein.yaml", .content = bytes_of_text(text) };
    named_count++;
    if (!set_parse(named, named_count, "", &probe, err)) {
        return error_wrap(err, "put 'name: %s' into skein.yaml", set->name);
    }
    *files = named;
    *count = named_count;
    return true;
}

int cmd_set_publish(struct cli *cli)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(set_release) struct set set = { 0 };
    struct set_file *files = NULL;
    size_t count = 0;
    struct error err = { 0 };
    struct stat status;

    if (stat(cli->arguments[0], &status) != 0 || !S_ISDIR(status.st_mode)) {
        return cli_usage(cli, "'%s' is not a directory", cli->arguments[0]);
    }
    if (!cmd_lint_read_set(cli->arguments[0], &arena, &files, &count, &set, &err) ||
        !cmd_set_name_files(&set, &arena, &files, &count, &err)) {
        output_say("%s", err.message);
        return EXIT_CODE_REJECTED;
    }
    if (!cmd_set_lint(cli, &set)) {
        output_say("'%s' was not published: its scripts have errors", set.name);
        return EXIT_CODE_REJECTED;
    }
    return cmd_set_upload(cli, wire_encode_set_archive(files, count, &arena), &arena);
}

/* ---- list and show ---- */

static void cmd_set_list_table(const struct cli *cli, const json_t *sets)
{
    static const struct table_column columns[] = {
        { "SET", false },    { "LATEST", false },    { "MIN VERSION", false },
        { "DIGEST", false }, { "PUBLISHED", false }, { "BY", false },
    };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    table_init(&table, columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const json_t *set = json_array_get(sets, i);
        table_cell(&table, field_text(set, "name"));
        table_cell(&table, field_text(set, "latest"));
        table_cell(&table, field_text(set, "min_version"));
        table_cell_f(&table, "%.19s", field_text(set, "digest")); /* "sha256:" and 12 digits */
        table_cell(&table, field_text(set, "published_at"));
        table_cell(&table, field_text(set, "published_by"));
    }
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_set_list(struct cli *cli)
{
    json_t *request = json_object();
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got =
        call_unary(&cli->caller, "ListSets", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    const json_t *sets = field_get(response, "sets");
    if (cli->format != OUTPUT_TABLE) {
        output_json_list(cli->format, sets);
    } else if (json_array_size(sets) == 0) {
        output_say("no set yet; publish one: skein set publish DIR");
    } else {
        cmd_set_list_table(cli, sets);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}

static void cmd_set_show_operations(struct table *table, const json_t *migrations)
{
    for (size_t i = 0; i < json_array_size(migrations); i++) {
        const json_t *migration = json_array_get(migrations, i);
        const json_t *operations = field_get(migration, "operations");
        for (size_t j = 0; j < json_array_size(operations); j++) {
            const json_t *operation = json_array_get(operations, j);
            table_cell(table, field_text(migration, "version"));
            table_cell(table, field_text(operation, "path"));
            table_cell(table, field_text(operation, "kind"));
            table_cell(table, field_flag(operation, "has_rollback") ? "yes" : "");
            table_cell_f(table, "%.12s", field_text(operation, "checksum"));
        }
    }
}

static void cmd_set_show_table(const struct cli *cli, const json_t *set)
{
    static const struct table_column columns[] = { { "VERSION", false },
                                                   { "OPERATION", false },
                                                   { "KIND", false },
                                                   { "ROLLBACK", false },
                                                   { "CHECKSUM", false } };
    CLEANUP(table_release) struct table table = { 0 };
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    const json_t *head = field_get(set, "head");

    buf_printf(&text, "set        %s\ndigest     %s\nlatest     %s\n", field_text(head, "name"),
               field_text(head, "digest"), field_text(head, "latest"));
    if (field_text(head, "min_version")[0] != '\0') {
        buf_printf(&text, "minimum    %s\n", field_text(head, "min_version"));
    }
    if (field_text(set, "reference")[0] != '\0') {
        buf_printf(&text, "reference  %s\n", field_text(set, "reference"));
    }
    buf_printf(&text, "published  %s by %s\n\n", field_text(head, "published_at"),
               field_text(head, "published_by"));
    table_init(&table, columns, COUNT_OF(columns));
    cmd_set_show_operations(&table, field_get(set, "migrations"));
    cmd_set_show_operations(&table, field_get(set, "repeatables"));
    cmd_set_show_operations(&table, field_get(set, "hooks"));
    table_print(&table, &cli->style, &text);
    output_text(&text);
}

int cmd_set_show(struct cli *cli)
{
    const char *at = strchr(cli->arguments[0], '@');
    const size_t size = at == NULL ? strlen(cli->arguments[0]) : (size_t)(at - cli->arguments[0]);
    json_t *request = json_pack("{s:s%, s:s}", "set", cli->arguments[0], size, "digest",
                                at == NULL ? "" : at + 1);
    json_t *response = NULL;
    struct rpc_end end;
    struct error err = { 0 };

    bool got = call_unary(&cli->caller, "GetSet", request, CALL_REPEATABLE, &response, &end, &err);
    json_decref(request);
    if (!got) {
        return cli_fail(cli, &end, &err);
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, response);
    } else {
        cmd_set_show_table(cli, response);
    }
    json_decref(response);
    return EXIT_CODE_DONE;
}
