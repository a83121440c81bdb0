#include "agent/run/task_text.h"

#include <stdint.h>
#include <string.h>

#include "common/model/semver.h"

/* Copies `text` to `target` in double quotes, with `escape` (NUL: itself) before each of `special`.
 */
static char *task_text_quote(char *target, const char *text, const char *special, char escape)
{
    *target++ = '"';
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL) {
            *target = escape;
            if (escape == '\0') {
                *target = *text;
            }
            target++;
        }
        *target++ = *text;
    }
    *target++ = '"';
    return target;
}

const char *task_text_identifier(struct arena *arena, const char *name)
{
    char *text = arena_alloc(arena, 2 * strlen(name) + 3);

    *task_text_quote(text, name, "\"", '\0') = '\0';
    return text;
}

const char *task_text_array(struct arena *arena, const char *const *items, size_t count)
{
    size_t bytes = 3;

    for (size_t i = 0; i < count; i++) {
        bytes += 5 + (items[i] == NULL ? 0 : 2 * strlen(items[i]));
    }
    char *text = arena_alloc(arena, bytes);
    char *at = text;

    *at++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            *at++ = ',';
        }
        if (items[i] == NULL) {
            memcpy(at, "NULL", 4);
            at += 4;
        } else {
            at = task_text_quote(at, items[i], "\"\\", '\\');
        }
    }
    *at++ = '}';
    *at = '\0';
    return text;
}

static const char *task_text_hex(struct arena *arena, const uint8_t checksum[CHECKSUM_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * CHECKSUM_BYTES + 1);

    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        text[2 * i] = digits[checksum[i] >> 4];
        text[2 * i + 1] = digits[checksum[i] & 15];
    }
    return text;
}

void task_text_applied(struct arena *arena, const struct set *set, const char *from,
                       struct task_text_rows *ret_rows)
{
    const char **scripts = arena_alloc_array(arena, set->migration_count + 1, sizeof(*scripts));
    const char **checksums = arena_alloc_array(arena, set->migration_count + 1, sizeof(*checksums));
    struct semver version;
    struct error ignored = { 0 };
    size_t count = 0;

    /* A version that is none was refused by the plan. */
    if (semver_parse(from, &version, &ignored)) {
        while (count < set->migration_count &&
               semver_compare(&set->migrations[count].version, &version) <= 0) {
            scripts[count] = set->migrations[count].script;
            checksums[count] = task_text_hex(arena, set->migrations[count].checksum);
            count++;
        }
    }
    ret_rows->scripts = task_text_array(arena, scripts, count);
    ret_rows->checksums = task_text_array(arena, checksums, count);
}

/* Whether the version goes further than the last script of the plan. */
static bool task_text_goes_further(const struct set *set, const struct plan *plan,
                                   const char *target)
{
    struct semver version;
    struct error ignored = { 0 };

    if (plan->count == 0) {
        return true;
    }
    const struct migration *last = &set->migrations[plan->first + plan->count - 1];
    return !semver_parse(target, &version, &ignored) ||
           semver_compare(&last->version, &version) != 0;
}

void task_text_history(struct arena *arena, const struct executor_task *task,
                       const struct plan *plan, struct task_text_rows *ret_rows)
{
    const struct set *set = prepared_set_model(task->set);
    size_t count = plan->count;
    const char **scripts = arena_alloc_array(arena, count + 1, sizeof(*scripts));
    const char **versions = arena_alloc_array(arena, count + 1, sizeof(*versions));
    const char **directions = arena_alloc_array(arena, count + 1, sizeof(*directions));
    const char **checksums = arena_alloc_array(arena, count + 1, sizeof(*checksums));

    for (size_t i = 0; i < count; i++) {
        const struct migration *migration = &set->migrations[plan->first + i];

        scripts[i] = migration->script;
        versions[i] = migration->version_text;
        directions[i] = "up";
        checksums[i] = task_text_hex(arena, migration->checksum);
    }
    if (task->mode == TASK_BASELINE || task_text_goes_further(set, plan, task->target)) {
        scripts[count] = "";
        versions[count] = task->target;
        directions[count] = task->mode == TASK_BASELINE ? "baseline" : "fast_forward";
        count++;
    }
    ret_rows->scripts = task_text_array(arena, scripts, count);
    ret_rows->versions = task_text_array(arena, versions, count);
    ret_rows->directions = task_text_array(arena, directions, count);
    ret_rows->checksums = task_text_array(arena, checksums, count);
}
