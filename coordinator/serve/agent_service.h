/* agent_service.h - skein.v1.AgentService: agents' streams in, messages out, published sets.
 *
 * Handlers run on the rpc loop and post EVENT_AGENT_MESSAGE and EVENT_AGENT_CLOSED into the
 * mailbox. A stream whose message finds it full is not read any more, so that its agent waits; the
 * message itself waits with its stream. The close event uses the reserve. The other functions
 * belong to the brain thread. */
#ifndef SKEIN_COORDINATOR_SERVE_AGENT_SERVICE_H
#define SKEIN_COORDINATOR_SERVE_AGENT_SERVICE_H

#include "common/core/mailbox.h"
#include "common/rpc/rpc_server.h"
#include "coordinator/decide/effects.h"
#include "coordinator/serve/leader_view.h"

struct agent_service;

/* Gets a set's archive chunk by chunk for FetchSet: the shell reads the store. `done` may be called
 * on any thread, once; `archive` is borrowed for the call, `err` NULL on success. */
typedef void set_fetched(void *user, struct bytes archive, const struct error *err);
struct set_source {
    void (*fetch)(void *context, const char *set, const char *digest, set_fetched *done,
                  void *user);
    void *context;
};

struct agent_service *agent_service_new(struct mailbox *inbox, struct leader_view *leader,
                                        const struct set_source *source);
void agent_service_free(struct agent_service **pointer); /* after the server has stopped */

enum { AGENT_SERVICE_METHODS = 2 };
void agent_service_methods(struct agent_service *service,
                           struct rpc_method ret_methods[AGENT_SERVICE_METHODS]);

/* The mailbox may have room again: posts what waits, oldest first, and reads on. Cheap when nothing
 * does; call it at least every few hundred milliseconds. */
void agent_service_resume(struct agent_service *service);
/* A stream that is gone already is no error. */
void agent_service_send(struct agent_service *service, uint64_t stream,
                        const struct coordinator_message *message);
void agent_service_close(struct agent_service *service, uint64_t stream, enum err_code code,
                         const char *message);
/* After EVENT_AGENT_CLOSED: ends the call of an agent that has half-closed it. */
void agent_service_finish(struct agent_service *service, uint64_t stream);
/* When leadership is lost: every stream ends with UNAVAILABLE and the leader's address. */
void agent_service_close_all(struct agent_service *service, const char *message);

#endif
