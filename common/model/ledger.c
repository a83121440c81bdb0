#include "common/model/ledger.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/model/quote.h"

enum { LEDGER_PARTS_MAX = 16 };

static const struct ledger_tool_row {
    const char *name;
    const char *table;
} ledger_tools[LEDGER_TOOL_COUNT] = {
    [LEDGER_NONE] = { "", "" },
    [LEDGER_FLYWAY] = { "flyway", "flyway_schema_history" },
    [LEDGER_DBMATE] = { "dbmate", "schema_migrations" },
    [LEDGER_GOLANG_MIGRATE] = { "golang-migrate", "schema_migrations" },
    [LEDGER_GOOSE] = { "goose", "goose_db_version" },
    [LEDGER_SQITCH] = { "sqitch", "sqitch" },
    [LEDGER_DIESEL] = { "diesel", "__diesel_schema_migrations" },
    [LEDGER_PRISMA] = { "prisma", "_prisma_migrations" },
};

const char *ledger_tool_name(enum ledger_tool tool)
{
    assert(tool < LEDGER_TOOL_COUNT);
    return ledger_tools[tool].name;
}

enum ledger_tool ledger_tool_find(const char *name)
{
    for (size_t i = LEDGER_NONE + 1; i < LEDGER_TOOL_COUNT; i++) {
        if (strcmp(ledger_tools[i].name, name) == 0) {
            return (enum ledger_tool)i;
        }
    }
    return LEDGER_NONE;
}

bool ledger_parse(const char *text, struct ledger *ret_ledger, struct error *err)
{
    const size_t size = strcspn(text, ":");
    const char *table = text[size] == ':' ? text + size + 1 : NULL;
    struct ledger ledger = { .tool = LEDGER_NONE };
    char quoted[QUOTE_BYTES];
    char name[32];

    (void)snprintf(name, sizeof(name), "%.*s", (int)(size < sizeof(name) ? size : 0), text);
    ledger.tool = ledger_tool_find(name);
    if (text[0] != '\0' && ledger.tool == LEDGER_NONE) {
        return error_set(err, ERR_INVALID,
                         "%s: expected TOOL or TOOL:TABLE, with one of the tools " LEDGER_TOOLS,
                         quote_text(text, quoted));
    }
    if (table == NULL) {
        table = ledger_tools[ledger.tool].table;
    } else if (table[0] == '\0' || strlen(table) > LEDGER_TABLE_BYTES_MAX ||
               strpbrk(table, "\"\\\n\t ") != NULL) {
        return error_set(err, ERR_INVALID,
                         "%s: expected the name of a table after ':', without quotes and blanks",
                         quote_text(text, quoted));
    }
    (void)snprintf(ledger.table, sizeof(ledger.table), "%s", table);
    *ret_ledger = ledger;
    return true;
}

/* ---- versions ---- */

static bool ledger_no_version(const char *key, const char *expected, struct error *err)
{
    char quoted[QUOTE_BYTES];

    return error_set(err, ERR_INVALID, "%s: expected %s", quote_text(key, quoted), expected);
}

/* Digits only, below 2^64. */
static bool ledger_read_number(const char *text, size_t size, uint64_t *ret_number)
{
    char digits[24];

    if (size == 0 || strspn(text, "0123456789") < size) {
        return false;
    }
    while (size > 1 && *text == '0') {
        text++;
        size--;
    }
    if (size > 20) {
        return false;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    errno = 0;
    *ret_number = strtoull(digits, NULL, 10);
    return errno == 0;
}

/* "1.02.0" -> 1, 2: zeros at the end say nothing. */
static bool ledger_read_parts(const char *key, uint64_t parts[LEDGER_PARTS_MAX], size_t *ret_count)
{
    size_t count = 0;
    size_t last = 0;

    for (const char *at = key;; at++) {
        size_t size = strcspn(at, "._");
        if (count == LEDGER_PARTS_MAX || !ledger_read_number(at, size, &parts[count])) {
            return false;
        }
        count++;
        last = parts[count - 1] != 0 ? count : last;
        at += size;
        if (*at == '\0') {
            break;
        }
    }
    *ret_count = last == 0 ? 1 : last;
    return true;
}

static bool ledger_flyway_version(const char *key, char ret_version[SEMVER_BYTES_MAX + 1],
                                  struct error *err)
{
    uint64_t parts[LEDGER_PARTS_MAX] = { 0 };
    size_t count;
    int size;

    if (!ledger_read_parts(key, parts, &count) || (count > 3 && parts[2] == UINT64_MAX)) {
        return ledger_no_version(key, "a version of numbers and dots, such as 1.2", err);
    }
    size = snprintf(ret_version, SEMVER_BYTES_MAX + 1, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, parts[0],
                    parts[1], parts[2] + (count > 3 ? 1 : 0));
    if (count > 3) {
        size += snprintf(ret_version + size, SEMVER_BYTES_MAX + 1 - (size_t)size, "-0");
    }
    for (size_t i = 3; i < count; i++) {
        if (size > SEMVER_BYTES_MAX - 24) {
            return ledger_no_version(key, "fewer parts in the version", err);
        }
        size += snprintf(ret_version + size, SEMVER_BYTES_MAX + 1 - (size_t)size, ".%" PRIu64,
                         parts[i]);
    }
    return true;
}

bool ledger_version(enum ledger_tool tool, const char *key, char ret_version[SEMVER_BYTES_MAX + 1],
                    struct error *err)
{
    uint64_t number;

    if (tool == LEDGER_FLYWAY) {
        return ledger_flyway_version(key, ret_version, err);
    }
    if (tool == LEDGER_SQITCH || tool == LEDGER_NONE) {
        return ledger_no_version(key, "a tool that numbers its migrations", err);
    }
    size_t size = tool == LEDGER_PRISMA ? strcspn(key, "_") : strlen(key);
    if (!ledger_read_number(key, size, &number)) {
        return ledger_no_version(key, "a number or a time in digits, below 2^64", err);
    }
    (void)snprintf(ret_version, SEMVER_BYTES_MAX + 1, "0.0.%" PRIu64, number);
    return true;
}

/* ---- entries and keys ---- */

bool ledger_check_entry(struct bytes json, struct error *err)
{
    json_error_t error;
    json_t *entry = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, &error);
    const char *key = json_string_value(json_object_get(entry, "key"));
    bool good = key != NULL && key[0] != '\0' && strlen(key) <= LEDGER_KEY_BYTES_MAX &&
                json.size <= LEDGER_ENTRY_BYTES_MAX;

    json_decref(entry);
    return good || error_set(err, ERR_INVALID,
                             "expected a JSON object with a \"key\" after 'ledger', as `skein set "
                             "import` writes it");
}

