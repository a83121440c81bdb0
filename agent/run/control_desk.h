/* control_desk.h - the agent's thread for the control databases next to it.
 *
 * Other shards' tasks have operations of the scope control; the coordinator brings them here. They
 * run one after another on a connection of their own, beside the workers, so that tasks of this
 * very agent can wait for them. The brain thread submits; answers come on the desk's thread. */
#ifndef SKEIN_AGENT_RUN_CONTROL_DESK_H
#define SKEIN_AGENT_RUN_CONTROL_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/check/prepared_set.h"
#include "common/core/arena.h"
#include "common/model/message.h"

struct control_desk;

struct control_desk_options {
    const char *conninfo; /* its dbname is replaced by the control database's name */
    const char *agent;
    const char *const *databases; /* that this agent lends itself to, and no other */
    size_t database_count;
    uint64_t statement_timeout_ms; /* 0: none */
    /* On the desk's thread, and on the submitter's for what is refused at once. `done` and its
     * texts live in `arena`, which the callee takes over. */
    void (*on_done)(void *context, struct arena *arena, const struct control_done *done);
    void *context;
};

struct control_desk *control_desk_start(const struct control_desk_options *options);
/* What runs is cancelled; nothing more is answered. */
void control_desk_stop(struct control_desk **pointer);

/* Copies the run, takes a reference to the set. A call that is queued or under way already is
 * dropped: its answer is to come. When CONTROL_QUEUE_MAX wait, the answer is AGENT_LOST: ask again.
 */
void control_desk_submit(struct control_desk *desk, const struct control_run *run,
                         struct prepared_set *set);
/* Answers without having tried. */
void control_desk_refuse(struct control_desk *desk, const struct control_run *run,
                         enum task_code code, const char *message);

#endif
