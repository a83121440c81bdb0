#include "common/rpc/rpc_loop.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/support/log.h>

#include "common/core/log.h"

#ifndef __has_feature
#define __has_feature(feature) 0 /* clang's; gcc defines __SANITIZE_THREAD__ */
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>

void rpc_loop_hand_over(struct rpc_op *op)
{
    __tsan_release(op);
}

static void rpc_loop_take_back(struct rpc_op *op)
{
    __tsan_acquire(op);
}
#else
void rpc_loop_hand_over(struct rpc_op *op)
{
    (void)op;
}

static void rpc_loop_take_back(struct rpc_op *op)
{
    (void)op;
}
#endif

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
 * resolver would ignore the former and wait for two minutes.
 *
 * Before main, while there is one thread: setenv moves the environment, and a thread that reads it
 * meanwhile (libpq does, for each connection) would read freed memory. */
__attribute__((constructor)) static void rpc_loop_set_environment(void)
{
    setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);
    setenv("GRPC_DNS_RESOLVER", "native", 0);
}

/* gRPC stays up until the process ends. Its last grpc_shutdown joins a thread that may be in the
 * midst of a poll of 10 s (it helps out when a socket's buffer was full), and no command should
 * take so long to end; what is left then is a few idle threads. */
static void rpc_loop_prepare(void)
{
    gpr_set_log_function(rpc_loop_on_grpc_log);
    grpc_init();
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
        rpc_loop_take_back(op);
        op->done(op, event.success != 0);
    }
}

bool rpc_loop_start(struct rpc_loop *loop, const char *name, struct error *err)
{
    static pthread_once_t prepared = PTHREAD_ONCE_INIT;

    assert(loop->queue == NULL);
    pthread_once(&prepared, rpc_loop_prepare);
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
    }
}

bool rpc_loop_is_current(const struct rpc_loop *loop)
{
    return loop->running && pthread_equal(loop->thread, pthread_self());
}

void rpc_loop_start_batch(grpc_call *call, const grpc_op *ops, size_t op_count, struct rpc_op *op)
{
    assert(op->done != NULL);
    rpc_loop_hand_over(op);
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
