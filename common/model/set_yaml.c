#include "common/model/set_yaml.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/config_file.h"
#include "common/model/ledger.h"
#include "common/model/quote.h"
#include "common/model/set_settings.h"
#include "common/model/size_text.h"

struct set_yaml_key {
    const char *name;
    bool (*apply)(struct set_yaml *yaml, const struct option_source *entry, struct arena *arena,
                  struct error *err);
};

bool set_yaml_is_set_name(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (i == 0 || strchr("._-", c) == NULL)) {
            return false;
        }
    }
    return size > 0 && size <= NAME_BYTES_MAX;
}

static bool set_yaml_apply_name(struct set_yaml *yaml, const struct option_source *entry,
                                struct arena *arena, struct error *err)
{
    if (!set_yaml_is_set_name(entry->value)) {
        return error_set(
            err, ERR_INVALID,
            "expected 1 to 128 letters, digits, '.', '_' or '-', the first a letter or "
            "digit");
    }
    yaml->name = arena_strdup(arena, entry->value);
    return true;
}

static bool set_yaml_apply_latest(struct set_yaml *yaml, const struct option_source *entry,
                                  struct arena *arena, struct error *err)
{
    (void)err;
    yaml->latest = arena_strdup(arena, entry->value);
    yaml->latest_line = entry->line;
    return true;
}

static bool set_yaml_apply_min_version(struct set_yaml *yaml, const struct option_source *entry,
                                       struct arena *arena, struct error *err)
{
    (void)err;
    yaml->min_version = arena_strdup(arena, entry->value);
    yaml->min_version_line = entry->line;
    return true;
}

static bool set_yaml_apply_prereleases(struct set_yaml *yaml, const struct option_source *entry,
                                       struct arena *arena, struct error *err)
{
    (void)arena;
    yaml->prereleases = strcmp(entry->value, "true") == 0;
    return yaml->prereleases || strcmp(entry->value, "false") == 0 ||
           error_set(err, ERR_INVALID, "expected true or false");
}

static bool set_yaml_apply_reference(struct set_yaml *yaml, const struct option_source *entry,
                                     struct arena *arena, struct error *err)
{
    const char *slash = strchr(entry->value, '/');

    if (slash == NULL || slash == entry->value || slash[1] == '\0' ||
        strlen(entry->value) > 2 * NAME_BYTES_MAX + 1) {
        return error_set(err, ERR_INVALID, "expected a tenant as SHARD/NAME");
    }
    yaml->reference = arena_strdup(arena, entry->value);
    return true;
}

static bool set_yaml_apply_control(struct set_yaml *yaml, const struct option_source *entry,
                                   struct arena *arena, struct error *err)
{
    const char *slash = strchr(entry->value, '/');

    if (slash == NULL || slash == entry->value || slash[1] == '\0' ||
        strchr(slash + 1, '/') != NULL || strlen(entry->value) > NAME_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "expected a database as SHARD/DATABASE");
    }
    yaml->control = arena_strdup(arena, entry->value);
    yaml->control_line = entry->line;
    return true;
}

static bool set_yaml_apply_ledger(struct set_yaml *yaml, const struct option_source *entry,
                                  struct arena *arena, struct error *err)
{
    struct ledger ledger;

    yaml->ledger = arena_strdup(arena, entry->value);
    return ledger_parse(entry->value, &ledger, err);
}

static bool set_yaml_apply_lock_timeout(struct set_yaml *yaml, const struct option_source *entry,
                                        struct arena *arena, struct error *err)
{
    (void)arena;
    return set_settings_parse_timeout(entry->value, &yaml->lock_timeout_ms, err);
}

static bool set_yaml_apply_statement_timeout(struct set_yaml *yaml,
                                             const struct option_source *entry, struct arena *arena,
                                             struct error *err)
{
    (void)arena;
    return set_settings_parse_timeout(entry->value, &yaml->statement_timeout_ms, err);
}

static bool set_yaml_apply_size_note(struct set_yaml *yaml, const struct option_source *entry,
                                     struct arena *arena, struct error *err)
{
    (void)arena;
    yaml->sizes.has_note = true;
    return size_text_parse(entry->value, &yaml->sizes.note_bytes, err);
}

static bool set_yaml_apply_size_error(struct set_yaml *yaml, const struct option_source *entry,
                                      struct arena *arena, struct error *err)
{
    (void)arena;
    yaml->sizes.has_error = true;
    return size_text_parse(entry->value, &yaml->sizes.error_bytes, err);
}

static const struct set_yaml_key set_yaml_keys[] = {
    { "name", set_yaml_apply_name },
    { "latest", set_yaml_apply_latest },
    { "min_version", set_yaml_apply_min_version },
    { "prereleases", set_yaml_apply_prereleases },
    { "reference", set_yaml_apply_reference },
    { "control", set_yaml_apply_control },
    { "ledger", set_yaml_apply_ledger },
    { "defaults.lock_timeout", set_yaml_apply_lock_timeout },
    { "defaults.statement_timeout", set_yaml_apply_statement_timeout },
    { "lint.size_note", set_yaml_apply_size_note },
    { "lint.size_error", set_yaml_apply_size_error },
};

static bool set_yaml_apply(const char *path, struct set_yaml *yaml, bool *seen,
                           const struct option_source *entry, struct arena *arena,
                           struct error *err)
{
    char key[QUOTE_BYTES];
    char value[QUOTE_BYTES];

    quote_text(entry->key, key);
    for (size_t i = 0; i < COUNT_OF(set_yaml_keys); i++) {
        if (strcmp(set_yaml_keys[i].name, entry->key) != 0) {
            continue;
        }
        if (seen[i]) { /* config_file lets a key come again only as items of a list */
            return error_set(err, ERR_INVALID, "%s:%u: key %s: expected one value, not a list",
                             path, entry->line, key);
        }
        seen[i] = true;
        if (entry->value[0] == '\0') {
            return error_set(err, ERR_INVALID,
                             "%s:%u: key %s: expected a value (without one, leave the key out)",
                             path, entry->line, key);
        }
        return set_yaml_keys[i].apply(yaml, entry, arena, err) ||
               error_wrap(err, "%s:%u: key %s, value %s", path, entry->line, key,
                          quote_text(entry->value, value));
    }
    return error_set(
        err, ERR_INVALID,
        "%s:%u: unknown key %s: expected name, latest, min_version, prereleases, "
        "reference, control, ledger, defaults.lock_timeout, defaults.statement_timeout, "
        "lint.size_note or lint.size_error",
        path, entry->line, key);
}

bool set_yaml_parse(const char *path, struct bytes text, struct arena *arena,
                    struct set_yaml *ret_yaml, struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    struct set_yaml yaml = { 0 };
    bool seen[COUNT_OF(set_yaml_keys)] = { false };

    if (!config_file_parse(path, text, &file, err)) {
        return false;
    }
    for (size_t i = 0; i < file.entry_count; i++) {
        if (!set_yaml_apply(path, &yaml, seen, &file.entries[i], arena, err)) {
            return false;
        }
    }
    *ret_yaml = yaml;
    return true;
}
