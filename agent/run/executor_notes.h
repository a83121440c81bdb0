/* executor_notes.h - what there is to tell of an executor's workers: for people, and for those who
 * judge a result.
 *
 * Thread-safe, by the queue's mutex. */
#ifndef SKEIN_AGENT_RUN_EXECUTOR_NOTES_H
#define SKEIN_AGENT_RUN_EXECUTOR_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/run/executor_queue.h"

/* What keeps the worker from working; "" when nothing does. The end of its turn clears it. The
 * barrier has a place of its own. */
enum { EXECUTOR_NOTES_BARRIER = AGENT_WORKERS_MAX };
void executor_notes_trouble(struct executor_queue *queue, size_t worker, const char *words);
/* That of the first worker that has one. */
void executor_notes_read_trouble(struct executor_queue *queue, char ret_words[TEXT_BYTES_MAX]);

/* How far the worker's task is with an operation that takes long; forgotten with the turn. */
void executor_notes_progress(struct executor_queue *queue, size_t worker, uint64_t done,
                             uint64_t total, const char *words);
/* Of tasks that take long, and of those that wait for somebody: see executor_progress. */
size_t executor_notes_read_progress(struct executor_queue *queue, struct arena *arena,
                                    struct task_progress **ret_items);

/* From the watcher: how far the server is with the statement that the worker runs in the turn
 * `serial`; "": it does not tell. */
void executor_notes_advance(struct executor_queue *queue, size_t worker, uint64_t serial,
                            uint64_t done, uint64_t total, const char *phase);
/* From the watcher: in the turn `serial` the worker waits for these ("": for nobody). `blocker`
 * stands for the transaction of the oldest; "" where that cannot be seen. */
void executor_notes_blockers(struct executor_queue *queue, size_t worker, uint64_t serial,
                             const char *words, const char *blocker);
/* From the worker: whom its task will wait for, or waits for without a statement. */
void executor_notes_foresee(struct executor_queue *queue, size_t worker, const char *words,
                            const char *blocker);
/* Whom the worker's task waited for last in this turn; "" for nobody. */
void executor_notes_read_blockers(struct executor_queue *queue, size_t worker,
                                  char ret_words[PROGRESS_BYTES_MAX],
                                  char ret_blocker[WATCH_KEY_BYTES]);
/* For whom the worker's statement was stopped in this turn. False: for nobody. */
bool executor_notes_has_yielded(struct executor_queue *queue, size_t worker,
                                char ret_words[TEXT_BYTES_MAX]);
/* Why a statement of the worker was cancelled from outside (57014): TASK_CODE_CANCELLED,
 * TASK_CODE_YIELDED, or TASK_CODE_NONE if it was not. */
enum task_code executor_notes_why(struct executor_queue *queue, size_t worker);
/* The lock budget of the task that the worker has in the turn `serial`; 0: none. */
uint64_t executor_notes_budget(struct executor_queue *queue, size_t worker, uint64_t serial);
/* What the worker does next is not stopped for the application's sake, or may be again. The end of
 * the turn forgets it. */
void executor_notes_insist(struct executor_queue *queue, size_t worker, bool insists);

#endif
