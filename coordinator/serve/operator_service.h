/* operator_service.h - skein.v1.OperatorService.
 *
 * Handlers run on the rpc loop: they decode, check, and post EVENT_OPERATOR (changes) or
 * EVENT_QUERY (reads) into the mailbox; when it is full the call ends with RESOURCE_EXHAUSTED. A
 * coordinator that does not lead answers UNAVAILABLE with the trailer "skein-leader" without asking
 * the brain. The other functions belong to the brain thread. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_SERVICE_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_SERVICE_H

#include "common/core/mailbox.h"
#include "common/rpc/rpc_server.h"
#include "common/sql/sql_script.h"
#include "coordinator/decide/effects.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/serve/leader_view.h"

struct operator_service;

/* `parser` checks the scripts of what is published. */
struct operator_service *operator_service_new(struct mailbox *inbox, struct leader_view *leader,
                                              struct sql_parser *parser);
void operator_service_free(struct operator_service **pointer); /* after the server has stopped */

enum { OPERATOR_SERVICE_METHODS_MAX = 32 };
size_t operator_service_methods(struct operator_service *service,
                                struct rpc_method ret_methods[OPERATOR_SERVICE_METHODS_MAX]);

/* EVENT_QUERY: answers from the fleet. WatchRollout registers a watcher. */
void operator_service_query(struct operator_service *service, const struct event *event,
                            const struct fleet *fleet);
/* EFFECT_REPLY. */
void operator_service_reply(struct operator_service *service, const struct effect *effect,
                            const struct fleet *fleet, uint64_t now_ms);
/* Nothing has happened, and the same may be asked again in a while. */
void operator_service_not_now(struct operator_service *service, uint64_t call_id,
                              const char *message);
/* Sends to watchers what has changed, at most five times a second each. */
void operator_service_tick(struct operator_service *service, const struct fleet *fleet,
                           uint64_t now_ms);
/* When leadership is lost: every open call ends with UNAVAILABLE. */
void operator_service_close_all(struct operator_service *service, const char *message);

#endif
