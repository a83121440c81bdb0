/* agent_intake.h - what the coordinator wants done comes in, and waits for the set that it needs.
 *
 * Owned by the agent's brain thread. */
#ifndef SKEIN_AGENT_AGENT_INTAKE_H
#define SKEIN_AGENT_AGENT_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/agent_brain.h"
#include "agent/line.h"
#include "agent/result_post.h"
#include "agent/shelf.h"
#include "agent/task_list.h"

/* All borrowed but the shelf, which the brain makes and frees. */
struct agent_intake {
    const struct agent_brain_parts *parts;
    struct line *line;
    struct shelf *shelf;
    struct task_list *tasks;
    struct result_post *post;
    uint64_t now_ms; /* of the batch of events at hand */
    bool draining;   /* the agent stops: what comes is handed back */
};

/* An assignment whose session lives, or a control run; take the event over. */
void agent_intake_assign(struct agent_intake *intake, struct agent_event *event);
void agent_intake_control(struct agent_intake *intake, struct agent_event *event);
/* A set was fetched, or not. Sets *event to NULL when it keeps it. */
void agent_intake_archive(struct agent_intake *intake, struct agent_event **event);
/* A set is ready (taken over), or NULL and why not: what waited for it begins, or is answered. */
void agent_intake_set(struct agent_intake *intake, const char *name, const char *digest,
                      struct prepared_set *set, const struct error *err);
/* Hands back what waits for a set: of this rollout, or all (NULL). */
void agent_intake_drop(struct agent_intake *intake, const char *rollout);

#endif
