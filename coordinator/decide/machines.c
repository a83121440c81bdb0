#include "coordinator/decide/machines.h"

#include "coordinator/decide/leader.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/session.h"
#include "coordinator/decide/tenant_task.h"

const struct fsm *const *fleet_machines(size_t *ret_count)
{
    static const struct fsm *const machines[] = { &leader_fsm, &session_fsm, &rollout_fsm,
                                                  &tenant_task_fsm };

    *ret_count = COUNT_OF(machines);
    return machines;
}

bool fleet_check_machines(struct error *err)
{
    size_t count;
    const struct fsm *const *machines = fleet_machines(&count);

    for (size_t i = 0; i < count; i++) {
        if (!fsm_check(machines[i], err)) {
            return error_wrap(err, "state machine");
        }
    }
    return rollout_check_edges(err);
}
