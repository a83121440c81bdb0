#include "common/model/set_state.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/config_file.h"
#include "common/model/quote.h"

enum set_state_type {
    SET_STATE_TEXT,     /* may hold the placeholder */
    SET_STATE_DATABASE, /* the same, a database's name */
    SET_STATE_TABLE,    /* the same, with a schema or without */
    SET_STATE_COLUMN,
    SET_STATE_FUNCTION, /* with a schema or without */
    SET_STATE_WORD,
    SET_STATE_JSON,
    SET_STATE_U32,
    SET_STATE_U64,
    SET_STATE_BOOL,
    SET_STATE_PROGRAM, /* set_process reads it */
};

struct set_state_key {
    const char *name;
    enum set_state_type type;
    size_t offset;
    uint64_t min, max;
};

struct set_state_reader {
    const char *path;
    struct arena *arena;
    struct set_state state;
    struct option_source *program; /* the entries that are set_process's */
    size_t program_count;
    unsigned to_line;
    unsigned rollback_line;
    struct error *err;
};

#define AT(field) offsetof(struct set_state, field)

static const struct set_state_key set_state_keys[] = {
    { "prefix", SET_STATE_TEXT, AT(prefix), 0, 0 },
    { "to", SET_STATE_TEXT, AT(to), 0, 0 },
    { "kind", SET_STATE_WORD, AT(kind), 0, 0 },
    { "fold", SET_STATE_FUNCTION, AT(fold), 0, 0 },
    { "migrate", SET_STATE_FUNCTION, AT(migrate), 0, 0 },
    { "initial", SET_STATE_JSON, AT(initial), 0, 0 },
    { "events.database", SET_STATE_DATABASE, AT(events.database), 0, 0 },
    { "events.table", SET_STATE_TABLE, AT(events.table), 0, 0 },
    { "events.stream", SET_STATE_COLUMN, AT(events.stream), 0, 0 },
    { "events.sequence", SET_STATE_COLUMN, AT(events.sequence), 0, 0 },
    { "events.type", SET_STATE_COLUMN, AT(events.type), 0, 0 },
    { "events.payload", SET_STATE_COLUMN, AT(events.payload), 0, 0 },
    { "snapshots.database", SET_STATE_DATABASE, AT(snapshots.database), 0, 0 },
    { "snapshots.table", SET_STATE_TABLE, AT(snapshots.table), 0, 0 },
    { "snapshots.stream", SET_STATE_COLUMN, AT(snapshots.stream), 0, 0 },
    { "snapshots.sequence", SET_STATE_COLUMN, AT(snapshots.sequence), 0, 0 },
    { "snapshots.state", SET_STATE_COLUMN, AT(snapshots.state), 0, 0 },
    { "registry.database", SET_STATE_DATABASE, AT(registry.database), 0, 0 },
    { "registry.table", SET_STATE_TABLE, AT(registry.table), 0, 0 },
    { "registry.stream", SET_STATE_COLUMN, AT(registry.stream), 0, 0 },
    { "registry.kind", SET_STATE_COLUMN, AT(registry.kind), 0, 0 },
    { "workers", SET_STATE_U32, AT(workers), 1, STATE_WORKERS_MAX },
    { "page", SET_STATE_U32, AT(page), 1, STATE_PAGE_MAX },
    { "max_errors", SET_STATE_U64, AT(max_errors), 0, INT64_MAX },
    { "max_events", SET_STATE_U64, AT(max_events), 1, INT64_MAX },
    { "max_bytes", SET_STATE_U64, AT(max_bytes), 1, STATE_BYTES_MAX },
    { "rollback", SET_STATE_BOOL, AT(rollback), 0, 0 },
    { "program", SET_STATE_PROGRAM, 0, 0, 0 },
    { "arguments", SET_STATE_PROGRAM, 0, 0, 0 },
    { "timeout", SET_STATE_PROGRAM, 0, 0, 0 },
    { "object", SET_STATE_PROGRAM, 0, 0, 0 },
};

