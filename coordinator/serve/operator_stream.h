/* operator_stream.h - answers that take more than one step: watching, and long lists in pages.
 *
 * Brain thread only. A stream sends what it can now and goes on at the next tick: a watcher when
 * its rollout has changed, a list when its outbox has drained. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_STREAM_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/rpc/rpc_server.h"
#include "coordinator/decide/fleet_view.h"
#include "coordinator/serve/operator_calls.h"

struct operator_stream {
    uint64_t number;
    struct rpc_call *call; /* with a reference */
    struct arena arena;    /* its texts */
    /* Sends what can be sent. False when the call has been ended. */
    bool (*next)(struct operator_stream *stream, const struct fleet *fleet, uint64_t now_ms);
    /* WatchRollout */
    const char *rollout;
    uint32_t errors_max;
    uint64_t change;
    uint64_t sent_ms;
    bool started;
    /* Plan and ListTenants */
    struct selector *selector;
    const char *set; /* NULL: a list of tenants */
    const char *digest;
    const char *target;
    const char *baseline; /* of unmanaged tenants; "" for none */
    bool has_cursor;      /* the last tenant that was sent: */
    char shard[NAME_BYTES_MAX + 1];
    char tenant[NAME_BYTES_MAX + 1];
    struct operator_stream *prev, *next_stream;
};

struct operator_streams;

struct operator_streams *operator_streams_new(struct operator_calls *calls);
void operator_streams_free(struct operator_streams **pointer);

/* An empty stream for the call, of which it takes a reference. */
struct operator_stream *operator_stream_new(struct rpc_call *call, uint64_t number);
/* Takes ownership: the first step now, the others from operator_streams_tick. */
void operator_streams_start(struct operator_streams *streams, struct operator_stream *stream,
                            const struct fleet *fleet, uint64_t now_ms);
void operator_streams_tick(struct operator_streams *streams, const struct fleet *fleet,
                           uint64_t now_ms);
/* Forgets all of them; whoever calls this ends their calls. */
void operator_streams_clear(struct operator_streams *streams);

#endif
