/* tenant_book.h - the shard's tenants as this agent knows them, and what of that the coordinator
 * has.
 *
 * Owned by the agent's brain thread. What is known was read from the databases, and what this agent
 * has done since is written into it: so a coordinator that begins to lead hears at once of all that
 * was done, and hands nothing of it out again. */
#ifndef SKEIN_AGENT_TENANT_BOOK_H
#define SKEIN_AGENT_TENANT_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_event.h"
#include "agent/line.h"

struct tenant_book;

struct tenant_book *tenant_book_new(void);
void tenant_book_free(struct tenant_book **pointer);

/* A session begins: everything is sent, if it is known. */
void tenant_book_welcome(struct tenant_book *book, struct line *line);
/* Another agent may have worked since the tenants were read: only what a reading of this number, or
 * of a later one, says is sent from now on. */
void tenant_book_distrust(struct tenant_book *book, uint64_t reading);
/* The stream is gone. */
void tenant_book_closed(struct tenant_book *book);

struct tenant_reading {
    struct tenants_snapshot *snapshot; /* taken over */
    uint64_t number;                   /* see tenant_book_distrust */
    uint64_t started_ms;               /* what was done later it may not have seen */
    uint64_t refresh;                  /* the newest request that it answers */
};
/* Sends what has changed, unless `line` is NULL. */
void tenant_book_put(struct tenant_book *book, const struct tenant_reading *reading,
                     struct line *line);
/* What this agent has done itself: `set` of the result's tenant is where the result says. */
void tenant_book_note(struct tenant_book *book, const struct task_result *result, const char *set,
                      uint64_t now_ms);

size_t tenant_book_count(const struct tenant_book *book);

#endif
