/* set_shelf.h - the migration sets that are published or still used by a rollout.
 *
 * Pure. Owns the sets. */
#ifndef SKEIN_COORDINATOR_DECIDE_SET_SHELF_H
#define SKEIN_COORDINATOR_DECIDE_SET_SHELF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/model/message.h"
#include "common/model/set.h"

struct set_shelf {
    struct set **sets; /* in the order in which they came */
    size_t set_count, set_capacity;
    struct set_title {
        struct arena arena;
        struct set_head head;
    } * titles; /* the newest published of each name, by name */
    size_t title_count, title_capacity;
};

void set_shelf_release(struct set_shelf *shelf);
/* Takes the set over; a set that is there already is dropped. */
void set_shelf_add(struct set_shelf *shelf, struct set *set);
/* Copies the head; it replaces that of the same name. */
void set_shelf_put_head(struct set_shelf *shelf, const struct set_head *head);
const struct set_head *set_shelf_head(const struct set_shelf *shelf, const char *name);
/* `digest` "" for the newest published. */
const struct set *set_shelf_find(const struct set_shelf *shelf, const char *name,
                                 const char *digest);
/* Frees the sets that are no head and that `used` denies. */
void set_shelf_prune(struct set_shelf *shelf, bool (*used)(void *user, const struct set *set),
                     void *user);

#endif
