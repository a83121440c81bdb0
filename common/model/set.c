#include "common/model/set.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/checksum.h"
#include "common/model/ledger.h"
#include "common/model/quote.h"
#include "common/model/set_digest.h"
#include "common/model/set_kind.h"
#include "common/model/set_path.h"
#include "common/model/set_scope.h"
#include "common/model/set_settings.h"
#include "common/model/set_yaml.h"

#define SET_YAML_PATH "skein.yaml"

/* One script file of the set that is being built. */
struct set_script {
    const struct set_file *file;
    struct set_path path;
};

struct set_builder {
    struct set set;
    struct set_yaml yaml;
    struct set_script *scripts; /* sorted: version, script, number, stem, ups before downs */
    size_t script_count;
    struct migration *migrations;
    struct operation *operations;
    size_t operation_count;
    struct error *err;
};

void set_release(struct set *set)
{
    arena_release(&set->arena);
    *set = (struct set){ 0 };
}

static void set_builder_release(struct set_builder *builder)
{
    set_release(&builder->set);
    free(builder->scripts);
}

static int set_compare_scripts(const void *a, const void *b)
{
    const struct set_path *x = &((const struct set_script *)a)->path;
    const struct set_path *y = &((const struct set_script *)b)->path;
    int order = (int)x->role - (int)y->role;

    if (order == 0) {
        order = semver_compare(&x->version, &y->version);
    }

    if (order == 0) {
        order = strcmp(x->script, y->script);
    }
    if (order == 0) {
        order = (x->in_folder ? 1 : 0) - (y->in_folder ? 1 : 0);
    }
    if (order == 0) {
        order = (x->number > y->number) - (x->number < y->number);
    }
    if (order == 0) {
        order = strcmp(x->stem, y->stem);
    }
    return order != 0 ? order : (x->down ? 1 : 0) - (y->down ? 1 : 0);
}

static bool set_check_sizes(const struct set_file *files, size_t file_count, struct error *err)
{
    size_t total = 0;
    char quoted[QUOTE_BYTES];

    if (file_count > SET_FILES_MAX) {
        return error_set(err, ERR_LIMIT, "the set has %zu files, expected at most %d", file_count,
                         SET_FILES_MAX);
    }
    for (size_t i = 0; i < file_count; i++) {
        if (files[i].content.size > SCRIPT_BYTES_MAX) {
            return error_set(err, ERR_LIMIT, "file %s has %zu bytes, expected at most %d",
                             quote_text(files[i].path, quoted), files[i].content.size,
                             SCRIPT_BYTES_MAX);
        }
        total += files[i].content.size; /* cannot overflow: see the two limits above */
    }
    if (total > SET_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "the set has %zu bytes, expected at most %d", total,
                         SET_BYTES_MAX);
    }
    return true;
}

/* Reads all paths and skein.yaml. */
static bool set_read_paths(struct set_builder *builder, const struct set_file *files,
                           size_t file_count)
{
    bool have_yaml = false;

    builder->scripts = memory_alloc_array(file_count, sizeof(*builder->scripts));
    for (size_t i = 0; i < file_count; i++) {
        struct set_script *script = &builder->scripts[builder->script_count];
        script->file = &files[i];
        if (!set_path_parse(files[i].path, &builder->set.arena, &script->path, builder->err)) {
            return false;
        }
        if (script->path.role >= SET_PATH_SCRIPT) {
            builder->script_count++;
        } else if (script->path.role == SET_PATH_SETTINGS) {
            if (have_yaml) {
                return error_set(builder->err, ERR_INVALID,
                                 "the file " SET_YAML_PATH " stands twice in the set");
            }
            have_yaml = true;
            if (!set_yaml_parse(files[i].path, files[i].content, &builder->set.arena,
                                &builder->yaml, builder->err)) {
                return false;
            }
        }
    }
    return true;
}

