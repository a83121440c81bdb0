/* cmd_lint.c - scripts checked without a coordinator. */
#include "coordinator/cli/cmd_lint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/lint/set_lint.h"
#include "coordinator/cli/cmd.h"
#include "coordinator/cli/cmd_lint_database.h"
#include "coordinator/cli/cmd_lint_trace.h"
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

/* What is wrong with a set as one finding, at "FILE:LINE: " where the words begin with that. */
static void cmd_lint_add_set(struct lint_run *run, const char *directory, const char *words)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const size_t name = strcspn(words, ": ");
    char *end = NULL;

    if (name > 0 && words[name] == ':') {
        unsigned long line = strtoul(words + name + 1, &end, 10);

        if (end > words + name + 1 && strncmp(end, ": ", 2) == 0) {
            lint_run_add(run, LINT_SET, arena_strndup(&arena, words, name), (uint32_t)line,
                         end + 2);
            return;
        }
    }
    lint_run_add(run, LINT_SET, directory, 0, words);
}

/* A directory as a whole set; traced, too, where that is asked for. False: a database failed us. */
static bool cmd_lint_directory(struct cli *cli, struct lint_run *run, const char *directory,
                               struct trace *trace, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(set_release) struct set set = { 0 };
    struct set_file *files = NULL;
    size_t count = 0;
    size_t first = 0;
    struct error why = { 0 };

    if (!cmd_lint_read_set(directory, &arena, &files, &count, &set, &why)) {
        cmd_lint_add_set(run, directory, why.message);
        return true;
    }
    if (!cmd_lint_database_first(cli, &set, &first, err)) {
        return false;
    }
    const struct lint_sizes general = run->sizes;
    cmd_lint_database_sizes_of_set(cli, &set, run);
    set_lint_from(run, &set, first);
    run->sizes = general; /* what is read beside it is not of this set */
    return cli->options.trace[0] == '\0' || run->report->error_count > 0 ||
           cmd_lint_trace(cli, run, &set, trace, err);
}

static bool cmd_lint_file(struct lint_run *run, const char *path, struct error *err)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };

    if (!file_read(path, &text, err)) {
        return false;
    }
    bool transactional = strstr(buf_text(&text), "-- skein:transaction none") == NULL;
    lint_run_migration(run);
    lint_run_script(run, path, buf_view(&text), transactional);
    return true;
}

/* pg_dump writes lines for psql: \restrict and \unrestrict. */
static void cmd_lint_blank_restrict(struct buf *text)
{
    for (char *at = text->data; at != NULL && *at != '\0';) {
        char *end = strchrnul(at, '\n');

        if (strncmp(at, "\\restrict ", 10) == 0 || strncmp(at, "\\unrestrict ", 12) == 0) {
            memset(at, ' ', (size_t)(end - at));
        }
        at = *end == '\0' ? end : end + 1;
    }
}

bool cmd_lint_read_schema(const char *path, struct buf *text, struct error *err)
{
    if (!file_read(path, text, err)) {
        return false;
    }
    (void)buf_text(text); /* ends it with a NUL */
    cmd_lint_blank_restrict(text);
    return true;
}

static bool cmd_lint_schema(struct lint_run *run, const char *path, struct error *err)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };

    if (path[0] == '\0') {
        return true;
    }
    return cmd_lint_read_schema(path, &text, err) &&
           (lint_run_schema(run, buf_view(&text), err) || error_wrap(err, "%s", path));
}

static bool cmd_lint_read(struct cli *cli, struct lint_run *run, struct trace *trace,
                          struct error *err)
{
    if (!cmd_lint_schema(run, cli->options.schema, err) || !cmd_lint_database_load(cli, run, err)) {
        return false;
    }
    for (size_t i = 0; i < cli->argument_count; i++) {
        struct stat status;
        if (stat(cli->arguments[i], &status) == 0 && S_ISDIR(status.st_mode)) {
            if (!cmd_lint_directory(cli, run, cli->arguments[i], trace, err)) {
                return false;
            }
        } else if (!cmd_lint_file(run, cli->arguments[i], err)) {
            return false;
        }
    }
    return true;
}

/* The set's folder, for GitHub, which wants paths from the repository on; "" for single files. */
static const char *cmd_lint_folder(const struct cli *cli)
{
    struct stat status;
    const char *path = cli->arguments[0];
    const bool folder =
        cli->argument_count == 1 && stat(path, &status) == 0 && S_ISDIR(status.st_mode);

    return folder ? path : "";
}

static void cmd_lint_print(const struct cli *cli, const struct lint_report *report,
                           const struct trace *trace)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    if (cli->format != OUTPUT_TABLE) {
        json_t *view = lint_view_json(report, trace);
        output_json(cli->format, view);
        json_decref(view);
        return;
    }
    if (strcmp(cli->options.format, "github") == 0) {
        lint_view_github(report, cmd_lint_folder(cli), &text);
    } else {
        lint_view_print(report, trace, &cli->style, &text);
    }
    output_text(&text);
}

static size_t cmd_lint_warnings(const struct lint_report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++) {
        count += strcmp(report->findings[i].severity, "warning") == 0 ? 1 : 0;
    }
    return count;
}

static int cmd_lint_explain(const struct cli *cli)
{
    CLEANUP(buf_release) struct buf text = { .size_max = OUTPUT_BYTES_MAX };

    if (!lint_view_explain(cli->options.explain, &cli->style, &text)) {
        return cli_usage(cli, "there is no rule '%s': `skein lint --explain all` lists them",
                         cli->options.explain);
    }
    output_text(&text);
    return EXIT_CODE_DONE;
}

int cmd_lint(struct cli *cli)
{
    CLEANUP(cmd_lint_sql_parser_free) struct sql_parser *parser = NULL;
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    CLEANUP(trace_release) struct trace trace = { 0 };
    struct lint_run run;
    struct error err = { 0 };

    if (cli->options.explain[0] != '\0') {
        return cmd_lint_explain(cli);
    }
    if (cli->argument_count == 0) {
        return cli_usage(cli, "expected a directory or files to read");
    }
    if (cli->options.trace[0] != '\0' && !cmd_lint_trace_may(cli)) {
        return cli_usage(cli, "--trace runs a whole set: expected one directory");
    }
    bool live = cli->options.database[0] != '\0';
    if (live && (cli->options.trace[0] != '\0' || cli->options.schema[0] != '\0')) {
        return cli_usage(cli, "--database says what exists: it excludes --schema and --trace");
    }
    if (!live && (cli->options.search_path[0] != '\0' || cli->options.from[0] != '\0')) {
        return cli_usage(cli, "--search-path and --from are about a --database");
    }
    parser = sql_parser_new();
    lint_run_begin(&run, parser, &report);
    run.version = (uint32_t)cli->options.postgres_version;
    if (!cmd_lint_database_sizes(cli, &run)) {
        return EXIT_CODE_USAGE;
    }
    bool read = cmd_lint_read(cli, &run, &trace, &err);
    lint_run_end(&run);
    if (!read && (live || cli->options.trace[0] != '\0')) {
        output_say("%s", err.message);
        return err.code == ERR_UNAVAILABLE ? EXIT_CODE_UNREACHABLE : EXIT_CODE_INTERNAL;
    }
    if (!read) {
        return cli_usage(cli, "%s", err.message);
    }
    cmd_lint_print(cli, &report, &trace);
    const size_t bad = report.error_count + (cli->options.strict ? cmd_lint_warnings(&report) : 0);
    return bad == 0 ? EXIT_CODE_DONE : EXIT_CODE_REJECTED;
}
