/* result_post.h - when results are sent, and under which number.
 *
 * Owned by the agent's brain thread. A window's successes travel together, so that releasing its
 * locks is one write of the store. They wait for each other only while others are at work, and not
 * for long; what failed does not wait. */
#ifndef SKEIN_AGENT_RESULT_POST_H
#define SKEIN_AGENT_RESULT_POST_H

#include <stddef.h>
#include <stdint.h>

#include "agent/line.h"
#include "agent/task_list.h"

struct result_post {
    uint64_t sequence;
    uint64_t due_ms; /* when what is unsent goes at the latest; UINT64_MAX: nothing presses */
};

void result_post_init(struct result_post *post);
/* Something is to be sent by then. */
void result_post_due_at(struct result_post *post, uint64_t at_ms);
/* Sends what is due; `load`: tasks that are still queued or at work. */
void result_post_send(struct result_post *post, struct line *line, struct task_list *tasks,
                      size_t load, uint64_t now_ms);

#endif
