/* ledger_judge.c - from the rows of a tool's table to a version; declared in ledger.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/ledger.h"
#include "common/model/quote.h"

struct ledger_judging {
    enum ledger_tool tool;
    const struct set *set;
    struct arena arena;
    struct ledger_place *places; /* sorted by key */
    bool *applied;               /* by index of migration */
    struct error *err;
};

struct ledger_place {
    const char *key;
    size_t index;
};

static void ledger_judging_release(struct ledger_judging *judging)
{
    arena_release(&judging->arena);
}

static int ledger_compare_places(const void *a, const void *b)
{
    return strcmp(((const struct ledger_place *)a)->key, ((const struct ledger_place *)b)->key);
}

static bool ledger_judge_keys(struct ledger_judging *judging)
{
    const struct set *set = judging->set;

    if (!ledger_check_set(judging->tool, set, judging->err)) {
        return false;
    }
    judging->places =
        arena_alloc_array(&judging->arena, set->migration_count + 1, sizeof(*judging->places));
    judging->applied =
        arena_alloc_array(&judging->arena, set->migration_count + 1, sizeof(*judging->applied));
    for (size_t i = 0; i < set->migration_count; i++) {
        judging->places[i] = (struct ledger_place){
            .key = ledger_key(judging->tool, &set->migrations[i], &judging->arena), .index = i
        };
    }
    qsort(judging->places, set->migration_count, sizeof(*judging->places), ledger_compare_places);
    return true;
}

static const struct ledger_place *ledger_judge_find(const struct ledger_judging *judging,
                                                    const char *key)
{
    const struct ledger_place wanted = { .key = key };

    return bsearch(&wanted, judging->places, judging->set->migration_count, sizeof(wanted),
                   ledger_compare_places);
}

/* A baseline of Flyway's need not be a migration: what lies at or below it counts as applied. */
static bool ledger_judge_baseline(struct ledger_judging *judging, const char *key)
{
    char text[SEMVER_BYTES_MAX + 1];
    struct semver version;
    struct error unused;

    if (judging->tool != LEDGER_FLYWAY || !ledger_version(judging->tool, key, text, &unused) ||
        !semver_parse(text, &version, &unused)) {
        return false;
    }
    for (size_t i = 0; i < judging->set->migration_count; i++) {
        if (semver_compare(&judging->set->migrations[i].version, &version) <= 0) {
            judging->applied[i] = true;
        }
    }
    return true;
}

static bool ledger_judge_row(struct ledger_judging *judging, const struct ledger_row *row)
{
    const char *tool = ledger_tool_name(judging->tool);
    const char *key = ledger_normal_key(judging->tool, row->key, &judging->arena);
    const struct ledger_place *place = ledger_judge_find(judging, key);
    char quoted[QUOTE_BYTES];

    quote_text(row->label, quoted);
    if (row->state == LEDGER_FAILED) {
        return error_set(judging->err, ERR_REFUSED,
                         "%s's table has %s as failed or dirty: bring that in order with %s first",
                         tool, quoted, tool);
    }
    if (row->state == LEDGER_UP_TO && ledger_judge_baseline(judging, key)) {
        return true;
    }
    if (place == NULL && row->state == LEDGER_UNDONE) {
        return true;
    }
    if (place == NULL) {
        return error_set(judging->err, ERR_REFUSED,
                         "%s's table has %s, which the set '%s' does not: import and publish the "
                         "folder as it is now",
                         tool, quoted, judging->set->name);
    }
    judging->applied[place->index] = row->state != LEDGER_UNDONE;
    for (size_t i = 0; row->state == LEDGER_UP_TO && i < place->index; i++) {
        judging->applied[i] = true;
    }
    return true;
}

/* One number says where a tenant is, so nothing may be left out below it. */
static bool ledger_judge_gaps(const struct ledger_judging *judging, size_t count)
{
    char names[ERROR_BYTES_MAX / 4] = "";
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        const char *script = judging->set->migrations[i].script;
        if (!judging->applied[i] && size + strlen(script) + 8 < sizeof(names)) {
            size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s",
                                     size == 0 ? "" : ", ", script);
        }
    }
    if (size == 0) {
        return true;
    }
    return error_set(
        judging->err, ERR_REFUSED,
        "%s's table has %s, but not what comes before it: %s; apply that with %s first",
        ledger_tool_name(judging->tool), judging->set->migrations[count - 1].script, names,
        ledger_tool_name(judging->tool));
}

bool ledger_judge(enum ledger_tool tool, const struct set *set, const struct ledger_row *rows,
                  size_t row_count, char ret_version[SEMVER_BYTES_MAX + 1], struct error *err)
{
    CLEANUP(ledger_judging_release)
    struct ledger_judging judging = { .tool = tool, .set = set, .err = err };
    const struct semver zero = { 0 };
    size_t count = set->migration_count;

    if (!ledger_judge_keys(&judging)) {
        return false;
    }
    for (size_t i = 0; i < row_count; i++) {
        if (!ledger_judge_row(&judging, &rows[i])) {
            return false;
        }
    }
    while (count > 0 && !judging.applied[count - 1]) {
        count--;
    }
    if (count == 0) {
        if (set->migration_count > 0 && semver_compare(&set->migrations[0].version, &zero) <= 0) {
            return error_set(err, ERR_REFUSED,
                             "%s's table is empty, and no version is below the first script %s",
                             ledger_tool_name(tool), set->migrations[0].script);
        }
        (void)snprintf(ret_version, SEMVER_BYTES_MAX + 1, "0.0.0");
        return true;
    }
    (void)snprintf(ret_version, SEMVER_BYTES_MAX + 1, "%s",
                   set->migrations[count - 1].version_text);
    return ledger_judge_gaps(&judging, count);
}
