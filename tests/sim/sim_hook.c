/* Hooks of a rollout: what the agent next to the control database does, with that database's
 * journal: a row of a rollout's hook in the transaction that does it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum { SIM_HOOK_FAILS = 80, SIM_HOOK_LOST = 40, SIM_HOOK_MS_MIN = 5 };

/* What is on its way stands in one number, so that nothing is to be freed. */
enum { SIM_HOOK_AFTER = 1, SIM_HOOK_DRY = 2, SIM_HOOK_SHIFT = 2, SIM_HOOK_LIFE_SHIFT = 32 };

static struct sim_hooks *sim_hook_of(struct sim *sim, const char *rollout)
{
    for (unsigned i = 0; i < sim->hook_count; i++) {
        if (strcmp(sim->hooks[i].rollout, rollout) == 0) {
            return &sim->hooks[i];
        }
    }
    assert(sim->hook_count < SIM_ROLLOUTS_MAX);
    struct sim_hooks *hooks = &sim->hooks[sim->hook_count++];
    snprintf(hooks->rollout, sizeof(hooks->rollout), "%s", rollout);
    return hooks;
}

static void sim_hook_answer(struct sim *sim, const struct sim_agent *agent, uint64_t number,
                            bool after, enum task_code code)
{
    struct event *event = sim_agent_event(AGENT_MESSAGE_CONTROL_DONE);

    if (agent->uplink.state != UPLINK_WORKING && agent->uplink.state != UPLINK_STANDBY) {
        event_free(&event);
        return;
    }
    event->agent.message.control_done =
        (struct control_done){ .number = number,
                               .shard = "s0",
                               .hook = after ? "after_rollout" : "before_rollout",
                               .error = { .tenant = "",
                                          .mode = TASK_RUN,
                                          .code = code,
                                          .sqlstate = "",
                                          .message = task_code_name(code),
                                          .detail = "",
                                          .hint = "",
                                          .file = "" } };
    sim_net_to_leader(sim, agent->stream, event);
}

/* It takes effect. */
static void sim_hook_commit(struct sim *sim, struct sim_hooks *hooks, bool after)
{
    uint64_t gone;

    if (!after && sim_check_commits(sim, hooks->rollout, &gone) > 0) {
        sim_fail(sim, "before_rollout of %s comes after its first tenant", hooks->rollout);
    }
    if (after && !hooks->done[0]) {
        sim_fail(sim, "after_rollout of %s comes before before_rollout", hooks->rollout);
    }
    sim_note(sim, "%s of %s is done", after ? "after_rollout" : "before_rollout", hooks->rollout);
    hooks->done[after] = true;
}

static void sim_hook_perform(struct sim *sim, void *object, uint64_t a, uint64_t number)
{
    struct sim_agent *agent = object;
    struct sim_hooks *hooks = &sim->hooks[(a >> SIM_HOOK_SHIFT) & (UINT32_MAX >> SIM_HOOK_SHIFT)];
    bool after = (a & SIM_HOOK_AFTER) != 0;
    bool dry = (a & SIM_HOOK_DRY) != 0;
    bool fails = !sim->healed && sim_chance(sim, SIM_HOOK_FAILS);
    bool lost = !sim->healed && sim_chance(sim, SIM_HOOK_LOST);

    if (!agent->alive || agent->life != a >> SIM_HOOK_LIFE_SHIFT) {
        return; /* it has died with its transaction open */
    }
    if (agent->paused) {
        sim_after(sim, agent->resume_ms - sim->now_ms + 1, sim_hook_perform, agent, a, number);
        return;
    }
    if (!hooks->done[after] && fails && !lost) {
        sim_hook_answer(sim, agent, number, after, TASK_CODE_SQL);
        return;
    }
    if (!hooks->done[after] && !dry && (!lost || sim_chance(sim, 500))) {
        sim_hook_commit(sim, hooks, after);
        if (!sim->healed && sim_chance(sim, SIM_HOOK_LOST)) {
            sim_agent_crash(sim, agent);
            return;
        }
    }
    sim_hook_answer(sim, agent, number, after, lost ? TASK_CODE_DATABASE_LOST : TASK_CODE_NONE);
}

void sim_hook_run(struct sim *sim, struct sim_agent *agent, const struct control_run *run)
{
    bool after = strcmp(run->hook, "after_rollout") == 0;
    bool dry = run->call.mode == TASK_DRY_RUN;
    const struct sim_hooks *hooks = sim_hook_of(sim, run->call.rollout);
    uint64_t what = (uint64_t)agent->life << SIM_HOOK_LIFE_SHIFT |
                    (uint64_t)(hooks - sim->hooks) << SIM_HOOK_SHIFT |
                    (after ? SIM_HOOK_AFTER : 0) | (dry ? SIM_HOOK_DRY : 0);

    if (agent->draining) {
        sim_hook_answer(sim, agent, run->call.number, after, TASK_CODE_AGENT_LOST);
        return;
    }
    sim_note(sim, "%s is asked for %s of %s%s", agent->id, run->hook, run->call.rollout,
             dry ? " (dry run)" : "");
    sim_after(sim, sim_between(sim, SIM_HOOK_MS_MIN, sim->script_ms_max + SIM_HOOK_MS_MIN),
              sim_hook_perform, agent, what, run->call.number);
}

bool sim_hook_is_done(struct sim *sim, const char *rollout, bool after)
{
    return sim_hook_of(sim, rollout)->done[after];
}
