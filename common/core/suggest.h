/* suggest.h - the known word that somebody probably meant.
 *
 * Pure. */
#ifndef SKEIN_COMMON_CORE_SUGGEST_H
#define SKEIN_COMMON_CORE_SUGGEST_H

#include <stddef.h>

/* How many letters have to be inserted, removed, changed or swapped with their neighbour to get
 * from one word to the other; words of more than 64 bytes are as far apart as can be. */
size_t suggest_distance(const char *a, const char *b);

/* Keeps the nearest of several words: start with a zeroed struct and offer each. */
struct suggestion {
    const char *word; /* NULL: nothing is near enough */
    size_t distance;
};
void suggest_offer(struct suggestion *suggestion, const char *typed, const char *word);

#endif
