/* shelf.h - prepared sets at hand, and the messages that wait for one.
 *
 * Owned by the agent's brain thread. Keeps the SHELF_SETS_MAX sets used last. */
#ifndef SKEIN_AGENT_SHELF_H
#define SKEIN_AGENT_SHELF_H

#include <stdbool.h>

#include "agent/agent_event.h"

enum { SHELF_SETS_MAX = 8 };

struct shelf;

struct shelf *shelf_new(void);
void shelf_free(struct shelf **pointer);

/* Borrowed; NULL if it is not there. */
struct prepared_set *shelf_find(struct shelf *shelf, const char *name, const char *digest);
/* Takes the set over. */
void shelf_put(struct shelf *shelf, const char *name, const char *digest,
               struct prepared_set *prepared);

/* Keeps an assignment or a control run until its set is there. True if the set must be fetched now:
 * nobody waits for it yet. Takes the event over. */
bool shelf_wait(struct shelf *shelf, struct agent_event *message);
/* The next message that waited for this set; NULL when there is none left. The caller frees. */
struct agent_event *shelf_take_waiting(struct shelf *shelf, const char *name, const char *digest);
/* Drops what waits (all, or a rollout's assignments), telling `dropped` of each assignment before
 * it is freed; whoever asked for a control run asks again. */
void shelf_drop_waiting(struct shelf *shelf, const char *rollout,
                        void (*dropped)(void *context, const struct task_assignment *assignment),
                        void *context);

#endif
