/* rpc_server.h - a gRPC server that moves bytes: no user of it sees a completion queue.
 *
 * One loop thread per server calls every handler; handlers must not block. Sending and closing may
 * come from any thread. Every call, unary or streaming, is a struct rpc_call: messages come in one
 * by one, messages go out through a bounded outbox, and it ends with one status. */
#ifndef SKEIN_COMMON_RPC_RPC_SERVER_H
#define SKEIN_COMMON_RPC_RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/rpc/rpc_status.h"
#include "common/rpc/rpc_tls.h"

struct rpc_server;
struct rpc_call;

/* What a method does with its calls; all on the loop thread. */
struct rpc_handler {
    /* A call has come. `context` is the handler's own. Returns the call's user pointer, which the
     * other functions get. */
    void *(*on_open)(void *context, struct rpc_call *call);
    /* One whole message; borrowed. */
    void (*on_message)(void *user, struct rpc_call *call, struct bytes message);
    /* The client sends no more. May be NULL. */
    void (*on_half_close)(void *user, struct rpc_call *call);
    /* Exactly once, last: the call is over, whoever ended it. `call` must not be used after it. */
    void (*on_closed)(void *user, struct rpc_call *call);
    /* The last message of the outbox has been handed to the network and the call is still open: a
     * producer of long streams sends its next part. May be NULL. */
    void (*on_drained)(void *user, struct rpc_call *call);
};

struct rpc_method {
    const char *path; /* "/skein.v1.OperatorService/ListSets" */
    const struct rpc_handler *handler;
    void *context;
};

struct rpc_server_options {
    const char *listen;               /* HOST:PORT; port 0 chooses one */
    const struct rpc_tls *tls;        /* NULL: plaintext */
    const struct rpc_method *methods; /* copied; the paths are borrowed for the server's life */
    size_t method_count;
    uint32_t calls_max; /* open calls; further ones end with RESOURCE_EXHAUSTED. 0: 20,000 */
};

MUST_CHECK bool rpc_server_start(const struct rpc_server_options *options,
                                 struct rpc_server **ret_server, struct error *err);
int rpc_server_port(const struct rpc_server *server);
uint32_t rpc_server_call_count(const struct rpc_server *server);

/* Takes no new calls, lets open ones end for `grace_ms`, cancels the rest, waits until every
 * on_closed has run, joins the thread. */
void rpc_server_stop(struct rpc_server *server, uint64_t grace_ms);
void rpc_server_free(struct rpc_server **server); /* stops it with no grace if it still runs */

/* ---- one call; thread-safe until on_closed returns ---- */

/* Keeps the call's memory beyond on_closed, for a holder on another thread. */
void rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call **call);

/* Copies the message into the outbox. False when the outbox is full or the message is larger than
 * MESSAGE_BYTES_MAX: the call is then being closed with RESOURCE_EXHAUSTED; or it is over already.
 */
bool rpc_call_send(struct rpc_call *call, struct bytes message);
/* From on_message: nothing more is read, so that the client waits as soon as what it has under way
 * is full; until rpc_call_resume, which may come from any thread. The call's end is heard
 * meanwhile. */
void rpc_call_pause(struct rpc_call *call);
void rpc_call_resume(struct rpc_call *call);
/* Ends the call after what is in the outbox. `message` may be NULL. Further calls do nothing. */
void rpc_call_finish(struct rpc_call *call, enum rpc_status status, const char *message);
/* Adds trailing metadata; before rpc_call_finish. Keys are lower case; at most RPC_TRAILERS_MAX. */
void rpc_call_add_trailer(struct rpc_call *call, const char *key, const char *value);

/* Copied to `ret_value`; "" when the client did not send it. */
void rpc_call_metadata(struct rpc_call *call, const char *key, char *ret_value, size_t value_bytes);
/* The name in the client's certificate (its CN, else its first SAN), or its address for a peer
 * without one: "cert:ana" or "addr:ipv4:127.0.0.1:3456". Never NULL; valid while the call is. */
const char *rpc_call_peer(const struct rpc_call *call);
/* Bytes waiting in the outbox: a producer of long streams pauses above its own bound. */
size_t rpc_call_outbox_bytes(struct rpc_call *call);

#endif