/* The key that follows from the version; "" for none. */
static const char *ledger_derive(enum ledger_tool tool, const struct migration *migration,
                                 struct arena *arena)
{
    const struct semver *version = &migration->version;

    if (tool == LEDGER_SQITCH || tool == LEDGER_PRISMA || semver_is_prerelease(version)) {
        return NULL;
    }
    if (tool == LEDGER_FLYWAY) {
        return arena_printf(arena, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, version->major,
                            version->minor, version->patch);
    }
    return version->major != 0 || version->minor != 0
               ? NULL
               : arena_printf(arena, "%" PRIu64, version->patch);
}

static void ledger_free_text(char **text)
{
    free(*text);
}

const char *ledger_entry(enum ledger_tool tool, const struct migration *migration,
                         struct arena *arena)
{
    const struct operation *operation = &migration->operations[0];
    const struct bytes line = operation->settings.ledger;
    char *name = arena_strdup(arena, migration->name);

    if (line.size > 0) {
        return arena_strndup(arena, (const char *)line.data, line.size);
    }
    const char *key = ledger_derive(tool, migration, arena);
    if (key == NULL) {
        return NULL;
    }
    for (char *at = name; *at != '\0'; at++) {
        if (*at == '_') {
            *at = ' ';
        }
    }
    json_t *entry =
        json_pack("{s:s, s:s, s:s}", "key", key, "description", name, "script", operation->path);
    CLEANUP(ledger_free_text) char *text = json_dumps(entry, JSON_COMPACT);
    json_decref(entry);
    return arena_strdup(arena, text);
}

const char *ledger_normal_key(enum ledger_tool tool, const char *key, struct arena *arena)
{
    uint64_t parts[LEDGER_PARTS_MAX] = { 0 };
    char text[LEDGER_PARTS_MAX * 21 + 1];
    size_t count;
    int size = 0;

    if (tool != LEDGER_FLYWAY || !ledger_read_parts(key, parts, &count)) {
        /* Numbers are compared without the zeros in front. */
        size_t zeros = tool == LEDGER_GOOSE || tool == LEDGER_GOLANG_MIGRATE ? strspn(key, "0") : 0;
        return arena_strdup(arena, key + (key[zeros] == '\0' && zeros > 0 ? zeros - 1 : zeros));
    }
    for (size_t i = 0; i < count; i++) {
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%s%" PRIu64, i == 0 ? "" : ".",
                         parts[i]);
    }
    return arena_strdup(arena, text);
}

const char *ledger_key(enum ledger_tool tool, const struct migration *migration,
                       struct arena *arena)
{
    const struct bytes line = migration->operations[0].settings.ledger;
    const char *key = NULL;

    if (line.size == 0) {
        key = ledger_derive(tool, migration, arena);
        return key == NULL ? NULL : ledger_normal_key(tool, key, arena);
    }
    json_t *entry = json_loadb((const char *)line.data, line.size, 0, NULL);
    key = json_string_value(json_object_get(entry, "key"));
    key = key == NULL ? NULL : ledger_normal_key(tool, key, arena);
    json_decref(entry);
    return key;
}

bool ledger_check_set(enum ledger_tool tool, const struct set *set, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    for (size_t i = 0; i < set->migration_count && tool != LEDGER_NONE; i++) {
        const struct migration *migration = &set->migrations[i];
        if (ledger_key(tool, migration, &arena) == NULL) {
            return error_set(err, ERR_INVALID,
                             "file '%s': %s's table cannot be written for it, expected a line "
                             "'-- skein:ledger {\"key\":...}' as `skein set import` writes it",
                             migration->operations[0].path, ledger_tool_name(tool));
        }
    }
    return true;
}
