/* operator_reply.h - what the decisions answered (EFFECT_REPLY) as each method's response.
 *
 * Brain thread. Called for replies that say "done"; refusals need no method. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_REPLY_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_REPLY_H

#include <stdbool.h>

#include "coordinator/decide/effects.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/serve/operator_calls.h"

struct operator_answer {
    struct rpc_call *call;
    const struct effect *effect;
    const struct operator_published *published;
    const struct fleet *fleet;
    uint64_t now_ms;
};

typedef void operator_reply(const struct operator_answer *answer);

operator_reply operator_reply_published;
operator_reply operator_reply_rollout;
operator_reply operator_reply_locked;
operator_reply operator_reply_held;
operator_reply operator_reply_unlocked;
operator_reply operator_reply_forgotten;
operator_reply operator_reply_history;
operator_reply operator_reply_labelled;
operator_reply operator_reply_schemas;

#endif