static bool set_state_expect(struct set_state_reader *reader, const char *expected)
{
    return error_set(reader->err, ERR_INVALID, "expected %s", expected);
}

/* A brace that is not the placeholder's is a misspelt one. */
static bool set_state_braces_are_right(const char *value)
{
    static const size_t size = sizeof(SET_STATE_TENANT) - 1;

    for (const char *at = value; *at != '\0'; at++) {
        if (strncmp(at, SET_STATE_TENANT, size) == 0) {
            at += size - 1;
        } else if (*at == '{' || *at == '}') {
            return false;
        }
    }
    return true;
}

/* One identifier: no quotes, because we put them there ourselves. */
static bool set_state_is_name(const char *name, size_t size, bool placeholder)
{
    size_t most = NAME_BYTES_MAX + (placeholder ? sizeof(SET_STATE_TENANT) - 1 : 0);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c < 0x20 || c == 0x7F || c == '"' || c == '(' || c == ')' ||
            (!placeholder && (c == '{' || c == '}'))) {
            return false;
        }
    }
    return size > 0 && size <= most;
}

/* One or, with a schema, two of them. */
static bool set_state_is_path(const char *value, bool placeholder)
{
    for (size_t parts = 1; parts <= STATE_NAME_PARTS_MAX; parts++) {
        size_t size = strcspn(value, ".");

        if (!set_state_is_name(value, size, placeholder)) {
            return false;
        }
        value += size;
        if (*value == '\0') {
            return true;
        }
        value++;
    }
    return false;
}

static bool set_state_is_json(const char *value)
{
    if (strlen(value) > STATE_INITIAL_BYTES_MAX) {
        return false;
    }
    json_t *json = json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    bool ok = json != NULL;

    json_decref(json);
    return ok;
}

static bool set_state_is_text(const char *value)
{
    return strlen(value) <= STATE_TEXT_BYTES_MAX && set_state_braces_are_right(value);
}

static bool set_state_is_database(const char *value)
{
    return set_state_is_name(value, strlen(value), true) && set_state_braces_are_right(value);
}

static bool set_state_is_table(const char *value)
{
    return set_state_is_path(value, true) && set_state_braces_are_right(value);
}

static bool set_state_is_column(const char *value)
{
    return set_state_is_name(value, strlen(value), false);
}

static bool set_state_is_function(const char *value)
{
    return set_state_is_path(value, false);
}

static bool set_state_is_word(const char *value)
{
    return strlen(value) <= STATE_TEXT_BYTES_MAX;
}

/* What is copied once it has been looked at. */
static const struct {
    bool (*is)(const char *value);
    const char *expected;
} set_state_texts[] = {
    [SET_STATE_TEXT] = { set_state_is_text,
                         "what the streams' ids begin with, at most 512 bytes, with no other "
                         "braces than those of " SET_STATE_TENANT },
    [SET_STATE_DATABASE] = { set_state_is_database,
                             "a database's name, perhaps with " SET_STATE_TENANT " in it" },
    [SET_STATE_TABLE] = { set_state_is_table,
                          "TABLE or SCHEMA.TABLE without quotes, perhaps with " SET_STATE_TENANT },
    [SET_STATE_COLUMN] = { set_state_is_column, "a column's name without quotes" },
    [SET_STATE_FUNCTION] = { set_state_is_function,
                             "FUNCTION or SCHEMA.FUNCTION without quotes and parentheses" },
    [SET_STATE_WORD] = { set_state_is_word, "at most 512 bytes" },
    [SET_STATE_JSON] = { set_state_is_json, "JSON, such as '{}', at most 64 KiB" },
};

static bool set_state_take_text(struct set_state_reader *reader, const struct set_state_key *key,
                                const char *value)
{
    if (!set_state_texts[key->type].is(value)) {
        return set_state_expect(reader, set_state_texts[key->type].expected);
    }
    const char *copy = arena_strdup(reader->arena, value);
    memcpy((char *)&reader->state + key->offset, &copy, sizeof(copy));
    return true;
}

