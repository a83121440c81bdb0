#include "coordinator/cli/cmd_lint_database.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/semver.h"
#include "common/pg/pg_conn.h"
#include "common/survey/survey.h"
#include "coordinator/cli/output.h"

enum { CMD_LINT_LOCK_TIMEOUT_MS = 2000 }; /* for a table that somebody holds against everybody */

static const char cmd_lint_has_journal[] =
    "SELECT pg_catalog.has_table_privilege('skein.tenant', 'SELECT')"
    " WHERE pg_catalog.to_regclass('skein.tenant') IS NOT NULL";
/* A tenant that is a database has its name there. */
static const char cmd_lint_version[] =
    "SELECT version FROM skein.tenant WHERE set_name = $1 AND version IS NOT NULL"
    " AND tenant = CASE WHEN $2 = '' THEN pg_catalog.current_database() ELSE $2 END";

bool cmd_lint_database_sizes(const struct cli *cli, struct lint_run *run)
{
    return cli_size(cli, "size-note", cli->options.size_note, LINT_NOTE_BYTES,
                    &run->sizes.note_bytes) &&
           cli_size(cli, "size-error", cli->options.size_error, LINT_ERROR_BYTES,
                    &run->sizes.error_bytes);
}

void cmd_lint_database_sizes_of_set(const struct cli *cli, const struct set *set,
                                    struct lint_run *run)
{
    if (set->sizes.has_note && cli->options.size_note[0] == '\0') {
        run->sizes.note_bytes = set->sizes.note_bytes;
    }
    if (set->sizes.has_error && cli->options.size_error[0] == '\0') {
        run->sizes.error_bytes = set->sizes.error_bytes;
    }
}

bool cmd_lint_database_load(const struct cli *cli, struct lint_run *run, struct error *err)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;
    CLEANUP(survey_release) struct survey survey = { 0 };
    const struct survey_call call = { .schema = cli->options.search_path,
                                      .lock_timeout_ms = CMD_LINT_LOCK_TIMEOUT_MS };

    if (cli->options.database[0] == '\0') {
        return true;
    }
    if (!pg_conn_open(cli->options.database, "", "skein lint", &conn, err) ||
        !survey_read(conn, &call, &survey, NULL, err)) {
        return error_wrap(err, "--database");
    }
    if (survey.count == 0 && call.schema[0] != '\0') {
        return error_set(err, ERR_NOT_FOUND, "--database: there is nothing in a schema '%s'",
                         call.schema);
    }
    survey_load(&survey, run);
    return true;
}

/* "" where the journal says nothing, or is not there. */
static bool cmd_lint_database_version(const struct cli *cli, const struct set *set,
                                      struct arena *arena, const char **ret_version,
                                      struct error *err)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;
    CLEANUP(pg_result_free) struct pg_result *has = NULL;
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const char *const parameters[] = { set->name, cli->options.search_path };

    *ret_version = "";
    if (!pg_conn_open(cli->options.database, "", "skein lint", &conn, err) ||
        !pg_query(conn, cmd_lint_has_journal, NULL, 0, &has, NULL, err)) {
        return error_wrap(err, "--database");
    }
    if (pg_result_row_count(has) == 0) {
        return true;
    }
    if (!pg_result_bool(has, 0, 0)) {
        return error_set(err, ERR_REFUSED,
                         "--database: this role may not read skein's journal: say with --from "
                         "VERSION where the tenant is");
    }
    if (!pg_query(conn, cmd_lint_version, parameters, COUNT_OF(parameters), &rows, NULL, err)) {
        return error_wrap(err, "--database");
    }
    if (pg_result_row_count(rows) > 0) {
        *ret_version = arena_strdup(arena, pg_result_text(rows, 0, 0));
    }
    return true;
}

bool cmd_lint_database_first(const struct cli *cli, const struct set *set, size_t *ret_first,
                             struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *from = cli->options.from;
    struct semver version;

    *ret_first = 0;
    if (cli->options.database[0] == '\0' ||
        (from[0] == '\0' && !cmd_lint_database_version(cli, set, &arena, &from, err))) {
        return cli->options.database[0] == '\0';
    }
    if (from[0] == '\0') {
        output_say("the journal there knows no version of %s, so every script of it is taken to be "
                   "still to run; --from VERSION says otherwise",
                   set->name);
        return true;
    }
    if (!semver_parse(from, &version, err)) {
        return error_wrap(err, "--from");
    }
    while (*ret_first < set->migration_count &&
           semver_compare(&set->migrations[*ret_first].version, &version) <= 0) {
        (*ret_first)++;
    }
    output_say("%s is at %s there: scripts up to it are taken to be applied", set->name, from);
    return true;
}
