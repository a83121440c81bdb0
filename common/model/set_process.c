#include "common/model/set_process.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/config_file.h"
#include "common/model/duration.h"
#include "common/model/quote.h"

#define SET_PROCESS_ENVIRONMENT "environment."

enum {
    SET_PROCESS_IN_EXEC = 1 << SET_PROCESS_EXEC,
    SET_PROCESS_IN_DOWN = 1 << SET_PROCESS_EXEC_DOWN,
    SET_PROCESS_IN_PLUGIN = 1 << SET_PROCESS_PLUGIN,
    SET_PROCESS_IN_STATE = 1 << SET_PROCESS_STATE,
    SET_PROCESS_IN_ALL_PROGRAMS = SET_PROCESS_IN_EXEC | SET_PROCESS_IN_DOWN | SET_PROCESS_IN_STATE,
};

struct set_process_reader {
    const char *path;
    enum set_process_kind kind;
    struct arena *arena;
    struct set_process process;
    const char **arguments;   /* room for every entry of the file */
    const char **environment; /* the same */
    struct error *err;
};

struct set_process_key {
    const char *name;
    unsigned where; /* SET_PROCESS_IN_... */
    bool list;
    bool (*apply)(struct set_process_reader *reader, const char *value);
};

static bool set_process_expect(struct set_process_reader *reader, const char *expected)
{
    return error_set(reader->err, ERR_INVALID, "expected %s", expected);
}

/* A path with . or .. in it would not be the one that an administrator has allowed. */
static bool set_process_apply_program(struct set_process_reader *reader, const char *value)
{
    size_t size = strlen(value);

    if (value[0] != '/' || size > PROCESS_PATH_BYTES_MAX || value[size - 1] == '/' ||
        strstr(value, "//") != NULL || strstr(value, "/./") != NULL ||
        strstr(value, "/../") != NULL) {
        return set_process_expect(reader, "the program's absolute path, such as "
                                          "/usr/local/bin/tell-billing");
    }
    reader->process.program = arena_strdup(reader->arena, value);
    return true;
}

static bool set_process_apply_object(struct set_process_reader *reader, const char *value)
{
    size_t size = strlen(value);

    if (size < 4 || size > NAME_BYTES_MAX || value[0] == '.' || strchr(value, '/') != NULL ||
        strcmp(value + size - 3, ".so") != 0) {
        return set_process_expect(reader, "the name of a shared object in the agent's plugin "
                                          "folder, such as sum.so");
    }
    reader->process.program = arena_strdup(reader->arena, value);
    return true;
}

static bool set_process_apply_argument(struct set_process_reader *reader, const char *value)
{
    if (reader->process.argument_count == PROCESS_ARGUMENTS_MAX) {
        return error_set(reader->err, ERR_LIMIT, "expected at most %d arguments",
                         PROCESS_ARGUMENTS_MAX);
    }
    reader->arguments[reader->process.argument_count++] = arena_strdup(reader->arena, value);
    return true;
}

static bool set_process_apply_timeout(struct set_process_reader *reader, const char *value)
{
    uint64_t ms = 0;

    if (!duration_parse(value, &ms, reader->err)) {
        return false;
    }
    if (ms == 0 || ms > TIMEOUT_MS_MAX) {
        return set_process_expect(reader, "a duration above 0 and at most 24d");
    }
    reader->process.timeout_ms = ms;
    return true;
}

static bool set_process_read_bool(struct set_process_reader *reader, const char *value,
                                  bool *ret_value)
{
    *ret_value = strcmp(value, "true") == 0;
    return *ret_value || strcmp(value, "false") == 0 || set_process_expect(reader, "true or false");
}

static bool set_process_apply_dry_run(struct set_process_reader *reader, const char *value)
{
    return set_process_read_bool(reader, value, &reader->process.dry_run);
}

static bool set_process_apply_rollback(struct set_process_reader *reader, const char *value)
{
    return set_process_read_bool(reader, value, &reader->process.rollback);
}

static const struct set_process_key set_process_keys[] = {
    { "program", SET_PROCESS_IN_ALL_PROGRAMS, false, set_process_apply_program },
    { "object", SET_PROCESS_IN_PLUGIN, false, set_process_apply_object },
    { "arguments", SET_PROCESS_IN_ALL_PROGRAMS | SET_PROCESS_IN_PLUGIN, true,
      set_process_apply_argument },
    { "timeout", SET_PROCESS_IN_ALL_PROGRAMS | SET_PROCESS_IN_PLUGIN, false,
      set_process_apply_timeout },
    { "dry_run", SET_PROCESS_IN_EXEC, false, set_process_apply_dry_run },
    { "rollback", SET_PROCESS_IN_PLUGIN, false, set_process_apply_rollback },
};

static const char *const set_process_expected[] = {
    [SET_PROCESS_EXEC] = "program, arguments, environment, timeout or dry_run",
    [SET_PROCESS_EXEC_DOWN] = "program, arguments, environment or timeout",
    [SET_PROCESS_PLUGIN] = "object, arguments, timeout or rollback",
    [SET_PROCESS_STATE] = "program, arguments, environment or timeout",
};

