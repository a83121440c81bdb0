/* executor.h - the agent's pool of workers: tasks in, results out.
 *
 * The brain thread submits and cancels; each worker is a thread with one connection, which blocks
 * on libpq on purpose. Results come back on worker threads through `on_result`, only when they are
 * durable (see `commit_group`). The executor keeps nothing on disk. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_H
#define SKEIN_AGENT_RUN_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_task.h"
#include "common/core/arena.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/model/message.h"

struct executor;

MUST_CHECK bool executor_start(const struct executor_options *options,
                               struct executor **ret_executor, struct error *err);
/* Until when, by the monotonic clock, the session's lease holds. From then on no task begins: it
 * waits for a later deadline, or to be cancelled. UINT64_MAX, as at the start: no end. */
void executor_set_lease(struct executor *executor, uint64_t until_ms);
void executor_submit(struct executor *executor, struct executor_task *task);
/* Queued tasks of the rollout are answered with CANCELLED; running ones are cancelled in the
 * database (and answered with what became of them); those of the mode TASK_SETTLE go on. `tenants`
 * NULL: all of the rollout. `rollout` NULL: everything (the session was lost: nothing may commit
 * any more; the caller must treat results that come later as usual, the journal decides). */
void executor_cancel(struct executor *executor, const char *rollout, const char *const *tenants,
                     size_t tenant_count);
/* What a worker waits for before it can go on ("" for nothing): a server that is away, or has no
 * connection to spare. Any thread. */
void executor_trouble(struct executor *executor, char ret_words[TEXT_BYTES_MAX]);
/* Long operations that run: at most PROGRESS_SHOWN_MAX, in the arena; returns how many. Any thread.
 */
size_t executor_progress(struct executor *executor, struct arena *arena,
                         struct task_progress **ret_items);
/* How many workers may have a task now, and why not more ("" for all). Any thread. */
uint32_t executor_workers_now(struct executor *executor, const char **ret_reason);
/* Tasks queued, resting and running. */
size_t executor_load(struct executor *executor);
/* Lets running tasks end for `grace_ms`, answers queued ones with CANCELLED at once, then cancels
 * what still runs, and joins. */
void executor_stop(struct executor *executor, uint64_t grace_ms);
void executor_free(struct executor **executor);

#endif
