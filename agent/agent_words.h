/* agent_words.h - what an agent says of itself and its tasks: hello, heartbeat, history, goodbye.
 *
 * Used by the agent's brain thread; sends on the line at once. */
#ifndef SKEIN_AGENT_AGENT_WORDS_H
#define SKEIN_AGENT_AGENT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_brain.h"
#include "agent/line.h"
#include "agent/task_list.h"

/* The first message of a stream; `lease_id` 0 for no session. */
void agent_words_hello(struct line *line, const struct agent_brain_parts *parts, int64_t lease_id,
                       const struct task_list *tasks);
/* `trouble` is the tenants'; without one it is what the workers wait for. */
void agent_words_heartbeat(struct line *line, const struct agent_brain_parts *parts,
                           uint64_t sequence, const struct task_list *tasks, const char *trouble);
void agent_words_schemas(struct line *line, const struct schema_reply *reply);
void agent_words_history(struct line *line, const struct history_reply *reply);
void agent_words_control_done(struct line *line, const struct control_done *done);
/* The agent stops: it wants no more. `done` is its last word: with it a successor may begin at
 * once. */
void agent_words_leaving(struct line *line, bool done);

#endif
