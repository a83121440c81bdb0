/* cmd_import.c - another tool's folder of migrations made a set. */
#include <stdio.h>
#include <string.h>

#include "common/import/import.h"
#include "common/model/set_yaml.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/folder_write.h"

static const char *cmd_import_name(const char *out)
{
    const char *slash = strrchr(out, '/');

    return slash == NULL ? out : slash + 1;
}

static json_t *cmd_import_remarks(const struct import_result *result)
{
    json_t *list = json_array();

    for (size_t i = 0; i < result->remark_count; i++) {
        const struct import_remark *remark = &result->remarks[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:i, s:s}", "severity",
                                        remark->problem ? "problem" : "note", "file", remark->file,
                                        "line", (int)remark->line, "message", remark->text));
    }
    return list;
}

static void cmd_import_print_table(const struct cli *cli, const struct import_result *result,
                                   bool written)
{
    for (size_t i = 0; i < result->remark_count; i++) {
        const struct import_remark *remark = &result->remarks[i];
        (void)fprintf(stderr, "%-7s  %s", remark->problem ? "problem" : "note", remark->file);
        if (remark->line > 0) {
            (void)fprintf(stderr, ":%u", remark->line);
        }
        (void)fprintf(stderr, "  %s\n", remark->text);
    }
    if (written) {
        (void)printf("%s: %zu migration%s, %zu with a rollback, latest %s\n", cli->arguments[2],
                     result->migration_count, result->migration_count == 1 ? "" : "s",
                     result->rollback_count, result->latest);
    }
}

static void cmd_import_print(const struct cli *cli, const struct import_result *result,
                             const char *name, bool written)
{
    if (cli->format == OUTPUT_TABLE) {
        cmd_import_print_table(cli, result, written);
        return;
    }
    json_t *view = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:s, s:o}", "set", name, "tool",
                             cli->arguments[0], "folder", cli->arguments[2], "written", written,
                             "migrations", (json_int_t)result->migration_count, "rollbacks",
                             (json_int_t)result->rollback_count, "latest", result->latest,
                             "remarks", cmd_import_remarks(result));
    output_json(cli->format, view);
    json_decref(view);
}

static int cmd_import_finish(struct cli *cli, const struct import_request *request,
                             const struct import_result *result)
{
    const size_t problems = result->problem_count;
    const bool writes = problems == 0 || cli->options.force;
    struct error err = { 0 };

    if (writes && !folder_write(cli->arguments[2], result->files, result->file_count, &err)) {
        output_say("%s", err.message);
        return err.code == ERR_REFUSED ? EXIT_CODE_REFUSED : EXIT_CODE_INTERNAL;
    }
    cmd_import_print(cli, result, request->set_name, writes);
    if (problems > 0) {
        output_say("%zu problem%s: %s", problems, problems == 1 ? "" : "s",
                   writes ? "the set does not do all that the folder did"
                          : "nothing was written; --force writes what can be carried over");
    }
    return writes ? EXIT_CODE_DONE : EXIT_CODE_REJECTED;
}

int cmd_set_import(struct cli *cli)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(import_result_release) struct import_result result = { 0 };
    struct import_request request = { .tool = ledger_tool_find(cli->arguments[0]),
                                      .placeholders = cli->options.placeholder.items,
                                      .placeholder_count = cli->options.placeholder.count };
    struct set_file *files = NULL;
    struct error err = { 0 };

    if (request.tool == LEDGER_NONE) {
        return cli_usage(cli, "there is no importer for '%s', expected " LEDGER_TOOLS,
                         cli->arguments[0]);
    }
    char *out = arena_strdup(&arena, cli->arguments[2]);
    for (size_t size = strlen(out); size > 1 && out[size - 1] == '/'; size--) {
        out[size - 1] = '\0';
    }
    request.set_name = cmd_import_name(out);
    if (!set_yaml_is_set_name(request.set_name)) {
        return cli_usage(cli, "'%s' cannot be a set's name: give the new folder another one",
                         request.set_name);
    }
    if (!import_read_folder(cli->arguments[1], &arena, &files, &request.file_count, &err)) {
        return cli_usage(cli, "%s", err.message);
    }
    request.files = files;
    request.parser = sql_parser_new();
    int code = EXIT_CODE_REJECTED;
    if (import_run(&request, &result, &err)) {
        cli->arguments[2] = out;
        code = cmd_import_finish(cli, &request, &result);
    } else {
        output_say("%s", err.message);
    }
    sql_parser_free(&request.parser);
    return code;
}
