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

const char *task_text_hex(struct arena *arena, const uint8_t checksum[CHECKSUM_BYTES])
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

bool task_text_is_above(const char *version, const char *other)
{
    struct semver one;
    struct semver two;
    struct error ignored = { 0 };

    return !semver_parse(version, &one, &ignored) || !semver_parse(other, &two, &ignored) ||
           semver_compare(&one, &two) != 0;
}

void task_text_repeatables(struct arena *arena, const struct set *set,
                           struct task_text_rows *ret_rows)
{
    const char **scripts = arena_alloc_array(arena, set->repeatable_count, sizeof(*scripts));
    const char **checksums = arena_alloc_array(arena, set->repeatable_count, sizeof(*checksums));

    for (size_t i = 0; i < set->repeatable_count; i++) {
        scripts[i] = set->repeatables[i].script;
        checksums[i] = task_text_hex(arena, set->repeatables[i].checksum);
    }
    ret_rows->scripts = task_text_array(arena, scripts, set->repeatable_count);
    ret_rows->checksums = task_text_array(arena, checksums, set->repeatable_count);
}

void task_text_labels(struct arena *arena, const struct labels *labels,
                      struct task_text_labels *ret_labels)
{
    const char **keys = arena_alloc_array(arena, labels->count, sizeof(*keys));
    const char **values = arena_alloc_array(arena, labels->count, sizeof(*values));

    for (size_t i = 0; i < labels->count; i++) {
        keys[i] = labels->items[i].key;
        values[i] = labels->items[i].value;
    }
    ret_labels->keys = task_text_array(arena, keys, labels->count);
    ret_labels->values = task_text_array(arena, values, labels->count);
}

const char *task_text_start(const struct executor_task *task)
{
    return task->baseline[0] != '\0' ? task->baseline : task->from;
}

bool task_text_goes_further(const struct executor_task *task, const struct plan *plan)
{
    const struct set *set = prepared_set_model(task->set);
    struct semver version;
    struct error ignored = { 0 };

    if (plan->count == 0) {
        return strcmp(task_text_start(task), task->target) != 0;
    }
    const struct migration *last = &set->migrations[plan->first + plan->count - 1];
    return !semver_parse(task->target, &version, &ignored) ||
           semver_compare(&last->version, &version) != 0;
}

/* Columns while they are filled. */
struct task_columns {
    struct arena *arena;
    const char **scripts, **versions, **directions, **checksums;
    size_t count;
};

static void task_text_add(struct task_columns *columns, const struct migration *migration,
                          const char *version, const char *direction)
{
    size_t i = columns->count++;

    columns->scripts[i] = migration == NULL ? "" : migration->script;
    columns->versions[i] = version;
    columns->directions[i] = direction;
    columns->checksums[i] =
        migration == NULL ? NULL : task_text_hex(columns->arena, migration->checksum);
}

void task_text_history(struct arena *arena, const struct executor_task *task,
                       const struct plan *plan, const struct task_repeats *repeats,
                       struct task_text_rows *ret_rows)
{
    const struct set *set = prepared_set_model(task->set);
    size_t most = plan->count + 1 + repeats->count;
    struct task_columns columns = {
        .arena = arena,
        .scripts = arena_alloc_array(arena, most, sizeof(char *)),
        .versions = arena_alloc_array(arena, most, sizeof(char *)),
        .directions = arena_alloc_array(arena, most, sizeof(char *)),
        .checksums = arena_alloc_array(arena, most, sizeof(char *)),
    };

    for (size_t i = 0; i < plan->count; i++) {
        const struct migration *migration = &set->migrations[plan->first + i];
        task_text_add(&columns, migration, migration->version_text, "up");
    }
    if (task->mode == TASK_BASELINE) {
        task_text_add(&columns, NULL, task->target, "baseline");
    } else if (task_text_goes_further(task, plan)) {
        task_text_add(&columns, NULL, task->target, "fast_forward");
    }
    for (size_t i = 0; i < repeats->count; i++) {
        task_text_add(&columns, &set->repeatables[repeats->items[i]], task->target, "up");
    }
    ret_rows->scripts = task_text_array(arena, columns.scripts, columns.count);
    ret_rows->versions = task_text_array(arena, columns.versions, columns.count);
    ret_rows->directions = task_text_array(arena, columns.directions, columns.count);
    ret_rows->checksums = task_text_array(arena, columns.checksums, columns.count);
}
