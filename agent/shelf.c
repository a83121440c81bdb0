#include "agent/shelf.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

struct shelf_set {
    char *name;
    char *digest;
    struct prepared_set *prepared;
    uint64_t used; /* when, by the shelf's own count */
};

struct shelf_waiting {
    struct shelf_waiting *next;
    struct agent_event *event;
};

struct shelf {
    struct shelf_set sets[SHELF_SETS_MAX];
    uint64_t uses;
    struct shelf_waiting *waiting; /* oldest first; bounded by the tasks an agent may have */
};

struct shelf *shelf_new(void)
{
    return memory_alloc(sizeof(struct shelf));
}

static void shelf_set_release(struct shelf_set *set)
{
    free(set->name);
    free(set->digest);
    if (set->prepared != NULL) {
        prepared_set_unref(&set->prepared);
    }
    *set = (struct shelf_set){ 0 };
}

void shelf_free(struct shelf **pointer)
{
    struct shelf *shelf = *pointer;

    if (shelf == NULL) {
        return;
    }
    for (size_t i = 0; i < SHELF_SETS_MAX; i++) {
        shelf_set_release(&shelf->sets[i]);
    }
    shelf_drop_waiting(shelf, NULL, NULL, NULL);
    free(shelf);
    *pointer = NULL;
}

struct prepared_set *shelf_find(struct shelf *shelf, const char *name, const char *digest)
{
    for (size_t i = 0; i < SHELF_SETS_MAX; i++) {
        struct shelf_set *set = &shelf->sets[i];
        if (set->prepared != NULL && strcmp(set->digest, digest) == 0 &&
            strcmp(set->name, name) == 0) {
            set->used = ++shelf->uses;
            return set->prepared;
        }
    }
    return NULL;
}

void shelf_put(struct shelf *shelf, const char *name, const char *digest,
               struct prepared_set *prepared)
{
    struct shelf_set *place = &shelf->sets[0];

    for (size_t i = 0; i < SHELF_SETS_MAX; i++) {
        struct shelf_set *set = &shelf->sets[i];
        if (set->prepared != NULL && strcmp(set->digest, digest) == 0 &&
            strcmp(set->name, name) == 0) {
            place = set; /* fetched twice, since a cancelled rollout's fetch goes on */
            break;
        }
        if (set->used < place->used) {
            place = set;
        }
    }
    shelf_set_release(place);
    *place = (struct shelf_set){ .name = memory_strdup(name),
                                 .digest = memory_strdup(digest),
                                 .prepared = prepared,
                                 .used = ++shelf->uses };
}

static bool shelf_is_for(const struct shelf_waiting *waiting, const char *name, const char *digest)
{
    const char *wanted_name;
    const char *wanted_digest;

    agent_event_wanted_set(waiting->event, &wanted_name, &wanted_digest);
    return strcmp(wanted_digest, digest) == 0 && strcmp(wanted_name, name) == 0;
}

bool shelf_wait(struct shelf *shelf, struct agent_event *message)
{
    struct shelf_waiting **end = &shelf->waiting;
    const char *name;
    const char *digest;
    bool first = true;

    agent_event_wanted_set(message, &name, &digest);
    while (*end != NULL) {
        first = first && !shelf_is_for(*end, name, digest);
        end = &(*end)->next;
    }
    *end = memory_alloc(sizeof(**end));
    (*end)->event = message;
    return first;
}

struct agent_event *shelf_take_waiting(struct shelf *shelf, const char *name, const char *digest)
{
    for (struct shelf_waiting **at = &shelf->waiting; *at != NULL; at = &(*at)->next) {
        if (shelf_is_for(*at, name, digest)) {
            struct shelf_waiting *waiting = *at;
            struct agent_event *event = waiting->event;
            *at = waiting->next;
            free(waiting);
            return event;
        }
    }
    return NULL;
}

void shelf_drop_waiting(struct shelf *shelf, const char *rollout,
                        void (*dropped)(void *context, const struct task_assignment *assignment),
                        void *context)
{
    struct shelf_waiting **at = &shelf->waiting;

    while (*at != NULL) {
        struct shelf_waiting *waiting = *at;
        const struct coordinator_message *message = &waiting->event->message;
        bool assigns = message->kind == COORDINATOR_MESSAGE_ASSIGN;
        if (rollout != NULL && (!assigns || strcmp(message->assign.rollout, rollout) != 0)) {
            at = &waiting->next;
            continue;
        }
        if (dropped != NULL && assigns) {
            dropped(context, &message->assign);
        }
        *at = waiting->next;
        agent_event_free(&waiting->event);
        free(waiting);
    }
}
