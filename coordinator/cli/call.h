/* call.h - calls to the coordinators by a method's name: JSON goes in, JSON comes out.
 *
 * Main thread only; every call waits. Several addresses are tried in turn, and the one that a
 * standby names as the leader is followed. What is repeated, and what is not: a request that was
 * never sent, or that a coordinator refused (it does not lead, or its store takes no writes), has
 * done nothing and is asked again, also elsewhere; a request whose answer was lost is repeated only
 * where the caller says that repeating it is harmless. */
#ifndef SKEIN_COORDINATOR_CLI_CALL_H
#define SKEIN_COORDINATOR_CLI_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "common/core/options.h"
#include "common/rpc/rpc_client.h"
#include "common/wire/wire_json.h"

enum { CALL_ADDRESSES_MAX = 16, CALL_PATIENCE_MS = 5000 };

struct caller {
    struct rpc_tls tls;
    bool use_tls;
    bool insecure;
    char addresses[CALL_ADDRESSES_MAX][RPC_TRAILER_BYTES];
    size_t address_count;
    size_t current;            /* index of the address that is being used */
    bool proven;               /* it has answered */
    struct rpc_client *client; /* NULL: not connected */
    uint64_t deadline_ms;      /* of the whole command; UINT64_MAX: none */
};

enum call_repeat {
    CALL_ONCE,       /* a write that would count twice */
    CALL_REPEATABLE, /* a read, or a write that can be made again */
};

/* Borrows the texts of `tls`. ERR_INVALID: a bad address, or plaintext to a host that is not this
 * one without --insecure. */
MUST_CHECK bool caller_init(struct caller *caller, const struct option_list *addresses,
                            const struct rpc_tls *tls, bool insecure, uint64_t deadline_ms,
                            struct error *err);
void caller_release(struct caller *caller);

/* One request, one answer; the caller owns *ret_response. On failure `err` is one sentence and
 * `ret_end` says how it ended (RPC_INTERNAL for what went wrong on this side). */
MUST_CHECK bool call_unary(struct caller *caller, const char *method, const json_t *request,
                           enum call_repeat repeat, json_t **ret_response, struct rpc_end *ret_end,
                           struct error *err);

/* One request, a stream of pages: a new array of all of them. A read, so it is repeated. */
MUST_CHECK bool call_pages(struct caller *caller, const char *method, const json_t *request,
                           json_t **ret_pages, struct rpc_end *ret_end, struct error *err);

/* A stream of requests, encoded already, and one answer. */
MUST_CHECK bool call_upload(struct caller *caller, const char *method, const struct bytes *requests,
                            size_t request_count, json_t **ret_response, struct rpc_end *ret_end,
                            struct error *err);

/* For streams that stay open (feed.h): the connection to the current address, made if need be. */
MUST_CHECK bool caller_connect(struct caller *caller, struct error *err);
/* After a call has ended with `end`: goes to the leader, or to the next address. */
void caller_move_on(struct caller *caller, const struct rpc_end *end);
/* Waits without doing anything; a signal may end it early. */
void caller_pause(uint64_t milliseconds);

#endif