static struct bytes set_copy_content(struct set_builder *builder, const struct set_file *file)
{
    char *copy =
        arena_strndup(&builder->set.arena, (const char *)file->content.data, file->content.size);

    return (struct bytes){ .data = (const uint8_t *)copy, .size = file->content.size };
}

static bool set_read_settings(struct set_builder *builder, const struct set_script *script,
                              struct operation_settings *ret_settings)
{
    const struct set_file *file = script->file;
    struct operation_settings settings = {
        .transaction = true,
        .lock_timeout_ms = builder->yaml.lock_timeout_ms,
        .statement_timeout_ms = builder->yaml.statement_timeout_ms,
        .batch = { .rows = BATCH_ROWS_DEFAULT,
                   .target_ms = BATCH_TARGET_DEFAULT_MS,
                   .max_lag_ms = BATCH_LAG_DEFAULT_MS },
    };
    enum operation_kind kind = script->path.kind;

    /* In YAML a line that starts with -- is no comment. */
    if ((kind == OPERATION_SQL || kind == OPERATION_BATCH) &&
        !set_settings_parse(file->path, kind == OPERATION_BATCH, file->content, &settings,
                            builder->err)) {
        return false;
    }
    settings.ledger.data =
        arena_memdup(&builder->set.arena, settings.ledger.data, settings.ledger.size);
    *ret_settings = settings;
    return true;
}

static bool set_add_operation(struct set_builder *builder, const struct set_script *script)
{
    struct operation *operation = &builder->operations[builder->operation_count];

    *operation = (struct operation){
        .path = arena_strdup(&builder->set.arena, script->file->path),
        .stem = script->path.stem,
        .kind = script->path.kind,
        .content = set_copy_content(builder, script->file),
    };
    checksum_of_text(script->file->content, operation->checksum);
    builder->operation_count++;
    return set_read_settings(builder, script, &operation->settings) &&
           set_kind_read(operation, /* down= */ false, &builder->set.arena, builder->err);
}

static bool set_add_down(struct set_builder *builder, const struct set_script *script)
{
    struct operation *operation = &builder->operations[builder->operation_count - 1];

    if (operation->down_path != NULL) {
        return error_set(builder->err, ERR_INVALID,
                         "file '%s': '%s' says rollback: true already, expected one rollback",
                         script->file->path, operation->path);
    }
    operation->down_path = arena_strdup(&builder->set.arena, script->file->path);
    operation->down_kind = script->path.kind;
    operation->down_content = set_copy_content(builder, script->file);
    return set_read_settings(builder, script, &operation->down_settings) &&
           set_kind_read(operation, /* down= */ true, &builder->set.arena, builder->err);
}

/* `last` is the script before this one in the same migration, or NULL. */
static bool set_check_script(const struct set_builder *builder, const struct set_script *script,
                             const struct set_script *last)
{
    const char *path = script->file->path;
    struct error *err = builder->err;
    bool beside = last != NULL && strcmp(last->path.stem, script->path.stem) == 0;

    if (last != NULL && (last->path.in_folder != script->path.in_folder ||
                         strcmp(last->path.script, script->path.script) != 0)) {
        return error_set(err, ERR_INVALID,
                         "file '%s': version '%s' belongs to '%s' already, expected one migration "
                         "for each version",
                         path, script->path.version_text, last->file->path);
    }
    if (beside && last->path.down == script->path.down) {
        return error_set(err, ERR_INVALID, "file '%s': '%s' is the same operation, expected one",
                         path, last->file->path);
    }
    if (last != NULL && !beside && last->path.number == script->path.number) {
        return error_set(err, ERR_INVALID,
                         "file '%s': '%s' has the number %" PRIu64 " already, expected one "
                         "operation for each number",
                         path, last->file->path, script->path.number);
    }
    if (script->path.down && !beside) {
        return error_set(err, ERR_INVALID,
                         "file '%s' is a rollback without its migration: expected '%s%s%s.sql' "
                         "beside it",
                         path, script->path.in_folder ? script->path.script : "",
                         script->path.in_folder ? "/" : "", script->path.stem);
    }
    if (!builder->yaml.prereleases && semver_is_prerelease(&script->path.version)) {
        return error_set(err, ERR_INVALID,
                         "file '%s': version '%s' is a prerelease, expected prereleases: true "
                         "in " SET_YAML_PATH " (PRERELEASE)",
                         path, script->path.version_text);
    }
    return true;
}

