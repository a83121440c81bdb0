/* operator_change.h - requests that change something: bytes -> what the decisions are asked.
 *
 * Pure but for the random id of a new rollout. Called on the rpc loop. Each fills
 * event->operator (whose `call` and `actor` are set already) from event->arena. Errors are
 * sentences for the operator. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_CHANGE_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_CHANGE_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "coordinator/decide/event.h"

typedef bool operator_change(struct bytes request, struct event *event, struct error *err);

operator_change operator_change_start;
operator_change operator_change_pause;
operator_change operator_change_resume;
operator_change operator_change_abort;
operator_change operator_change_retry;
operator_change operator_change_rollback;
operator_change operator_change_lock;
operator_change operator_change_hold;
operator_change operator_change_unlock;
operator_change operator_change_forget;
operator_change operator_change_history;
operator_change operator_change_label;
operator_change operator_change_schemas;

/* Eight lower-case base32 characters and NUL: out of the key, or random without one. So a request
 * that is sent again with its key asks for the same rollout. */
enum { ROLLOUT_ID_BYTES = 9 };
MUST_CHECK bool operator_change_make_id(const char *idempotency_key, char ret_id[ROLLOUT_ID_BYTES],
                                        struct error *err);

#endif