static bool set_state_take_number(struct set_state_reader *reader, const struct set_state_key *key,
                                  const char *value)
{
    size_t size = strspn(value, "0123456789");
    uint64_t number = 0;

    if (size > 0 && size <= 19 && value[size] == '\0') {
        number = strtoull(value, NULL, 10);
    } else {
        size = 0;
    }
    if (size == 0 || number < key->min || number > key->max) {
        return error_set(reader->err, ERR_INVALID, "expected a number from %" PRIu64 " to %" PRIu64,
                         key->min, key->max);
    }
    if (key->type == SET_STATE_U32) {
        uint32_t narrow = (uint32_t)number;

        memcpy((char *)&reader->state + key->offset, &narrow, sizeof(narrow));
    } else {
        memcpy((char *)&reader->state + key->offset, &number, sizeof(number));
    }
    return true;
}

static bool set_state_take_bool(struct set_state_reader *reader, const struct set_state_key *key,
                                const char *value)
{
    bool is = strcmp(value, "true") == 0;

    if (!is && strcmp(value, "false") != 0) {
        return set_state_expect(reader, "true or false");
    }
    memcpy((char *)&reader->state + key->offset, &is, sizeof(is));
    return true;
}

static bool set_state_take(struct set_state_reader *reader, const struct set_state_key *key,
                           const struct option_source *entry)
{
    static bool (*const takers[])(struct set_state_reader *, const struct set_state_key *,
                                  const char *) = {
        [SET_STATE_TEXT] = set_state_take_text,     [SET_STATE_DATABASE] = set_state_take_text,
        [SET_STATE_TABLE] = set_state_take_text,    [SET_STATE_COLUMN] = set_state_take_text,
        [SET_STATE_FUNCTION] = set_state_take_text, [SET_STATE_WORD] = set_state_take_text,
        [SET_STATE_JSON] = set_state_take_text,     [SET_STATE_U32] = set_state_take_number,
        [SET_STATE_U64] = set_state_take_number,    [SET_STATE_BOOL] = set_state_take_bool,
    };

    if (key->offset == AT(to)) {
        reader->to_line = entry->line;
    } else if (key->offset == AT(rollback)) {
        reader->rollback_line = entry->line;
    }
    return takers[key->type](reader, key, entry->value);
}

static const struct set_state_key *set_state_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(set_state_keys); i++) {
        if (strcmp(set_state_keys[i].name, name) == 0) {
            return &set_state_keys[i];
        }
    }
    return NULL;
}

static bool set_state_apply(struct set_state_reader *reader, bool *seen,
                            const struct option_source *entry)
{
    const struct set_state_key *key = set_state_find(entry->key);
    char name[QUOTE_BYTES];
    char value[QUOTE_BYTES];
    bool ok = false;

    if (strncmp(entry->key, "environment.", 12) == 0 ||
        (key != NULL && key->type == SET_STATE_PROGRAM)) {
        reader->program[reader->program_count++] = *entry;
        return true;
    }
    if (key == NULL) {
        (void)set_state_expect(reader,
                               "another key: prefix, to, kind, fold, migrate, initial, "
                               "program, object, events, snapshots, registry, workers, page, "
                               "max_errors, max_events, max_bytes or rollback");
    } else if (seen[key - set_state_keys]) {
        (void)set_state_expect(reader, "one value, not a list");
    } else if (entry->value[0] == '\0') {
        (void)set_state_expect(reader, "a value (without one, leave the key out)");
    } else {
        seen[key - set_state_keys] = true;
        ok = set_state_take(reader, key, entry);
    }
    return ok || error_wrap(reader->err, "%s:%u: key %s, value %s", reader->path, entry->line,
                            quote_text(entry->key, name), quote_text(entry->value, value));
}

