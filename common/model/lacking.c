#include "common/model/lacking.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void lacking_add(struct lacking *lacking, const struct operation *operation)
{
    if (lacking->count < LACKING_NAMED_MAX) {
        lacking->first[lacking->count] = operation;
    }
    lacking->count++;
}

void lacking_words(const struct lacking *lacking, char ret_words[LACKING_BYTES])
{
    enum { REST_BYTES = 64 }; /* " and 12 more have no rollback" */
    size_t used = 0;
    size_t named = 0;

    assert(lacking->count > 0);
    if (lacking->count == 1) {
        (void)snprintf(ret_words, LACKING_BYTES, "'%s' has no rollback (%s.down.sql)",
                       lacking->first[0]->path, lacking->first[0]->stem);
        return;
    }
    while (named < lacking->count && named < LACKING_NAMED_MAX) {
        const struct operation *operation = lacking->first[named];
        int size = snprintf(ret_words + used, LACKING_BYTES - used, "%s'%s' (%s.down.sql)",
                            named == 0 ? "" : ", ", operation->path, operation->stem);

        if (named > 0 && used + (size_t)size + REST_BYTES > LACKING_BYTES) {
            break;
        }
        used =
            used + (size_t)size < LACKING_BYTES ? used + (size_t)size : LACKING_BYTES - REST_BYTES;
        named++;
    }
    if (named < lacking->count) {
        (void)snprintf(ret_words + used, LACKING_BYTES - used, " and %zu more have no rollback",
                       lacking->count - named);
    } else {
        (void)snprintf(ret_words + used, LACKING_BYTES - used, " have no rollback");
    }
}