static void set_finish_migration(struct migration *migration, bool in_folder)
{
    CLEANUP(checksum_free) struct checksum *checksum = NULL;

    if (!in_folder) {
        assert(migration->operation_count == 1);
        memcpy(migration->checksum, migration->operations[0].checksum, CHECKSUM_BYTES);
        return;
    }
    checksum = checksum_new();
    for (size_t i = 0; i < migration->operation_count; i++) {
        checksum_add_text(checksum, migration->operations[i].path);
        checksum_add(checksum, migration->operations[i].checksum, CHECKSUM_BYTES);
    }
    checksum_finish(checksum, migration->checksum);
}

/* The scripts from `first` on that have one version; returns the index after them, 0 on failure. */
static size_t set_build_migration(struct set_builder *builder, size_t first)
{
    const struct set_path *path = &builder->scripts[first].path;
    struct migration *migration = &builder->migrations[builder->set.migration_count];
    const struct set_script *last = NULL;
    size_t i = first;

    *migration = (struct migration){
        .version = path->version,
        .version_text = path->version_text,
        .name = path->name,
        .script = path->script,
        .operations = &builder->operations[builder->operation_count],
    };
    while (i < builder->script_count && builder->scripts[i].path.role == SET_PATH_SCRIPT &&
           semver_compare(&builder->scripts[i].path.version, &path->version) == 0) {
        const struct set_script *script = &builder->scripts[i];
        if (!set_check_script(builder, script, last)) {
            return 0;
        }
        if (script->path.down ? !set_add_down(builder, script)
                              : !set_add_operation(builder, script)) {
            return 0;
        }
        migration->operation_count += script->path.down ? 0 : 1;
        last = script;
        i++;
    }
    set_finish_migration(migration, path->in_folder);
    builder->set.migration_count++;
    return i;
}

/* Inside the tenant's own transaction, so that it is applied and recorded at once. */
static bool set_check_repeatable(const struct set_builder *builder, const struct operation *one,
                                 const struct operation *last)
{
    if (last != NULL && strcmp(last->path, one->path) == 0) {
        return error_set(builder->err, ERR_INVALID, "file '%s' stands twice in the set", one->path);
    }
    if (!one->settings.transaction || one->settings.control_scope) {
        return error_set(
            builder->err, ERR_INVALID,
            "file '%s': a repeatable script runs in the tenant's transaction, expected "
            "no skein:transaction and no skein:scope",
            one->path);
    }
    return true;
}

/* The scripts from `first` on. */
static bool set_build_repeatables(struct set_builder *builder, size_t first)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];
    struct set *set = &builder->set;
    struct migration *all = &builder->migrations[set->migration_count];

    set->repeatables = all;
    for (size_t i = first;
         i < builder->script_count && builder->scripts[i].path.role == SET_PATH_REPEATABLE; i++) {
        const struct set_script *script = &builder->scripts[i];
        struct operation *operation = &builder->operations[builder->operation_count];

        if (!set_add_operation(builder, script) ||
            !set_check_repeatable(builder, operation, i > first ? operation - 1 : NULL)) {
            return false;
        }
        all[set->repeatable_count] = (struct migration){ .version_text = "",
                                                         .name = script->path.name,
                                                         .script = script->path.script,
                                                         .operations = operation,
                                                         .operation_count = 1 };
        set_finish_migration(&all[set->repeatable_count], /* in_folder= */ false);
        set->repeatable_count++;
        checksum_add_text(checksum, script->path.script);
        checksum_add(checksum, operation->checksum, CHECKSUM_BYTES);
    }
    if (set->repeatable_count > 0) {
        checksum_finish(checksum, digest);
        for (size_t i = 0; i < sizeof(set->repeatables_digest); i++) {
            set->repeatables_digest = set->repeatables_digest << 8 | digest[i];
        }
        /* 0 means none; and it is to fit into PostgreSQL's bigint. */
        set->repeatables_digest = set->repeatables_digest >> 1 | 1;
    }
    return true;
}

