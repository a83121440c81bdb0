/* control_client.h - what the tasks of this agent want done in the set's control database.
 *
 * A worker calls and waits; the brain sends, through the coordinator, to the agent that works next
 * to that database, and hands the answers back. A call is sent again on each new stream and every
 * CONTROL_RESEND_MS, so nothing that is lost on the way matters; the journal of the control
 * database sees to it that it counts once. */
#ifndef SKEIN_AGENT_RUN_CONTROL_CLIENT_H
#define SKEIN_AGENT_RUN_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/model/message.h"

struct control_client;

/* `wake` is called on the worker's thread when something is to be sent. `seed` is random: numbers
 * of another process of this shard's agent are not mistaken for ours. */
struct control_client *control_client_new(uint64_t seed, void (*wake)(void *context),
                                          void *context);
void control_client_free(struct control_client **pointer);

/* Any worker's thread. Fills in the number. Waits for the answer, through times in which nobody
 * works next to the control database (CONTROL_OUTAGE_MAX_MS). `is_cancelled` is the runner's. The
 * error's code is TASK_CODE_NONE when it is done, and CANCELLED when that says so: then it may be
 * done or not. Texts are copied to `arena`. */
void control_client_call(struct control_client *client, const struct control_call *call,
                         bool (*is_cancelled)(void *context), void *context, struct arena *arena,
                         struct task_error *ret_error);

/* Brain's thread. Sends what is due; with `anew` everything, since the stream is another one. Texts
 * are borrowed for the time of the call. */
void control_client_send(struct control_client *client, uint64_t now_ms, bool anew,
                         void (*send)(void *context, const struct control_call *call),
                         void *context);
void control_client_answer(struct control_client *client, const struct control_answer *answer);

#endif
