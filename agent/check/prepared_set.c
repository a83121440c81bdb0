#include "agent/check/prepared_set.h"

#include <assert.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/check/prepared_kind.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/lint/set_lint.h"

struct prepared_set {
    atomic_uint references;
    atomic_bool surprising;
    struct set model;
    struct lint_report lint;
    struct prepared_operation
        *operations; /* of all migrations in a row, then the repeatable ones, then the hooks */
    size_t operation_count;
    size_t first_repeatable;
    size_t *first_operations; /* by migration */
    const struct prepared_operation *hooks[SET_HOOK_COUNT];
};

static bool prepared_set_refuse(struct prepared_file *file, uint32_t statement, uint32_t line,
                                const char *why)
{
    file->problem.kind = SQL_PROBLEM_LIMIT;
    file->problem.statement = statement;
    file->problem.line = line;
    return error_set(&file->problem.error, ERR_INVALID, "%s", why);
}

static bool prepared_set_begins_with(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncasecmp(text, word, length) == 0 && !isalnum((unsigned char)text[length]) &&
           text[length] != '_';
}

/* COPY from or to the client: there is no client behind a script. */
static bool prepared_set_is_client_copy(const char *text)
{
    static const char *const ends[] = { "stdin", "stdout" };

    if (!prepared_set_begins_with(text, "copy")) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const char *at = strcasestr(text, ends[i]);

        if (at != NULL && isspace((unsigned char)at[-1])) {
            return true;
        }
    }
    return false;
}

/* May say yes too often, which costs a few settings more; a no that is wrong only lets a script see
 * what an earlier script of the same tenant left. */
static bool prepared_set_changes_settings(const char *text)
{
    return prepared_set_begins_with(text, "set") || prepared_set_begins_with(text, "reset") ||
           strcasestr(text, "set_config") != NULL || strcasestr(text, "search_path") != NULL ||
           strcasestr(text, "set role") != NULL || strcasestr(text, "set session") != NULL ||
           strcasestr(text, "set local") != NULL;
}

static void prepared_set_look(struct prepared_file *file)
{
    for (size_t i = 0; i < file->script.count; i++) {
        const struct sql_statement *s = &file->script.statements[i];

        if (prepared_set_is_client_copy(s->text)) {
            (void)prepared_set_refuse(
                file, s->number, s->line,
                "COPY from stdin or to stdout cannot run here: no client feeds it; write INSERT "
                "... VALUES, or COPY from a file of the server");
            return;
        }
        if (prepared_set_changes_settings(s->text)) {
            file->changes_settings = true;
        }
    }
}

static void prepared_set_loosen(struct sql_parser *parser, struct prepared_file *file)
{
    file->loose = memory_alloc_array(file->script.count + 1, sizeof(*file->loose));
    for (size_t i = 0; i < file->script.count; i++) {
        if (!sql_loose_parse(parser, &file->script.statements[i], &file->loose[i],
                             &file->problem)) {
            return;
        }
    }
}

static void prepared_set_parse_sql(struct sql_parser *parser, struct bytes content,
                                   const struct operation_settings *settings,
                                   struct prepared_file *file)
{
    if (sql_script_parse(parser, content, &file->script, &file->problem)) {
        prepared_set_look(file);
    }
    if (!settings->transaction && file->problem.kind == SQL_PROBLEM_NONE) {
        prepared_set_loosen(parser, file);
    }
}

static void prepared_set_parse(struct sql_parser *parser, const struct operation *operation,
                               bool down, struct prepared_file *file)
{
    enum operation_kind kind = down ? operation->down_kind : operation->kind;
    const struct prepared_kind *prepared = prepared_kind_find(kind);

    if (kind == OPERATION_SQL) {
        prepared_set_parse_sql(parser, down ? operation->down_content : operation->content,
                               down ? &operation->down_settings : &operation->settings, file);
    } else if (prepared != NULL) {
        (void)prepared->prepare(parser, operation, down, &file->data, &file->problem);
    } else {
        file->problem.kind = SQL_PROBLEM_LIMIT;
        (void)error_set(&file->problem.error, ERR_INVALID,
                        "this agent cannot run operations of the kind '%s' yet",
                        operation_kind_name(kind));
    }
}

