#include "tests/sim/sim_set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

size_t sim_set_files(unsigned edition, struct sim_set_kind kind, struct arena *arena,
                     struct set_file ret_files[SIM_SET_FILES_MAX])
{
    size_t count = 0;

    assert(edition >= 1);
    assert(edition <= SIM_SET_EDITIONS);
    for (unsigned i = 0; i < edition; i++) {
        ret_files[count++] =
            (struct set_file){ .path = arena_printf(arena, "0.%u.0__step.sql", i + 1),
                               .content = bytes_of_text("SELECT 1;\n") };
        ret_files[count++] =
            (struct set_file){ .path = arena_printf(arena, "0.%u.0__step.down.sql", i + 1),
                               .content = bytes_of_text("SELECT 2;\n") };
    }
    if (kind.repeatable) {
        ret_files[count++] = (struct set_file){
            .path = "R__view.sql",
            .content = bytes_of_text(arena_printf(arena, "SELECT %u;\n", edition)),
        };
    }
    if (kind.hooks) {
        ret_files[count++] = (struct set_file){ .path = "hooks/before_rollout.sql",
                                                .content = bytes_of_text("SELECT 3;\n") };
        ret_files[count++] = (struct set_file){ .path = "hooks/after_rollout.sql",
                                                .content = bytes_of_text("SELECT 4;\n") };
    }
    if (kind.reference || kind.hooks) {
        ret_files[count++] = (struct set_file){
            .path = "skein.yaml",
            .content = bytes_of_text(arena_printf(
                arena, "%s%s", kind.reference ? "reference: " SIM_SET_REFERENCE "\n" : "",
                kind.hooks ? "control: " SIM_SET_CONTROL "\n" : "")),
        };
    }
    return count;
}

struct set *sim_set_new_of(unsigned edition, struct sim_set_kind kind)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set *set = memory_alloc(sizeof(*set));
    struct set_file files[SIM_SET_FILES_MAX];
    struct error err = { 0 };

    if (!set_parse(files, sim_set_files(edition, kind, &arena, files), "billing", set, &err)) {
        fprintf(stderr, "sim: %s\n", err.message);
        abort();
    }
    return set;
}

struct set *sim_set_new(unsigned edition)
{
    return sim_set_new_of(edition, (struct sim_set_kind){ 0 });
}

struct set *sim_set_new_with_reference(unsigned edition)
{
    return sim_set_new_of(edition, (struct sim_set_kind){ .reference = true });
}

struct set *sim_set_of_digest(const char *digest)
{
    for (unsigned i = 0; i < 8 * SIM_SET_EDITIONS; i++) {
        const struct sim_set_kind kind = { .reference = i % 2 == 1,
                                           .repeatable = i / 2 % 2 == 1,
                                           .hooks = i / 4 % 2 == 1 };
        struct set *set = sim_set_new_of(i / 8 + 1, kind);
        if (strcmp(set->digest, digest) == 0) {
            return set;
        }
        set_release(set);
        free(set);
    }
    return NULL;
}
