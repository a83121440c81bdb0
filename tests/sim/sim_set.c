#include "tests/sim/sim_set.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

struct set *sim_set_new(unsigned edition)
{
    struct set *set = memory_alloc(sizeof(*set));
    struct set_file files[SIM_SET_EDITIONS];
    char paths[SIM_SET_EDITIONS][32];
    struct error err = { 0 };

    assert(edition >= 1);
    assert(edition <= SIM_SET_EDITIONS);
    for (unsigned i = 0; i < edition; i++) {
        snprintf(paths[i], sizeof(paths[i]), "0.%u.0__step.sql", i + 1);
        files[i] = (struct set_file){ .path = paths[i], .content = bytes_of_text("SELECT 1;\n") };
    }
    if (!set_parse(files, edition, "billing", set, &err)) {
        fprintf(stderr, "sim: %s\n", err.message);
        abort();
    }
    return set;
}

unsigned sim_set_edition(const char *digest)
{
    for (unsigned edition = 1; edition <= SIM_SET_EDITIONS; edition++) {
        struct set *set = sim_set_new(edition);
        bool same = strcmp(set->digest, digest) == 0;
        set_release(set);
        free(set);
        if (same) {
            return edition;
        }
    }
    return 0;
}