static void prepared_set_release_file(enum operation_kind kind, struct prepared_file *file)
{
    for (size_t i = 0; file->loose != NULL && i < file->script.count; i++) {
        sql_loose_release(&file->loose[i]);
    }
    free(file->loose);
    sql_script_release(&file->script);
    if (file->data != NULL) {
        prepared_kind_find(kind)->release(file->data);
    }
}

static void prepared_set_parse_all(struct prepared_set *set, struct sql_parser *parser)
{
    size_t next = 0;

    for (size_t m = 0; m < set->model.migration_count; m++) {
        set->operation_count += set->model.migrations[m].operation_count;
    }
    set->first_repeatable = set->operation_count;
    set->operation_count += set->model.repeatable_count;
    for (int h = 0; h < SET_HOOK_COUNT; h++) {
        set->operation_count += set->model.hooks[h] != NULL ? 1 : 0;
    }
    set->operations = memory_alloc_array(set->operation_count + 1, sizeof(*set->operations));
    set->first_operations =
        memory_alloc_array(set->model.migration_count + 1, sizeof(*set->first_operations));
    for (size_t m = 0; m < set->model.migration_count; m++) {
        const struct migration *migration = &set->model.migrations[m];

        set->first_operations[m] = next;
        for (size_t o = 0; o < migration->operation_count; o++) {
            struct prepared_operation *prepared = &set->operations[next++];

            prepared->operation = &migration->operations[o];
            prepared_set_parse(parser, prepared->operation, false, &prepared->up);
            if (prepared->operation->down_path != NULL) {
                prepared_set_parse(parser, prepared->operation, true, &prepared->down);
            }
        }
    }
    for (size_t r = 0; r < set->model.repeatable_count; r++) {
        struct prepared_operation *prepared = &set->operations[next++];

        prepared->operation = &set->model.repeatables[r].operations[0];
        prepared_set_parse(parser, prepared->operation, false, &prepared->up);
    }
    for (int h = 0; h < SET_HOOK_COUNT; h++) {
        if (set->model.hooks[h] != NULL) {
            struct prepared_operation *prepared = &set->operations[next++];

            prepared->operation = &set->model.hooks[h]->operations[0];
            prepared_set_parse(parser, prepared->operation, false, &prepared->up);
            set->hooks[h] = prepared;
        }
    }
}

static void prepared_set_foresee_file(const struct lint_report *lint,
                                      const struct operation *operation, struct prepared_file *file)
{
    bool opaque = false;
    size_t first = 0;
    size_t count = 0;

    while (first < lint->statement_count &&
           strcmp(lint->statements[first].file, operation->path) != 0) {
        first++;
    }
    const struct lint_statement *statements = &lint->statements[first];
    while (first + count < lint->statement_count &&
           strcmp(statements[count].file, operation->path) == 0) {
        opaque = opaque || statements[count].opaque;
        count++;
    }
    bool all = operation->kind == OPERATION_BATCH || count == file->script.count;
    if (count > 0 && all && !opaque) {
        file->foreseen = statements;
        file->foreseen_count = count;
    }
}

static bool prepared_set_grows(enum lint_rule rule)
{
    return rule == LINT_CREATE_PARTITION ||
           (rule != LINT_NO_WHERE && lint_rule_goes_by_size(rule)); /* that one locks rows */
}

/* What lint has found, noted at the scripts, so that no task has to look for it. */
static void prepared_set_mark(struct prepared_set *set)
{
    bool all = set->lint.count == LINT_FINDINGS_MAX; /* what follows was not listed */

    for (size_t o = 0; o < set->operation_count; o++) {
        struct prepared_operation *prepared = &set->operations[o];

        prepared->up.grows = all;
        for (size_t i = 0; i < set->lint.count; i++) {
            const struct lint_finding *finding = &set->lint.findings[i];

            if (strcmp(finding->file, prepared->operation->path) == 0) {
                enum lint_rule rule = lint_rule_of(finding->rule);

                prepared->up.grows = prepared->up.grows || prepared_set_grows(rule);
                prepared->up.opaque = prepared->up.opaque || rule == LINT_OPAQUE;
            }
        }
    }
}

