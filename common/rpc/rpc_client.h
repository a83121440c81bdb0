/* rpc_client.h - gRPC calls from skein to skein: bytes over one channel.
 *
 * One loop thread per client calls the stream handlers; they must not block. The waiting calls are
 * for command-line programs and for tests. */
#ifndef SKEIN_COMMON_RPC_RPC_CLIENT_H
#define SKEIN_COMMON_RPC_RPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/rpc/rpc_status.h"
#include "common/rpc/rpc_tls.h"

struct rpc_client;
struct rpc_stream;

enum { RPC_TRAILER_BYTES = 256, RPC_STATUS_MESSAGE_BYTES = 1024 };

/* How a call ended. */
struct rpc_end {
    enum rpc_status status;
    char message[RPC_STATUS_MESSAGE_BYTES];
    char leader[RPC_TRAILER_BYTES]; /* trailing metadata "skein-leader"; "" when not sent */
    bool refused; /* trailing metadata "skein-refused": the server could not now and did nothing */
    bool sent;    /* false: the request never left this process, so nothing can have happened */
};

/* All on the client's loop thread. */
struct rpc_stream_handler {
    void (*on_message)(void *user, struct rpc_stream *stream, struct bytes message);
    /* Exactly once, last. The stream must not be used after it without a reference. */
    void (*on_closed)(void *user, struct rpc_stream *stream, const struct rpc_end *end);
    /* The outbox has become empty: a producer of a long stream sends its next portion. May be
     * NULL. */
    void (*on_drained)(void *user, struct rpc_stream *stream);
};

/* `address` is HOST:PORT. Does not connect yet. `tls` NULL: plaintext. */
MUST_CHECK bool rpc_client_new(const char *address, const struct rpc_tls *tls,
                               struct rpc_client **ret_client, struct error *err);
/* Cancels what is open, waits for every on_closed. Not from a handler. */
void rpc_client_free(struct rpc_client **client);

/* A bidirectional (or server-streaming: send one, then rpc_stream_half_close) call.
 * deadline_ms: monotonic, UINT64_MAX for none.
 *
 * `ret_stream` is set before the first callback, and it comes WITH A REFERENCE of the caller's,
 * because on_closed may have run before this returns: give it back with rpc_stream_unref when the
 * opener needs it no longer, before or after on_closed. False: no callback comes. */
MUST_CHECK bool rpc_stream_open(struct rpc_client *client, const char *path, uint64_t deadline_ms,
                                const struct rpc_stream_handler *handler, void *user,
                                struct rpc_stream **ret_stream, struct error *err);
/* As rpc_call_send: copies; false when the outbox is full (then the stream is cancelled) or over.
 */
bool rpc_stream_send(struct rpc_stream *stream, struct bytes message);
void rpc_stream_half_close(struct rpc_stream *stream);
void rpc_stream_cancel(struct rpc_stream *stream);
size_t rpc_stream_outbox_bytes(struct rpc_stream *stream);
void rpc_stream_ref(struct rpc_stream *stream);
void rpc_stream_unref(struct rpc_stream **stream);

/* A unary call that waits. On failure `err` has the server's sentence and `ret_end` (may be NULL)
 * the rest. `response` has its size_max set by the caller.
 *
 * ERR_UNAVAILABLE: the server was not reached, or it sent UNAVAILABLE together with the trailer
 * "skein-refused": nothing happened. ERR_UNCERTAIN: any other UNAVAILABLE, and
 * CANCELLED: the request has left and its answer was lost. timeout_ms UINT64_MAX: waits for ever.
 */
MUST_CHECK bool rpc_client_unary(struct rpc_client *client, const char *path, struct bytes request,
                                 uint64_t timeout_ms, struct buf *response, struct rpc_end *ret_end,
                                 struct error *err);

/* A call that sends `requests` in order, half-closes, and hands each answer to `on_message` (on the
 * calling thread; returning false cancels the call, which then counts as success). */
MUST_CHECK bool rpc_client_stream(struct rpc_client *client, const char *path,
                                  const struct bytes *requests, size_t request_count,
                                  uint64_t timeout_ms,
                                  bool (*on_message)(void *user, struct bytes message), void *user,
                                  struct rpc_end *ret_end, struct error *err);

#endif
