/* lacking.h - operations that would have to be undone, and that nothing undoes.
 *
 * Pure. Owned by whoever looks for them. */
#ifndef SKEIN_COMMON_MODEL_LACKING_H
#define SKEIN_COMMON_MODEL_LACKING_H

#include <stddef.h>

#include "common/model/set.h"

enum { LACKING_NAMED_MAX = 16, LACKING_BYTES = 800 };

struct lacking {
    const struct operation *first[LACKING_NAMED_MAX];
    size_t count; /* of all of them */
};

void lacking_add(struct lacking *lacking, const struct operation *operation);
/* "'a.sql' has no rollback (a.down.sql)", or the same of all that fit, with the number of the rest.
 */
void lacking_words(const struct lacking *lacking, char ret_words[LACKING_BYTES]);

#endif
