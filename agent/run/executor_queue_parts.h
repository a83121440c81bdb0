/* executor_queue_parts.h - what the files of the queue share.
 *
 * Private to executor_queue.c and executor_notes.c; all of it is guarded by the mutex. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_QUEUE_PARTS_H
#define SKEIN_AGENT_RUN_EXECUTOR_QUEUE_PARTS_H

#include <pthread.h>

#include "agent/run/executor_queue.h"

struct executor_entry {
    struct executor_task *task;
    uint64_t due_ms;        /* of one that rests */
    uint64_t held_until_ms; /* the same: whoever is in its way is there still; 0: never was */
    bool settle;
    bool cancelled;
};

struct executor_list {
    struct executor_entry *items;
    size_t count;
    size_t capacity;
};

struct executor_slot {
    struct executor_turn turn; /* task NULL: the worker is idle */
    bool cancelled;
    uint64_t next_cancel_ms;
    char trouble[TEXT_BYTES_MAX];
    uint64_t done; /* of `total`, in words: how far its task is; no words: nothing to tell */
    uint64_t total;
    char progress[PROGRESS_BYTES_MAX + 1];
    /* Of the watcher. */
    uint64_t advance; /* of `advance_total`: how far the server is with the statement, */
    uint64_t advance_total;
    char phase[WATCH_PHASE_BYTES];       /* in its words; "": it does not tell */
    bool insists;                        /* its statement is not to be stopped for anybody */
    bool yields;                         /* a cancel is to be sent for the application's sake */
    char yielded[TEXT_BYTES_MAX];        /* for whom one was sent; "": none in this turn */
    char waits_for[PROGRESS_BYTES_MAX];  /* who is in its way now; "": nobody */
    char waited_for[PROGRESS_BYTES_MAX]; /* the last that was */
    char blocker[WATCH_KEY_BYTES];       /* the transaction of the oldest of those */
};

struct executor_queue {
    pthread_mutex_t mutex;
    pthread_cond_t work;    /* for workers: something waits, closed */
    pthread_cond_t orders;  /* for the canceller */
    pthread_cond_t changes; /* for those who pause or wait for the end */
    struct executor_list waiting;
    struct executor_list resting; /* until each is due; then it waits again */
    struct executor_list dropped;
    struct executor_slot *slots;
    size_t slot_count;
    size_t allowed; /* workers that may have a task at once */
    size_t at_work;
    uint64_t disturbances; /* turns that ended for somebody's locks */
    char barrier_trouble[TEXT_BYTES_MAX];
    uint64_t serial;
    uint64_t lease_until_ms;
    size_t load;
    bool closed;
    bool finished;
};

#endif
