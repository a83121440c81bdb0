/* tenant_task_edges.h - the table of a task's life.
 *
 * Pure. */
#ifndef SKEIN_COORDINATOR_DECIDE_TENANT_TASK_EDGES_H
#define SKEIN_COORDINATOR_DECIDE_TENANT_TASK_EDGES_H

#include "coordinator/decide/tenant_task.h"

/* NULL if the event means nothing in this state. */
const struct fsm_edge *tenant_task_edge(enum tenant_task_state state, enum tenant_task_event on);

#endif