/* Of a set that is as large as it may be this takes too long for what it is worth. */
static void prepared_set_foresee(struct prepared_set *set, struct sql_parser *parser,
                                 const struct set_file *files, size_t file_count)
{
    const struct plan plan = { .count = set->model.migration_count, .repeatables = true };
    struct lint_run run;
    size_t bytes = 0;

    for (size_t i = 0; i < file_count; i++) {
        bytes += files[i].content.size;
    }
    if (bytes <= MEASURE_LINT_BYTES_MAX) {
        lint_run_begin(&run, parser, &set->lint);
        set_lint_plan(&run, &set->model, &plan);
        lint_run_end(&run);
        prepared_set_mark(set);
    }
    for (size_t i = 0; i < set->operation_count; i++) {
        struct prepared_operation *prepared = &set->operations[i];

        prepared_set_foresee_file(&set->lint, prepared->operation, &prepared->up);
    }
}

bool prepared_set_new(struct sql_parser *parser, const char *name, const char *digest,
                      const struct set_file *files, size_t file_count,
                      struct prepared_set **ret_set, struct error *err)
{
    CLEANUP(prepared_set_unref) struct prepared_set *set = memory_alloc(sizeof(*set));

    atomic_init(&set->references, 1);
    atomic_init(&set->surprising, false);
    if (!set_parse(files, file_count, name, &set->model, err)) {
        return error_wrap(err, "set '%s'", name);
    }
    if (strcmp(set->model.digest, digest) != 0) {
        return error_set(err, ERR_INVALID, "set '%s': what was fetched has the digest %s, not %s",
                         name, set->model.digest, digest);
    }
    if (strcmp(set->model.name, name) != 0) {
        return error_set(err, ERR_INVALID, "set '%s': its files say that it is '%s'", name,
                         set->model.name);
    }
    prepared_set_parse_all(set, parser);
    prepared_set_foresee(set, parser, files, file_count);
    *ret_set = TAKE(set);
    return true;
}

void prepared_set_ref(struct prepared_set *set)
{
    unsigned before = atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);

    assert(before > 0);
    (void)before;
}

void prepared_set_unref(struct prepared_set **set)
{
    struct prepared_set *s = *set;

    *set = NULL;
    if (s == NULL || atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < s->operation_count; i++) {
        struct prepared_operation *prepared = &s->operations[i];

        prepared_set_release_file(prepared->operation->kind, &prepared->up);
        prepared_set_release_file(prepared->operation->down_kind, &prepared->down);
    }
    lint_report_release(&s->lint);
    free(s->operations);
    free(s->first_operations);
    set_release(&s->model);
    free(s);
}

const struct lint_report *prepared_set_lint(const struct prepared_set *set)
{
    return &set->lint;
}

bool prepared_set_is_foreseen(const struct prepared_set *set)
{
    return !atomic_load_explicit(&set->surprising, memory_order_relaxed);
}

void prepared_set_surprise(struct prepared_set *set)
{
    atomic_store_explicit(&set->surprising, true, memory_order_relaxed);
}

const struct set *prepared_set_model(const struct prepared_set *set)
{
    return &set->model;
}

const struct prepared_operation *prepared_set_operation(const struct prepared_set *set,
                                                        size_t migration, size_t operation)
{
    assert(migration < set->model.migration_count);
    assert(operation < set->model.migrations[migration].operation_count);
    return &set->operations[set->first_operations[migration] + operation];
}

const struct prepared_operation *prepared_set_repeatable(const struct prepared_set *set,
                                                         size_t repeatable)
{
    assert(repeatable < set->model.repeatable_count);
    return &set->operations[set->first_repeatable + repeatable];
}

const struct prepared_operation *prepared_set_hook(const struct prepared_set *set,
                                                   enum set_hook hook)
{
    assert(hook < SET_HOOK_COUNT);
    return set->hooks[hook];
}
