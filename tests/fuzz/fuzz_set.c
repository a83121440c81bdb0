/* LIBS: skein_model */
/* A set as one text: a line "=== PATH" begins a file, what follows is its content. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/plan.h"
#include "common/model/set.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_FILES_MAX = 64 };

static size_t split(char *text, size_t size, struct set_file files[FUZZ_FILES_MAX])
{
    size_t count = 0;
    char *end = text + size;
    char *at = text;

    while (at < end) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        char *next = line_end == NULL ? end : line_end + 1;
        if (line_end != NULL && line_end - at >= 4 && memcmp(at, "=== ", 4) == 0) {
            if (count == FUZZ_FILES_MAX) {
                break;
            }
            *line_end = '\0';
            files[count].path = at + 4;
            files[count].content = (struct bytes){ (const uint8_t *)next, 0 };
            count++;
        } else if (count > 0) {
            files[count - 1].content.size += (size_t)(next - at);
        }
        at = next;
    }
    return count;
}

static void check(const struct set *set)
{
    const struct plan_start nothing = { .from = "", .baseline = "" };
    const struct plan_start latest = { .from = set->latest_text,
                                       .has_objects = true,
                                       .baseline = "",
                                       .repeatables = set->repeatables_digest };
    struct error err = { 0 };
    struct plan plan;

    assert(strlen(set->digest) == DIGEST_TEXT_BYTES - 1);
    for (size_t i = 0; i < set->migration_count; i++) {
        const struct migration *migration = &set->migrations[i];
        assert(migration->operation_count > 0);
        assert(semver_compare(&migration->version, &set->latest) <= 0);
        assert(i == 0 || semver_compare(&migration[-1].version, &migration->version) < 0);
        assert(set_find_script(set, migration->script) == migration);
    }
    for (size_t i = 0; i < set->repeatable_count; i++) {
        assert(set->repeatables[i].operation_count == 1);
        assert(i == 0 || strcmp(set->repeatables[i - 1].script, set->repeatables[i].script) < 0);
    }
    assert((set->repeatables_digest == 0) == (set->repeatable_count == 0));
    assert(set_check_growth(set, set, &err));
    plan_make(set, &nothing, set->latest_text, &plan);
    assert(plan.code == TASK_CODE_NONE && plan.first == 0 && plan.count == set->migration_count);
    plan_make(set, &latest, set->latest_text, &plan);
    assert(plan.code == TASK_CODE_UP_TO_DATE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(set_release) struct set set = { 0 };
    struct set_file files[FUZZ_FILES_MAX];
    struct error err = { 0 };
    char *text = malloc(size + 1);

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    size_t count = split(text, size, files);
    if (set_parse(files, count, "fuzz", &set, &err)) {
        check(&set);
    } else {
        assert((err.code == ERR_INVALID || err.code == ERR_LIMIT) && err.message[0] != '\0');
    }
    free(text);
    return 0;
}
