/* watcher.h - the thread that looks at the server while tasks run, for all workers of an agent.
 *
 * One connection. Every WATCH_LOOK_MS it looks who waits for the workers' sessions, and has those
 * stopped that are in the application's way (agent/decide/yield); it names whom a worker itself
 * waits for; every WATCH_HEALTH_MS it looks how the server is, and says how many workers may work
 * (agent/decide/worker_pace). A watcher that does not get through to the server does nothing: the
 * statements have their own lock_timeout. Thread-safe but for new and free. */
#ifndef SKEIN_AGENT_RUN_WATCHER_H
#define SKEIN_AGENT_RUN_WATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_options.h"
#include "agent/run/executor_queue.h"
#include "agent/run/watch_look.h"
#include "common/core/error.h"

struct watcher;

struct watcher_options {
    const char *conninfo;
    struct executor_queue *queue;
    uint32_t workers;
    bool database_mode; /* a tenant is a database */
    struct executor_watch watch;
    /* The workers that have a turn: fills at most AGENT_WORKERS_MAX, returns how many. */
    size_t (*targets)(void *context, struct watch_target *ret_targets);
    void *context;
};

MUST_CHECK bool watcher_new(const struct watcher_options *options, struct watcher **ret_watcher,
                            struct error *err);
/* Ends the thread, which may take as long as a connection that does not come about. */
void watcher_free(struct watcher **watcher);

/* A task is about to begin. The first after a while waits until the server has been looked at, for
 * WATCH_FIRST_MAX_MS at most. True: the server is not fit for a task that changes something, and
 * *ret_words says why. */
bool watcher_task_begins(struct watcher *watcher, char ret_words[TEXT_BYTES_MAX]);

/* Whether somebody's old transaction holds locks on tables of that schema (or database), as of the
 * last look. */
bool watcher_sees_old(struct watcher *watcher, const char *name);

/* How many workers may work now, and why not more ("" for all). */
uint32_t watcher_workers_now(struct watcher *watcher, const char **ret_reason);

#endif