/* The scripts from `first` on: one of each name at most. */
static bool set_build_hooks(struct set_builder *builder, size_t first)
{
    struct set *set = &builder->set;
    struct migration *all = &builder->migrations[set->migration_count + set->repeatable_count];

    for (size_t i = first; i < builder->script_count; i++) {
        const struct set_path *path = &builder->scripts[i].path;
        const struct migration *same = set->hooks[path->hook];

        if (same != NULL) {
            return error_set(builder->err, ERR_INVALID,
                             "file '%s': '%s' is the same hook, expected one",
                             builder->scripts[i].file->path, same->operations[0].path);
        }
        *all = (struct migration){ .version_text = "",
                                   .name = path->name,
                                   .script = path->script,
                                   .operations = &builder->operations[builder->operation_count],
                                   .operation_count = 1 };
        if (!set_add_operation(builder, &builder->scripts[i])) {
            return false;
        }
        set_finish_migration(all, /* in_folder= */ false);
        set->hooks[path->hook] = all++;
    }
    return true;
}

static bool set_build_migrations(struct set_builder *builder)
{
    struct arena *arena = &builder->set.arena;
    size_t i = 0;

    if (builder->script_count > 0) {
        qsort(builder->scripts, builder->script_count, sizeof(*builder->scripts),
              set_compare_scripts);
    }
    builder->migrations =
        arena_alloc_array(arena, builder->script_count, sizeof(*builder->migrations));
    builder->operations =
        arena_alloc_array(arena, builder->script_count, sizeof(*builder->operations));
    builder->set.migrations = builder->migrations;
    while (i < builder->script_count && builder->scripts[i].path.role == SET_PATH_SCRIPT) {
        i = set_build_migration(builder, i);
        if (i == 0) {
            return false;
        }
    }
    return set_build_repeatables(builder, i) &&
           set_build_hooks(builder, i + builder->set.repeatable_count);
}

static bool set_read_version(const struct set_builder *builder, const char *key, unsigned line,
                             const char *text, struct semver *ret_version)
{
    if (!semver_parse(text, ret_version, builder->err)) {
        return error_wrap(builder->err, SET_YAML_PATH ":%u: key '%s'", line, key);
    }
    if (semver_is_prerelease(ret_version) && !builder->yaml.prereleases) {
        return error_set(builder->err, ERR_INVALID,
                         SET_YAML_PATH ":%u: key '%s': version '%s' is a prerelease, expected "
                                       "prereleases: true (PRERELEASE)",
                         line, key, text);
    }
    return true;
}

static bool set_build_latest(struct set_builder *builder)
{
    struct set *set = &builder->set;
    const struct migration *newest =
        set->migration_count == 0 ? NULL : &set->migrations[set->migration_count - 1];

    if (builder->yaml.latest == NULL) {
        if (newest == NULL) {
            return error_set(builder->err, ERR_INVALID,
                             "the set holds no script, expected VERSION__name.sql, or a latest "
                             "version in " SET_YAML_PATH);
        }
        set->latest = newest->version;
        set->latest_text = newest->version_text;
        return true;
    }
    set->latest_text = builder->yaml.latest;
    if (!set_read_version(builder, "latest", builder->yaml.latest_line, set->latest_text,
                          &set->latest)) {
        return false;
    }
    if (newest != NULL && semver_compare(&newest->version, &set->latest) > 0) {
        return error_set(builder->err, ERR_INVALID,
                         "file '%s': version '%s' is above the latest version '%s' "
                         "(" SET_YAML_PATH ":%u), expected none above it",
                         newest->operations[0].path, newest->version_text, set->latest_text,
                         builder->yaml.latest_line);
    }
    return true;
}

