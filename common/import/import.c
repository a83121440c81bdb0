#include "common/import/import.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/import/import_script.h"
#include "common/import/import_work.h"
#include "common/lint/set_lint.h"

enum { IMPORT_NAME_BYTES_MAX = 100 };

static const struct {
    import_function *function;
    const char *expected; /* what a folder of this tool holds */
    bool by_text;         /* the tool orders by the name, not by the number in it */
} import_tools[LEDGER_TOOL_COUNT] = {
    [LEDGER_FLYWAY] = { import_flyway, "V1__name.sql", false },
    [LEDGER_DBMATE] = { import_dbmate, "20240131120000_name.sql", true },
    [LEDGER_GOLANG_MIGRATE] = { import_golang_migrate, "1_name.up.sql", false },
    [LEDGER_GOOSE] = { import_goose, "00001_name.sql", false },
    [LEDGER_SQITCH] = { import_sqitch, "sqitch.plan and deploy/name.sql", false },
    [LEDGER_DIESEL] = { import_diesel, "2024-01-31-120000_name/up.sql", true },
    [LEDGER_PRISMA] = { import_prisma, "20240131120000_name/migration.sql", true },
};

void import_result_release(struct import_result *result)
{
    arena_release(&result->arena);
    *result = (struct import_result){ 0 };
}

static void import_work_release(struct import_work *work)
{
    free(work->migrations);
    free(work->repeatables);
}

/* Letters, digits, '_' and '-'. */
static const char *import_file_name(struct import_work *work, const char *name)
{
    char *text = arena_strndup(work->arena, name, strnlen(name, IMPORT_NAME_BYTES_MAX));
    size_t size = 0;

    for (const char *at = text; *at != '\0'; at++) {
        bool good = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                    (*at >= '0' && *at <= '9') || *at == '-' || *at == '_';
        if (good || (size > 0 && text[size - 1] != '_')) {
            char c = *at;
            text[size++] = '_';
            if (good) {
                text[size - 1] = c;
            }
        }
    }
    text[size] = '\0';
    return size == 0 ? "migration" : text;
}

static int import_compare_migrations(const void *a, const void *b)
{
    const struct import_migration *x = a;
    const struct import_migration *y = b;
    struct semver left = { 0 };
    struct semver right = { 0 };
    struct error unused = { 0 };

    /* Both are made by ledger_version. */
    if (!semver_parse(x->version, &left, &unused) || !semver_parse(y->version, &right, &unused)) {
        return strcmp(x->version, y->version);
    }
    int order = semver_compare(&left, &right);
    return order != 0 ? order : strcmp(x->up.file, y->up.file);
}

static void import_put(struct import_result *result, const char *path, struct bytes content)
{
    result->files[result->file_count++] = (struct set_file){ path, content };
}

/* Of two migrations with one version the first stays. */
static void import_put_migration(struct import_work *work, struct import_result *result, size_t i)
{
    const struct import_migration *migration = &work->migrations[i];
    const struct import_migration *last = i == 0 ? NULL : migration - 1;
    const char *base = arena_printf(work->arena, "%s__%s", migration->version,
                                    import_file_name(work, migration->name));

    if (last != NULL && strcmp(last->version, migration->version) == 0) {
        import_problem(work, migration->up.file, 0,
                       "it has the same version as '%s'; one of the two can be carried over",
                       last->up.file);
        return;
    }
    if (last != NULL && import_tools[work->request->tool].by_text &&
        strcmp(import_base_name(last->up.file), import_base_name(migration->up.file)) > 0) {
        import_problem(work, migration->up.file, 0,
                       "%s runs it before '%s', as it orders by the text of names; skein orders by "
                       "the number",
                       ledger_tool_name(work->request->tool), last->up.file);
    }
    import_put(result, arena_printf(work->arena, "%s.sql", base),
               import_script_make(work, &migration->up, migration->ledger));
    result->migration_count++;
    result->latest = migration->version;
    if (migration->down.file != NULL && !import_script_is_empty(migration->down.text)) {
        import_put(result, arena_printf(work->arena, "%s.down.sql", base),
                   import_script_make(work, &migration->down, NULL));
        result->rollback_count++;
    }
}

