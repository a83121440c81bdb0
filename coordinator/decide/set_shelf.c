#include "coordinator/decide/set_shelf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"

static void set_shelf_free_set(struct set *set)
{
    set_release(set);
    free(set);
}

void set_shelf_release(struct set_shelf *shelf)
{
    for (size_t i = 0; i < shelf->set_count; i++) {
        set_shelf_free_set(shelf->sets[i]);
    }
    for (size_t i = 0; i < shelf->title_count; i++) {
        arena_release(&shelf->titles[i].arena);
    }
    free(shelf->sets);
    free(shelf->titles);
    *shelf = (struct set_shelf){ 0 };
}

void set_shelf_add(struct set_shelf *shelf, struct set *set)
{
    if (set_shelf_find(shelf, set->name, set->digest) != NULL) {
        set_shelf_free_set(set);
        return;
    }
    shelf->sets =
        memory_reserve(shelf->sets, shelf->set_count, &shelf->set_capacity, sizeof(*shelf->sets));
    shelf->sets[shelf->set_count++] = set;
}

/* Where the name is, or belongs. */
static size_t set_shelf_place(const struct set_shelf *shelf, const char *name)
{
    size_t low = 0;
    size_t high = shelf->title_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(shelf->titles[middle].head.name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct set_head *set_shelf_head(const struct set_shelf *shelf, const char *name)
{
    size_t place = set_shelf_place(shelf, name);

    if (place < shelf->title_count && strcmp(shelf->titles[place].head.name, name) == 0) {
        return &shelf->titles[place].head;
    }
    return NULL;
}

void set_shelf_put_head(struct set_shelf *shelf, const struct set_head *head)
{
    size_t place = set_shelf_place(shelf, head->name);
    struct set_title title = { 0 };

    title.head = copy_head(&title.arena, head);
    if (set_shelf_head(shelf, head->name) != NULL) {
        arena_release(&shelf->titles[place].arena);
        shelf->titles[place] = title;
        return;
    }
    shelf->titles = memory_reserve(shelf->titles, shelf->title_count, &shelf->title_capacity,
                                   sizeof(*shelf->titles));
    memmove(&shelf->titles[place + 1], &shelf->titles[place],
            (shelf->title_count - place) * sizeof(*shelf->titles));
    shelf->titles[place] = title;
    shelf->title_count++;
}

const struct set *set_shelf_find(const struct set_shelf *shelf, const char *name,
                                 const char *digest)
{
    if (digest[0] == '\0') {
        const struct set_head *head = set_shelf_head(shelf, name);
        if (head == NULL) {
            return NULL;
        }
        digest = head->digest;
    }
    for (size_t i = 0; i < shelf->set_count; i++) {
        if (strcmp(shelf->sets[i]->digest, digest) == 0 &&
            strcmp(shelf->sets[i]->name, name) == 0) {
            return shelf->sets[i];
        }
    }
    return NULL;
}

void set_shelf_prune(struct set_shelf *shelf, bool (*used)(void *user, const struct set *set),
                     void *user)
{
    size_t kept = 0;

    for (size_t i = 0; i < shelf->set_count; i++) {
        struct set *set = shelf->sets[i];
        const struct set_head *head = set_shelf_head(shelf, set->name);
        if ((head != NULL && strcmp(head->digest, set->digest) == 0) || used(user, set)) {
            shelf->sets[kept++] = set;
        } else {
            set_shelf_free_set(set);
        }
    }
    shelf->set_count = kept;
}