static bool set_state_fail(const struct set_state_reader *reader, unsigned line,
                           const char *expected)
{
    return error_set(reader->err, ERR_INVALID, "%s:%u: expected %s", reader->path,
                     line == 0 ? 1 : line, expected);
}

bool set_state_overlap(const char *one, const char *other)
{
    size_t a = strlen(one);
    size_t b = strlen(other);

    return strncmp(one, other, a < b ? a : b) == 0;
}

/* A program gets the streams whole and gives their states back: what SQL would do is its own. */
static bool set_state_check_fold(struct set_state_reader *reader)
{
    struct set_state *state = &reader->state;
    bool folds = state->fold[0] != '\0';

    if (folds == (reader->program_count > 0)) {
        return set_state_fail(reader, 1,
                              "one of the keys fold: FUNCTION, program: /PATH and object: "
                              "NAME.so");
    }
    if (folds) {
        return true;
    }
    if (state->migrate[0] != '\0') {
        return set_state_fail(reader, 1,
                              "no key migrate beside program or object, which do that themselves");
    }
    for (size_t i = 0; i < reader->program_count; i++) {
        state->is_object = state->is_object || strcmp(reader->program[i].key, "object") == 0;
    }
    struct set_process *program = arena_alloc(reader->arena, sizeof(*program));
    state->program = program;
    return set_process_take(reader->path, state->is_object ? SET_PROCESS_PLUGIN : SET_PROCESS_STATE,
                            reader->program, reader->program_count, reader->arena, program,
                            reader->err);
}

static bool set_state_check(struct set_state_reader *reader)
{
    struct set_state *state = &reader->state;

    if (state->prefix == NULL) {
        return set_state_fail(reader, 1, "the key prefix: what the ids of the streams begin with");
    }
    if (state->to == NULL) {
        state->to = state->prefix;
    }
    bool moves = strcmp(state->to, state->prefix) != 0;
    if (moves && set_state_overlap(state->prefix, state->to)) {
        return set_state_fail(reader, reader->to_line,
                              "that neither of prefix and to begins with the other");
    }
    if (state->registry.kind[0] != '\0' && state->kind[0] == '\0') {
        return set_state_fail(reader, 1, "the key kind: what registry.kind holds for the streams");
    }
    if (state->registry.table[0] == '\0' &&
        (state->registry.database[0] != '\0' || state->registry.kind[0] != '\0')) {
        return set_state_fail(reader, 1, "the key registry.table, too");
    }
    if (state->rollback && !moves) {
        return set_state_fail(reader, reader->rollback_line,
                              "a key to beside rollback: true: what was written is known by it");
    }
    return set_state_check_fold(reader);
}

bool set_state_parse(const char *path, struct bytes text, struct arena *arena,
                     struct set_state *ret_state, struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    struct set_state_reader reader = {
        .path = path,
        .arena = arena,
        .state = { .kind = "",
                   .fold = "",
                   .migrate = "",
                   .initial = "{}",
                   .events = { "", "events", "stream_id", "sequence", "type", "payload" },
                   .snapshots = { "", "snapshots", "stream_id", "sequence", "state" },
                   .registry = { "", "", "stream_id", "" },
                   .workers = STATE_WORKERS_DEFAULT,
                   .page = STATE_PAGE_DEFAULT,
                   .max_errors = UINT64_MAX,
                   .max_events = STATE_EVENTS_DEFAULT,
                   .max_bytes = STATE_BYTES_DEFAULT },
        .err = err,
    };
    bool seen[COUNT_OF(set_state_keys)] = { false };

    if (!config_file_parse(path, text, &file, err)) {
        return false;
    }
    reader.program = arena_alloc_array(arena, file.entry_count, sizeof(*reader.program));
    for (size_t i = 0; i < file.entry_count; i++) {
        if (!set_state_apply(&reader, seen, &file.entries[i])) {
            return false;
        }
    }
    if (!set_state_check(&reader)) {
        return false;
    }
    *ret_state = reader.state;
    return true;
}
