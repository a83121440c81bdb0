/* state_link.h - the connections that an operation of the kind state has besides its walk's own: to
 * other databases of the tenant's server, and for folding at the same time.
 *
 * Each is used by one thread at a time. The role is the agent's, as everywhere; the tenant's schema
 * is first in the search_path, behind it stands public. */
#ifndef SKEIN_AGENT_RUN_STATE_LINK_H
#define SKEIN_AGENT_RUN_STATE_LINK_H

#include <stdbool.h>

#include "agent/run/runner.h"

struct state_link {
    struct pg_conn *conn; /* NULL: it is the walk's own connection that is meant */
    struct pg_batch *batch;
    const char *database; /* for messages */
};

void state_link_release(struct state_link *link);

/* Whether the agent's configuration lets sets work in that database. "" is the tenant's own. */
MUST_CHECK bool state_link_check(const struct runner_call *call, const char *database,
                                 struct runner_report *report);

/* To `database`, or with "" to the tenant's own once more. `reads`: nothing can be written with it.
 * False: the report says why, with DATABASE_LOST where trying again may help. */
MUST_CHECK bool state_link_open(const struct runner_call *call, const char *database, bool reads,
                                struct state_link *ret_link, struct runner_report *report);

/* What is meant by a link: its own connection, or the walk's. */
struct pg_conn *state_link_conn(const struct state_link *link, const struct runner_call *call);
struct pg_batch *state_link_batch(const struct state_link *link, const struct runner_call *call);

/* Why a statement on it failed: as runner_fail_pg, but another connection than the walk's that is
 * lost is DATABASE_LOST. */
bool state_link_fail(const struct runner_call *call, const struct state_link *link,
                     const struct pg_error *error, struct runner_report *report);

/* Whether an error is the stream's own that is being worked on (its data are wrong, its function
 * raises) and not something that would happen to any. */
bool state_link_is_own(const struct pg_error *error);

#endif
