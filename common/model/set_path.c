#include "common/model/set_path.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/quote.h"

enum { SET_PATH_COMPONENT_BYTES_MAX = 255, SET_PATH_NUMBER_DIGITS_MAX = 9 };

/* Longer endings first: ".sql" ends others of them too. */
static const struct set_path_ending {
    const char *text;
    enum operation_kind kind;
    bool down;
} set_path_endings[] = {
    { ".down.state.yaml", OPERATION_STATE, true }, /* refused, in better words than an unknown one
                                                    */
    { ".down.batch.sql", OPERATION_BATCH, true },  { ".down.sql", OPERATION_SQL, true },
    { ".down.exec.yaml", OPERATION_EXEC, true },   { ".batch.sql", OPERATION_BATCH, false },
    { ".exec.yaml", OPERATION_EXEC, false },       { ".plugin.yaml", OPERATION_PLUGIN, false },
    { ".state.yaml", OPERATION_STATE, false },     { ".sql", OPERATION_SQL, false },
};

#define SET_PATH_REPEATABLE_MARK "R__"
#define SET_PATH_HOOKS "hooks/"
#define SET_PATH_ENDINGS                                                                           \
    ".sql, .down.sql, .batch.sql, .down.batch.sql, .exec.yaml, .down.exec.yaml, .plugin.yaml or "  \
    ".state.yaml"

static bool set_path_fail(const char *path, struct error *err, const char *expected)
{
    char quoted[QUOTE_BYTES];

    return error_set(err, ERR_INVALID, "unknown file %s: %s", quote_text(path, quoted), expected);
}

bool set_path_is_ignored(const char *component)
{
    return component[0] == '.' || strcmp(component, "README.md") == 0;
}

static bool set_path_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Letters, digits, '_' and '-': a name travels through file systems, keys and SQL unquoted. */
static bool set_path_is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !set_path_is_digit(c) && c != '_' && c != '-') {
            return false;
        }
    }
    return size > 0 && size <= NAME_BYTES_MAX;
}

/* VERSION__name */
static bool set_path_read_script(const char *path, const char *text, size_t size,
                                 struct arena *arena, struct set_path *ret_path, struct error *err)
{
    const char *script = arena_strndup(arena, text, size);
    const char *mark = strstr(script, "__");
    char quoted[QUOTE_BYTES];

    if (mark == NULL || mark == script) {
        return set_path_fail(path, err,
                             "expected VERSION__name, such as 0.2.0__split_account_name.sql");
    }
    ret_path->script = script;
    ret_path->version_text = arena_strndup(arena, script, (size_t)(mark - script));
    ret_path->name = mark + 2;
    if (!set_path_is_name(ret_path->name, strlen(ret_path->name))) {
        return set_path_fail(path, err,
                             "the name after VERSION__ needs 1 to 128 letters, digits, '_' or '-', "
                             "then " SET_PATH_ENDINGS);
    }
    if (!semver_parse(ret_path->version_text, &ret_path->version, err)) {
        return error_wrap(err, "file %s", quote_text(path, quoted));
    }
    return true;
}

/* R__name.sql: no version, no folder, no rollback. */
static bool set_path_read_repeatable(const char *path, struct arena *arena,
                                     struct set_path *ret_path, struct error *err)
{
    size_t mark = strlen(SET_PATH_REPEATABLE_MARK);
    size_t size = strlen(path);
    size_t ending = strlen(".sql");

    if (size <= mark + ending || strcmp(path + size - ending, ".sql") != 0 ||
        !set_path_is_name(path + mark, size - mark - ending)) {
        return set_path_fail(path, err,
                             "a repeatable script is called R__name.sql (1 to 128 letters, digits, "
                             "'_' or '-'), and has no rollback and no folder");
    }
    ret_path->role = SET_PATH_REPEATABLE;
    ret_path->kind = OPERATION_SQL;
    ret_path->version_text = "";
    ret_path->script = arena_strndup(arena, path, size - ending);
    ret_path->name = ret_path->script + mark;
    ret_path->stem = ret_path->script;
    return true;
}

/* Takes the ending off a file's name; *ret_size is what remains. */
static bool set_path_read_ending(const char *path, const char *file, size_t *ret_size,
                                 struct set_path *ret_path, struct error *err)
{
    size_t size = strlen(file);

    for (size_t i = 0; i < COUNT_OF(set_path_endings); i++) {
        const struct set_path_ending *ending = &set_path_endings[i];
        size_t ending_size = strlen(ending->text);
        if (size > ending_size && strcmp(file + size - ending_size, ending->text) == 0) {
            ret_path->kind = ending->kind;
            ret_path->down = ending->down;
            *ret_size = size - ending_size;
            if (*ret_size > 5 && memcmp(file + *ret_size - 5, ".down", 5) == 0) {
                return set_path_fail(
                    path, err,
                    "the rollback of an operation ends in .down.sql, .down.batch.sql or "
                    ".down.exec.yaml");
            }
            return true;
        }
    }
    return set_path_fail(
        path, err, "expected skein.yaml, README.md, or a file that ends in " SET_PATH_ENDINGS);
}

