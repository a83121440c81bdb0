/* task_list.h - the tasks that this agent was given and whose results are not acknowledged yet.
 *
 * Owned by the agent's brain thread. A task is here from its assignment until the coordinator has
 * stored what its result led to: so a hello after a reconnect can name everything that is still on
 * its way, and a result is sent again until it is acknowledged. */
#ifndef SKEIN_AGENT_TASK_LIST_H
#define SKEIN_AGENT_TASK_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/agent_event.h"

struct task_list;

struct task_list *task_list_new(void);
void task_list_free(struct task_list **pointer);

/* False if exactly this task (rollout, mode, tenant, token) is here already: a repeated message. */
bool task_list_add(struct task_list *list, const struct task_assignment *assignment,
                   const struct task_item *item);
/* A task that will have no result: it was dropped before it started. */
void task_list_drop(struct task_list *list, const struct task_assignment *assignment,
                    const struct task_item *item);
/* The set of the task that this is the result of; NULL when it is not here. Borrowed. */
const char *task_list_find_set(struct task_list *list, const struct task_result *result);
/* Takes the event (AGENT_EVENT_RESULT) over. */
void task_list_finish(struct task_list *list, struct agent_event *result);

/* The next results to send, at most `max`, marked with `sequence`. Borrowed until acknowledged. */
size_t task_list_take_results(struct task_list *list, uint64_t sequence, size_t max,
                              struct task_result *ret_results);
/* Forgets what was sent with this sequence. */
void task_list_acknowledge(struct task_list *list, uint64_t sequence);
/* After a reconnect: everything is to be sent again. */
void task_list_send_again(struct task_list *list);

size_t task_list_count(const struct task_list *list);
size_t task_list_unsent(const struct task_list *list);
/* For hello; borrowed, allocated in `arena`. */
struct running_task *task_list_running(const struct task_list *list, struct arena *arena);

#endif
