/* executor_queue.h - the tasks of an executor: waiting, running, and those to be cancelled.
 *
 * Thread-safe: one mutex guards everything here. The executor owns it. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_QUEUE_H
#define SKEIN_AGENT_RUN_EXECUTOR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_task.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/limits.h"

struct executor_queue;

/* A task in a worker's hands. */
struct executor_turn {
    struct executor_task *task;
    uint64_t serial; /* never used twice */
    bool settle;     /* an earlier try may have committed */
};

struct executor_queue *executor_queue_new(size_t worker_count);
/* Frees the tasks that are left. */
void executor_queue_free(struct executor_queue **queue);

/* Takes ownership. After executor_queue_close the task is dropped at once. */
void executor_queue_push(struct executor_queue *queue, struct executor_task *task);
/* For a task whose commit the database lost: it runs next. False (and the task stays the caller's)
 * after executor_queue_close. */
MUST_CHECK bool executor_queue_put_back(struct executor_queue *queue, struct executor_task *task);

/* Waits for a task. False: the queue is closed and nothing is left. */
MUST_CHECK bool executor_queue_take(struct executor_queue *queue, size_t worker,
                                    struct executor_turn *ret_turn);
/* False when nothing waits just now. */
bool executor_queue_has_more(struct executor_queue *queue);
/* No task waits and none runs; some may rest. */
bool executor_queue_is_quiet(struct executor_queue *queue);
/* The worker's turn is over (its task may still wait for the barrier). */
void executor_queue_end_turn(struct executor_queue *queue, size_t worker);
/* The same, and the task is not answered: it is taken again at `due_ms` or later. Nobody can cancel
 * it in between unseen: it is dropped then, to be answered. False (and the turn goes on) for a task
 * that is cancelled, and after executor_queue_close. */
MUST_CHECK bool executor_queue_rest(struct executor_queue *queue, size_t worker, uint64_t due_ms);
/* Those that rest until a trial on a copy of that key has ended are tried at once. */
void executor_queue_wake(struct executor_queue *queue, const char *copy);
/* How many tasks rest. The transactions that they wait for go to `ret_array`, separated by commas.
 */
size_t executor_queue_blockers(struct executor_queue *queue, struct buf *ret_array);
/* Which of these transactions are there still: who waits for one goes on resting, for
 * WATCH_STALE_MS at most; who has waited for one that has ended is tried at once. */
void executor_queue_hold(struct executor_queue *queue, const char *const *blockers, size_t count);
/* What the worker runs in the turn `serial` is to be stopped, unless it insists; `words` say for
 * whom. */
void executor_queue_yield(struct executor_queue *queue, size_t worker, uint64_t serial,
                          const char *words);
/* A task was answered: it is no load any more. */
void executor_queue_answered(struct executor_queue *queue);

bool executor_queue_is_cancelled(struct executor_queue *queue, size_t worker);
/* Waits; false as soon as the worker's task is cancelled. */
bool executor_queue_pause(struct executor_queue *queue, size_t worker, uint64_t milliseconds);

/* See executor_set_lease. */
void executor_queue_set_lease(struct executor_queue *queue, uint64_t until_ms);
uint64_t executor_queue_lease(struct executor_queue *queue); /* what was set last */
/* The last look before a worker's task touches its tenant: waits until the lease holds. False: the
 * task is cancelled. */
MUST_CHECK bool executor_queue_wait_lease(struct executor_queue *queue, size_t worker);

/* See executor_cancel. */
void executor_queue_cancel(struct executor_queue *queue, const char *rollout,
                           const char *const *tenants, size_t tenant_count);
/* Drops what waits; nothing comes in any more. */
void executor_queue_close(struct executor_queue *queue);
/* The canceller has nothing more to do. */
void executor_queue_finish(struct executor_queue *queue);

enum executor_order_kind { EXECUTOR_ORDER_DROP, EXECUTOR_ORDER_CANCEL, EXECUTOR_ORDER_END };
struct executor_order {
    enum executor_order_kind kind;
    struct executor_task *task; /* DROP: to be answered */
    size_t worker;              /* CANCEL */
    uint64_t serial;
};
/* For the canceller: waits for what is to be done. A cancel comes again until its turn is over. */
void executor_queue_wait_order(struct executor_queue *queue, struct executor_order *ret_order);

/* How many workers may have a task at once, from now on. */
void executor_queue_allow(struct executor_queue *queue, size_t workers);
/* A turn has ended for somebody's locks; and how many have. */
void executor_queue_disturb(struct executor_queue *queue);
uint64_t executor_queue_disturbances(struct executor_queue *queue);

size_t executor_queue_load(struct executor_queue *queue);
/* False when the deadline passed. */
bool executor_queue_wait_idle(struct executor_queue *queue, uint64_t deadline_ms);

#endif