/* hooks/NAME.KIND: no version and no way back. `file` is what stands behind the folder. */
static bool set_path_read_hook(const char *path, const char *file, struct arena *arena,
                               struct set_path *ret_path, struct error *err)
{
    size_t size = 0;

    if (!set_path_read_ending(path, file, &size, ret_path, err)) {
        return false;
    }
    if (ret_path->down) {
        return set_path_fail(path, err, "a hook has no rollback");
    }
    if (ret_path->kind == OPERATION_BATCH || ret_path->kind == OPERATION_STATE) {
        return set_path_fail(path, err, "a hook ends in .sql, .exec.yaml or .plugin.yaml");
    }
    for (int hook = 0; hook < SET_HOOK_COUNT; hook++) {
        const char *name = set_hook_name((enum set_hook)hook);

        if (strlen(name) == size && memcmp(file, name, size) == 0) {
            ret_path->role = SET_PATH_HOOK;
            ret_path->hook = (enum set_hook)hook;
            ret_path->version_text = "";
            ret_path->name = name;
            ret_path->stem = name;
            ret_path->script = arena_strndup(arena, path, strlen(path) - (strlen(file) - size));
            return true;
        }
    }
    return set_path_fail(path, err,
                         "expected one of the hooks before_rollout, after_rollout, before_tenant "
                         "and after_tenant");
}

/* NN_name */
static bool set_path_read_operation(const char *path, const char *file, size_t size,
                                    struct arena *arena, struct set_path *ret_path,
                                    struct error *err)
{
    size_t digits = strspn(file, "0123456789");

    if (digits == 0 || digits > SET_PATH_NUMBER_DIGITS_MAX || digits >= size ||
        file[digits] != '_' || !set_path_is_name(file + digits + 1, size - digits - 1)) {
        return set_path_fail(path, err,
                             "expected NUMBER_name in a migration's folder, such as "
                             "10_add_columns.sql (letters, digits, '_' or '-')");
    }
    for (size_t i = 0; i < digits; i++) {
        ret_path->number = ret_path->number * 10 + (uint64_t)(file[i] - '0');
    }
    ret_path->stem = arena_strndup(arena, file, size);
    return true;
}

/* 1 or 2 parts that are neither empty nor "." or ".."; *ret_file is the second, or NULL. */
static bool set_path_split(const char *path, const char **ret_file, struct error *err)
{
    const char *slash = strchr(path, '/');
    const char *file = slash == NULL ? NULL : slash + 1;
    size_t first_size = slash == NULL ? strlen(path) : (size_t)(slash - path);

    if (file != NULL && strchr(file, '/') != NULL) {
        return set_path_fail(path, err, "a migration's folder may hold no further folder");
    }
    if (first_size == 0 || first_size > SET_PATH_COMPONENT_BYTES_MAX ||
        (file != NULL && (*file == '\0' || strlen(file) > SET_PATH_COMPONENT_BYTES_MAX))) {
        return set_path_fail(path, err, "a part of the path is empty or longer than 255 bytes");
    }
    if ((first_size == 1 && path[0] == '.') || (first_size == 2 && memcmp(path, "..", 2) == 0) ||
        (file != NULL && (strcmp(file, ".") == 0 || strcmp(file, "..") == 0))) {
        return set_path_fail(path, err, "'.' and '..' have no place in a path of a set");
    }
    *ret_file = file;
    return true;
}

bool set_path_parse(const char *path, struct arena *arena, struct set_path *ret_path,
                    struct error *err)
{
    struct set_path parsed = { .role = SET_PATH_SCRIPT };
    const char *file = NULL;
    size_t size;
    bool ok;

    /* Whatever lies in a hidden folder is hidden too; "." and ".." are refused below. */
    bool hidden = path[0] == '.' && strcspn(path, "/") > strspn(path, ".");
    if (!hidden && !set_path_split(path, &file, err)) {
        return false;
    }
    if (hidden || set_path_is_ignored(file == NULL ? path : file)) {
        *ret_path = (struct set_path){ .role = SET_PATH_IGNORED };
        return true;
    }
    if (strcmp(path, "skein.yaml") == 0) {
        *ret_path = (struct set_path){ .role = SET_PATH_SETTINGS };
        return true;
    }
    if (strncmp(path, SET_PATH_REPEATABLE_MARK, strlen(SET_PATH_REPEATABLE_MARK)) == 0) {
        ok = set_path_read_repeatable(path, arena, &parsed, err);
    } else if (file != NULL && strncmp(path, SET_PATH_HOOKS, strlen(SET_PATH_HOOKS)) == 0) {
        ok = set_path_read_hook(path, file, arena, &parsed, err);
    } else if (file == NULL) {
        ok = set_path_read_ending(path, path, &size, &parsed, err) &&
             set_path_read_script(path, path, size, arena, &parsed, err);
        parsed.stem = parsed.script;
    } else {
        parsed.in_folder = true;
        ok = set_path_read_script(path, path, (size_t)(file - 1 - path), arena, &parsed, err) &&
             set_path_read_ending(path, file, &size, &parsed, err) &&
             set_path_read_operation(path, file, size, arena, &parsed, err);
    }
    if (ok) {
        *ret_path = parsed;
    }
    return ok;
}
