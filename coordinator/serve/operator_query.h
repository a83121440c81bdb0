/* operator_query.h - requests that only read, answered from the fleet as it is now.
 *
 * Brain thread (EVENT_QUERY). Each either answers the call, starts a stream for it, or returns
 * false with the sentence to end it with. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_QUERY_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_QUERY_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "coordinator/serve/operator_stream.h"

struct operator_question {
    struct rpc_call *call;
    uint64_t number;
    struct bytes request;
    const struct fleet *fleet;
    uint64_t now_ms;
    struct arena *arena;
    struct operator_streams *streams;
};

typedef bool operator_query(const struct operator_question *question, struct error *err);

operator_query operator_query_sets;
operator_query operator_query_set;
operator_query operator_query_plan;
operator_query operator_query_rollouts;
operator_query operator_query_rollout;
operator_query operator_query_watch;
operator_query operator_query_tenants;
operator_query operator_query_shards;
operator_query operator_query_locks;
operator_query operator_query_events;

#endif
