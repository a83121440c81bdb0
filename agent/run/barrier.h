/* barrier.h - many asynchronous commits made durable by one synchronous one.
 *
 * A thread with one connection. Tasks that committed with synchronous_commit = off wait here. The
 * barrier commits one small record synchronously, which flushes the WAL past every commit before it
 * (and waits for synchronous standbys, as the server is told to), and then looks each tenant up in
 * the journal: a row that is there after the flush is there for good, whatever crashed in between.
 * A row that is missing was lost in a crash of the server: its task has to run again. */
#ifndef SKEIN_AGENT_RUN_BARRIER_H
#define SKEIN_AGENT_RUN_BARRIER_H

#include <stdbool.h>

#include "agent/run/executor_task.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/message.h"
#include "common/pg/pg_conn.h"

enum barrier_answer {
    BARRIER_DURABLE,
    BARRIER_GONE,    /* the commit did not survive */
    BARRIER_UNKNOWN, /* the database did not come back in time */
};

struct barrier_options {
    const char *conninfo;
    /* On the barrier's thread; takes the task over. `words` says why, for UNKNOWN. */
    void (*answer)(void *context, struct executor_task *task, struct task_result *result,
                   enum barrier_answer answer, const char *words);
    /* The same thread: what keeps it from its work; "" when nothing does any more. */
    void (*note_trouble)(void *context, const char *words);
    void *context;
};

/* A commit is found by the version and the rollout that it left: a drop and a rollback leave
 * others, or none. */
bool barrier_takes(enum task_mode mode);

struct barrier;
MUST_CHECK bool barrier_new(const struct barrier_options *options, struct barrier **ret_barrier,
                            struct error *err);
/* Takes over the task; its result lives in the task's arena. Any thread. */
void barrier_add(struct barrier *barrier, struct executor_task *task, struct task_result *result);
/* Nothing else is on its way: who waits need not wait for more. */
void barrier_hurry(struct barrier *barrier);
/* Answers what waits, then ends the thread. Nobody adds any more. */
void barrier_free(struct barrier **barrier);

/* The flush alone, on a connection at hand. */
MUST_CHECK bool barrier_flush(struct pg_conn *conn, struct error *err);

#endif
