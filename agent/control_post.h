/* control_post.h - operations of the scope control: ours to others, others' to us.
 *
 * Owns the client, where this agent's workers wait, and the desk, which works for other shards.
 * Everything but start, stop and control_post_client is the brain thread's. */
#ifndef SKEIN_AGENT_CONTROL_POST_H
#define SKEIN_AGENT_CONTROL_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_event.h"
#include "agent/line.h"
#include "agent/run/control_client.h"
#include "agent/run/control_desk.h"
#include "common/core/mailbox.h"

struct control_post;

/* `desk`: its on_done and context are filled in here; the rest is borrowed. */
struct control_post *control_post_start(const struct control_desk_options *desk, uint64_t seed,
                                        struct mailbox *inbox);
/* When no worker waits any more. */
void control_post_stop(struct control_post **pointer);

struct control_client *control_post_client(struct control_post *post);

/* Does what the message asks for, now that its set is there; without one, `err` says why not. */
void control_post_run(struct control_post *post, const struct agent_event *message,
                      struct prepared_set *set, const struct error *err);
/* Sends what workers wait for; with `anew` also what an earlier stream had sent. */
void control_post_send(struct control_post *post, struct line *line, uint64_t now_ms, bool anew);

#endif