/* SKEIN_ is ours; what begins with LD_ would put code of the set's author into a program that the
 * administrator has allowed. */
static bool set_process_is_variable(const char *name)
{
    size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    return size > 0 && size <= NAME_BYTES_MAX && name[size] == '\0' &&
           (name[0] < '0' || name[0] > '9') && strncmp(name, "SKEIN_", 6) != 0 &&
           strncmp(name, "LD_", 3) != 0;
}

/* `name` is what stands behind "environment.". */
static bool set_process_apply_variable(struct set_process_reader *reader, const char *name,
                                       const char *value)
{
    if (!set_process_is_variable(name)) {
        return set_process_expect(reader, "a variable's name of letters, digits and '_', which "
                                          "does not begin with SKEIN_ or LD_");
    }
    if (reader->process.environment_count == PROCESS_VARIABLES_MAX) {
        return error_set(reader->err, ERR_LIMIT, "expected at most %d variables",
                         PROCESS_VARIABLES_MAX);
    }
    size_t size = strlen(name);
    for (size_t i = 0; i < reader->process.environment_count; i++) {
        if (strncmp(reader->environment[i], name, size) == 0 &&
            reader->environment[i][size] == '=') {
            return set_process_expect(reader, "one value, not a list");
        }
    }
    reader->environment[reader->process.environment_count++] =
        arena_printf(reader->arena, "%s=%s", name, value);
    return true;
}

static bool set_process_apply_key(struct set_process_reader *reader, bool *seen,
                                  const struct option_source *entry)
{
    for (size_t i = 0; i < COUNT_OF(set_process_keys); i++) {
        const struct set_process_key *key = &set_process_keys[i];

        if (strcmp(key->name, entry->key) != 0 || (key->where & (1U << reader->kind)) == 0) {
            continue;
        }
        if (seen[i] && !key->list) {
            return set_process_expect(reader, "one value, not a list");
        }
        if (entry->value[0] == '\0' && !key->list) {
            return set_process_expect(reader, "a value (without one, leave the key out)");
        }
        seen[i] = true;
        return key->apply(reader, entry->value);
    }
    return error_set(reader->err, ERR_INVALID, "unknown key, expected %s",
                     set_process_expected[reader->kind]);
}

static bool set_process_apply(struct set_process_reader *reader, bool *seen,
                              const struct option_source *entry)
{
    static const size_t prefix = sizeof(SET_PROCESS_ENVIRONMENT) - 1;
    char key[QUOTE_BYTES];
    char value[QUOTE_BYTES];
    bool variable = reader->kind != SET_PROCESS_PLUGIN &&
                    strncmp(entry->key, SET_PROCESS_ENVIRONMENT, prefix) == 0;

    if (strlen(entry->value) > PROCESS_ARGUMENT_BYTES_MAX) {
        return error_set(reader->err, ERR_LIMIT, "%s:%u: key %s: expected at most %d bytes",
                         reader->path, entry->line, quote_text(entry->key, key),
                         PROCESS_ARGUMENT_BYTES_MAX);
    }
    bool ok = variable ? set_process_apply_variable(reader, entry->key + prefix, entry->value)
                       : set_process_apply_key(reader, seen, entry);
    return ok || error_wrap(reader->err, "%s:%u: key %s, value %s", reader->path, entry->line,
                            quote_text(entry->key, key), quote_text(entry->value, value));
}

bool set_process_take(const char *path, enum set_process_kind kind,
                      const struct option_source *entries, size_t entry_count, struct arena *arena,
                      struct set_process *ret_process, struct error *err)
{
    struct set_process_reader reader = { .path = path, .kind = kind, .arena = arena, .err = err };
    bool seen[COUNT_OF(set_process_keys)] = { false };

    reader.process.timeout_ms = PROCESS_TIMEOUT_DEFAULT_MS;
    reader.arguments = arena_alloc_array(arena, entry_count, sizeof(*reader.arguments));
    reader.environment = arena_alloc_array(arena, entry_count, sizeof(*reader.environment));
    for (size_t i = 0; i < entry_count; i++) {
        if (!set_process_apply(&reader, seen, &entries[i])) {
            return false;
        }
    }
    if (reader.process.program == NULL) {
        return error_set(err, ERR_INVALID, "%s:1: expected the key %s", path,
                         kind == SET_PROCESS_PLUGIN ? "object: NAME.so" : "program: /PATH");
    }
    reader.process.arguments = reader.arguments;
    reader.process.environment = reader.environment;
    *ret_process = reader.process;
    return true;
}

bool set_process_parse(const char *path, enum set_process_kind kind, struct bytes text,
                       struct arena *arena, struct set_process *ret_process, struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };

    return config_file_parse(path, text, &file, err) &&
           set_process_take(path, kind, file.entries, file.entry_count, arena, ret_process, err);
}