static void import_put_repeatable(struct import_work *work, struct import_result *result,
                                  const struct import_repeatable *repeatable)
{
    const char *path =
        arena_printf(work->arena, "R__%s.sql", import_file_name(work, repeatable->name));

    import_put(result, path, import_script_make(work, &repeatable->script, NULL));
}

static void import_put_settings(struct import_work *work, struct import_result *result)
{
    const char *tool = ledger_tool_name(work->request->tool);
    bool prereleases = false;

    for (size_t i = 0; i < work->migration_count; i++) {
        prereleases = prereleases || strchr(work->migrations[i].version, '-') != NULL;
    }
    import_put(result, "skein.yaml",
               bytes_of_text(arena_printf(
                   work->arena,
                   "name: %s\n%s"
                   "# With this line skein writes %s's own history table, too, in the same "
                   "transaction:\n# ledger: %s\n",
                   work->request->set_name, prereleases ? "prereleases: true\n" : "", tool, tool)));
}

/* What publishing would refuse is said now. */
static void import_lint(struct import_work *work, const struct set *set)
{
    CLEANUP(lint_report_release) struct lint_report report = { 0 };
    struct lint_run run;

    if (work->problem_count > 0) {
        return; /* lint would only say it again */
    }
    lint_run_begin(&run, work->request->parser, &report);
    set_lint(&run, set);
    lint_run_end(&run);
    for (size_t i = 0; i < report.count; i++) {
        const struct lint_finding *finding = &report.findings[i];
        if (strcmp(finding->severity, "error") == 0) {
            import_problem(work, finding->file, finding->line, "%s (lint: %s)", finding->message,
                           finding->rule);
        }
    }
}

static bool import_make_files(struct import_work *work, struct import_result *result)
{
    size_t most = 2 * work->migration_count + work->repeatable_count + 1;
    CLEANUP(set_release) struct set set = { 0 };

    result->files = arena_alloc_array(work->arena, most, sizeof(*result->files));
    if (work->migration_count > 0) {
        qsort(work->migrations, work->migration_count, sizeof(*work->migrations),
              import_compare_migrations);
    }
    for (size_t i = 0; i < work->migration_count; i++) {
        import_put_migration(work, result, i);
    }
    for (size_t i = 0; i < work->repeatable_count; i++) {
        import_put_repeatable(work, result, &work->repeatables[i]);
    }
    import_put_settings(work, result);
    if (!set_parse(result->files, result->file_count, work->request->set_name, &set, work->err)) {
        return error_wrap(work->err, "the set that was made of it");
    }
    import_lint(work, &set);
    return true;
}

bool import_run(const struct import_request *request, struct import_result *ret_result,
                struct error *err)
{
    CLEANUP(import_result_release) struct import_result result = { .latest = "" };
    CLEANUP(import_work_release)
    struct import_work work = { .request = request, .arena = &result.arena, .err = err };

    assert(request->tool > LEDGER_NONE && request->tool < LEDGER_TOOL_COUNT);
    if (!import_tools[request->tool].function(&work)) {
        return false;
    }
    if (work.migration_count + work.repeatable_count == 0) {
        return error_set(
            err, ERR_INVALID, "no migration of %s is there, expected files such as %s%s%s",
            ledger_tool_name(request->tool), import_tools[request->tool].expected,
            work.remark_count > 0 ? "; " : "", work.remark_count > 0 ? work.remarks[0].text : "");
    }
    if (!import_make_files(&work, &result)) {
        return false;
    }
    result.remarks = work.remarks;
    result.remark_count = work.remark_count;
    result.problem_count = work.problem_count;
    *ret_result = TAKE(result);
    return true;
}
