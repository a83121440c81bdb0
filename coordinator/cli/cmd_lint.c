/* cmd_lint.c - scripts checked without a coordinator. */
#include "coordinator/cli/cmd_lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/lint_view.h"

static void cmd_lint_sql_parser_free(struct sql_parser **parser)
{
    if (*parser != NULL) {
        sql_parser_free(parser);
    }
}

/* The set's name where skein.yaml gives none: its folder's. */
static void cmd_lint_folder_name(const char *directory, char name[NAME_BYTES_MAX + 1])
{
    CLEANUP(memory_free) char *path = realpath(directory, NULL);
    const char *slash = path == NULL ? NULL : strrchr(path, '/');

    snprintf(name, NAME_BYTES_MAX + 1, "%s", slash == NULL ? directory : slash + 1);
}

bool cmd_lint_read_set(const char *directory, struct arena *arena, struct set_file **ret_files,
                       size_t *ret_count, struct set *ret_set, struct error *err)
{
    char name[NAME_BYTES_MAX + 1];

    cmd_lint_folder_name(directory, name);
    return set_read_files(directory, arena, ret_files, ret_count, err) &&
           set_parse(*ret_files, *ret_count, name, ret_set, err);
}

static void cmd_lint_directory(const char *directory, struct sql_parser *parser, json_t *view)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(set_release) struct set set = { 0 };
    struct set_file *files = NULL;
    size_t count = 0;
    struct error err = { 0 };

    if (!cmd_lint_read_set(directory, &arena, &files, &count, &set, &err)) {
        const struct lint_finding finding = {
            .severity = "error", .rule = "set", .file = directory, .message = err.message
        };
        lint_view_add_finding(view, &finding);
        return;
    }
    lint_view_add_set(view, parser, &set);
}

static bool cmd_lint_file(const char *path, struct sql_parser *parser, json_t *view,
                          struct error *err)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };

    if (!file_read(path, &text, err)) {
        return false;
    }
    bool transactional = strstr(buf_text(&text), "-- skein:transaction none") == NULL;
    lint_view_add_script(view, parser, path, buf_view(&text), transactional, true);
    return true;
}

int cmd_lint(struct cli *cli)
{
    CLEANUP(cmd_lint_sql_parser_free) struct sql_parser *parser = NULL;
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };
    struct error err = { 0 };

    if (cli->options.schema[0] != '\0' || cli->options.trace[0] != '\0') {
        return cli_usage(cli, "--%s is not available in this version",
                         cli->options.schema[0] != '\0' ? "schema" : "trace");
    }
    parser = sql_parser_new();
    json_t *view = lint_view_new();
    for (size_t i = 0; i < cli->argument_count; i++) {
        struct stat status;
        if (stat(cli->arguments[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            cmd_lint_directory(cli->arguments[i], parser, view);
        } else if (!cmd_lint_file(cli->arguments[i], parser, view, &err)) {
            json_decref(view);
            return cli_usage(cli, "%s", err.message);
        }
    }
    if (cli->format != OUTPUT_TABLE) {
        output_json(cli->format, view);
    } else {
        lint_view_print(view, &cli->style, &text);
        output_text(&text);
    }
    const bool clean = lint_view_errors(view) == 0;
    json_decref(view);
    return clean ? EXIT_CODE_DONE : EXIT_CODE_REJECTED;
}