static bool set_build_min_version(struct set_builder *builder)
{
    struct set *set = &builder->set;

    set->min_version_text = "";
    if (builder->yaml.min_version == NULL) {
        return true;
    }
    set->min_version_text = builder->yaml.min_version;
    if (!set_read_version(builder, "min_version", builder->yaml.min_version_line,
                          set->min_version_text, &set->min_version)) {
        return false;
    }
    if (semver_compare(&set->min_version, &set->latest) > 0) {
        return error_set(builder->err, ERR_INVALID,
                         SET_YAML_PATH ":%u: key 'min_version': version '%s' is above the latest "
                                       "version '%s', expected at most that",
                         builder->yaml.min_version_line, set->min_version_text, set->latest_text);
    }
    return true;
}

static bool set_build_name(struct set_builder *builder, const char *fallback_name)
{
    const char *name = builder->yaml.name != NULL ? builder->yaml.name : fallback_name;
    char quoted[QUOTE_BYTES];

    if (!set_yaml_is_set_name(name)) {
        return error_set(builder->err, ERR_INVALID,
                         "%s cannot be the name of a set, expected letters, digits, '.', '_' or "
                         "'-': give it one with name: in " SET_YAML_PATH,
                         quote_text(name, quoted));
    }
    builder->set.name = arena_strdup(&builder->set.arena, name);
    builder->set.prereleases = builder->yaml.prereleases;
    builder->set.sizes = builder->yaml.sizes;
    builder->set.control = builder->yaml.control == NULL ? "" : builder->yaml.control;
    builder->set.reference = builder->yaml.reference == NULL ? "" : builder->yaml.reference;
    builder->set.ledger = builder->yaml.ledger == NULL ? "" : builder->yaml.ledger;
    return true;
}

/* What the other tool's table will be told of each migration is known before anything runs. */
static bool set_build_ledger(struct set_builder *builder)
{
    struct ledger ledger;

    return (ledger_parse(builder->set.ledger, &ledger, builder->err) &&
            ledger_check_set(ledger.tool, &builder->set, builder->err)) ||
           error_wrap(builder->err, SET_YAML_PATH ": ledger");
}

bool set_parse(const struct set_file *files, size_t file_count, const char *fallback_name,
               struct set *ret_set, struct error *err)
{
    CLEANUP(set_builder_release) struct set_builder builder = { .err = err };

    if (!set_check_sizes(files, file_count, err) || !set_read_paths(&builder, files, file_count) ||
        !set_build_name(&builder, fallback_name) || !set_build_migrations(&builder) ||
        !set_build_latest(&builder) || !set_build_min_version(&builder) ||
        !set_build_ledger(&builder)) {
        return false;
    }
    if (!set_scope_check(&builder.set, err)) {
        return false;
    }
    set_digest(files, file_count, builder.set.digest);
    *ret_set = TAKE(builder.set);
    return true;
}

const struct migration *set_find_script(const struct set *set, const char *script)
{
    const char *mark = strstr(script, "__");
    char text[SEMVER_BYTES_MAX + 1] = { 0 };
    struct semver version;
    struct error ignored;
    size_t low = 0;
    size_t high = set->migration_count;

    if (mark == NULL || mark - script > SEMVER_BYTES_MAX) {
        return NULL;
    }
    memcpy(text, script, (size_t)(mark - script));
    if (!semver_parse(text, &version, &ignored)) {
        return NULL;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct migration *migration = &set->migrations[middle];
        int order = semver_compare(&migration->version, &version);
        if (order == 0) {
            return strcmp(migration->script, script) == 0 ? migration : NULL;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
