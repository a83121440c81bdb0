#include "common/rpc/rpc_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/log.h>

#include "common/core/log.h"

/* What gRPC has to say is detail: our own errors name what matters. Except for its last words. */
static void rpc_loop_on_grpc_log(gpr_log_func_args *line)
{
    char quoted[LOG_QUOTED_BYTES];

    log_quote(line->message, quoted);
    if (strstr(line->message, "assertion failed") != NULL) {
        log_warning("grpc_assertion", "file=%s line=%d text=%s", line->file, line->line, quoted);
    } else {
        log_debug("grpc", "file=%s line=%d text=%s", line->file, line->line, quoted);
    }
}

/* gRPC reads its environment when it starts. Its fork handlers stay out: skein never forks. Names
 * are looked up by the C library, which knows nsswitch.conf and gives up after seconds; gRPC's own
 * resolver would ignore the former and wait for two minutes. */
static void rpc_loop_prepare(void)
{
    setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);
    setenv("GRPC_DNS_RESOLVER", "native", 0);
    gpr_set_log_function(rpc_loop_on_grpc_log);
}

static void *rpc_loop_run(void *arg)
{
    struct rpc_loop *loop = arg;

    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(loop->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL; /* drained: nothing can call back any more */
        }
        struct rpc_op *op = event.tag;
        op->done(op, event.success != 0);
    }
}

bool rpc_loop_start(struct rpc_loop *loop, const char *name, struct error *err)
{
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;

    assert(loop->queue == NULL);
    pthread_once(&prepared, rpc_loop_prepare);
    grpc_init();
    loop->queue = grpc_completion_queue_create_for_next(NULL);
    int rc = pthread_create(&loop->thread, NULL, rpc_loop_run, loop);
    if (rc != 0) {
        grpc_completion_queue_shutdown(loop->queue);
        rpc_loop_run(loop); /* drains: no thread else would */
        rpc_loop_release(loop);
        return error_set(err, ERR_LIMIT, "start thread '%s': %s", name, strerror(rc));
    }
    pthread_setname_np(loop->thread, name);
    loop->running = true;
    return true;
}

void rpc_loop_stop(struct rpc_loop *loop)
{
    if (!loop->running) {
        return;
    }
    assert(!rpc_loop_is_current(loop));
    grpc_completion_queue_shutdown(loop->queue);
    pthread_join(loop->thread, NULL);
    loop->running = false;
}

void rpc_loop_release(struct rpc_loop *loop)
{
    assert(!loop->running);
    if (loop->queue != NULL) {
        grpc_completion_queue_destroy(loop->queue);
        loop->queue = NULL;
        grpc_shutdown();
    }
}

bool rpc_loop_is_current(const struct rpc_loop *loop)
{
    return loop->running && pthread_equal(loop->thread, pthread_self());
}

void rpc_loop_start_batch(grpc_call *call, const grpc_op *ops, size_t op_count, struct rpc_op *op)
{
    assert(op->done != NULL);
    grpc_call_error rc = grpc_call_start_batch(call, ops, op_count, op, NULL);
    assert(rc == GRPC_CALL_OK); /* anything else is a misuse of the call's state machine */
    (void)rc;
}

gpr_timespec rpc_loop_deadline(uint64_t deadline_ms)
{
    if (deadline_ms >= (uint64_t)INT64_MAX) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    gpr_timespec deadline = gpr_time_from_millis((int64_t)deadline_ms, GPR_TIMESPAN);
    deadline.clock_type = GPR_CLOCK_MONOTONIC; /* the same clock as clock_monotonic_ms() */
    return deadline;
}
