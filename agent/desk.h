/* desk.h - the agent's thread for what takes a while and is no task: looking for tenants, reading
 * history and schemas, preparing sets.
 *
 * The brain thread asks; answers come back through the mailbox. Requests wait in a bounded queue;
 * requests to read the tenants are merged into one. */
#ifndef SKEIN_AGENT_DESK_H
#define SKEIN_AGENT_DESK_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_event.h"
#include "agent/keep/tenants.h"
#include "common/core/mailbox.h"
#include "common/sql/sql_script.h"

struct desk;

struct desk_options {
    struct tenants_options tenants; /* copied */
    const char *shard;              /* that makes copies of tenants; NULL: none does */
    uint64_t refresh_interval_ms;   /* reads the tenants by itself this often */
    struct mailbox *inbox;          /* of struct agent_event; borrowed */
    struct sql_parser *parser;      /* borrowed */
};

struct desk *desk_start(const struct desk_options *options);
void desk_stop(struct desk **pointer);

/* Read the tenants now; the answer carries the newest `refresh` that was asked for. */
void desk_refresh(struct desk *desk, uint64_t refresh);
/* A new session: its requests are numbered anew, perhaps by another coordinator. */
void desk_forget_refresh(struct desk *desk);
/* Reads the tenants now, and gives the number of that reading: what is read before has a lower one.
 */
uint64_t desk_read_anew(struct desk *desk);
/* False when too many requests wait. */
bool desk_history(struct desk *desk, const struct history_request *request);
bool desk_schemas(struct desk *desk, const struct schema_request *request);
/* Takes the archive event over; answers with AGENT_EVENT_SET. */
bool desk_prepare(struct desk *desk, struct agent_event *archive);

#endif
