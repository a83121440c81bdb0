/* agent_fetch.h - sends published archives to agents, without keeping a copy for each.
 *
 * Thread-safe. Agents that want the same set at the same time share one read of the store and one
 * copy in memory, which goes when the last of them has it. A call is sent a little at a time, as
 * its outbox drains, so a thousand slow agents cost a thousand small outboxes. */
#ifndef SKEIN_COORDINATOR_SERVE_AGENT_FETCH_H
#define SKEIN_COORDINATOR_SERVE_AGENT_FETCH_H

#include "common/rpc/rpc_server.h"
#include "coordinator/serve/agent_service.h"
#include "coordinator/serve/leader_view.h"

struct agent_fetch;

struct agent_fetch *agent_fetch_new(struct leader_view *leader, const struct set_source *source);
/* After the server has stopped and the source calls nobody any more. */
void agent_fetch_free(struct agent_fetch **pointer);

/* AgentService.FetchSet. */
struct rpc_method agent_fetch_method(struct agent_fetch *fetch);

#endif
