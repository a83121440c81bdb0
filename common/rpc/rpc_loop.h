/* rpc_loop.h - a completion queue, the thread that waits on it, and the operations it ends.
 *
 * Inside common/rpc only. An operation in flight is an object: its struct rpc_op is the tag, and
 * `done` runs exactly once, on the loop thread. */
#ifndef SKEIN_COMMON_RPC_RPC_LOOP_H
#define SKEIN_COMMON_RPC_RPC_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "common/core/base.h"
#include "common/core/error.h"

struct rpc_op {
    void (*done)(struct rpc_op *op, bool ok); /* loop thread, exactly once */
};

struct rpc_loop {
    grpc_completion_queue *queue;
    pthread_t thread;
    bool running;
};

/* Starts gRPC (which then stays up until the process ends), makes the queue and the thread, which
 * gets `name`. */
MUST_CHECK bool rpc_loop_start(struct rpc_loop *loop, const char *name, struct error *err);
/* Shuts the queue down, lets it drain, joins the thread. Nothing may start a batch any more: after
 * queue shutdown that would abort the process. Not on the loop thread. */
void rpc_loop_stop(struct rpc_loop *loop);
/* Destroys the queue of a stopped loop, after all that was bound to it. */
void rpc_loop_release(struct rpc_loop *loop);
bool rpc_loop_is_current(const struct rpc_loop *loop);

/* Starts a batch whose end calls op->done. Serialised per call by the caller. */
void rpc_loop_start_batch(grpc_call *call, const grpc_op *ops, size_t op_count, struct rpc_op *op);

/* Tells ThreadSanitizer what a completion queue promises: all that was written before the operation
 * was handed over is seen by its `done`. rpc_loop_start_batch does so itself; call it before any
 * other function of gRPC that takes a tag. Costs nothing in other builds. */
void rpc_loop_hand_over(struct rpc_op *op);

/* A monotonic deadline in gRPC's terms; UINT64_MAX is never. */
gpr_timespec rpc_loop_deadline(uint64_t deadline_ms);

#endif
