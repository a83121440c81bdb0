/* An agent's workers: a task waits for the tenant's row, looks at fence and version, works, and
 * commits or rolls back. The agent may be stopped at any point; its transaction is then still open.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "tests/sim/sim_world.h"

enum { WORKER_ROW_POLL_MS = 50, WORKER_ROLLBACK_MS_MAX = 1500, WORKER_SETTLE_MS_MAX = 800 };

static void sim_worker_open(struct sim *sim, void *object, uint64_t number, uint64_t life);
static void sim_worker_begin(struct sim *sim, void *object, uint64_t number, uint64_t life);

static struct sim_task *sim_worker_find(const struct sim_agent *agent, uint64_t number)
{
    struct sim_task *task = agent->tasks;

    while (task != NULL && task->number != number) {
        task = task->next;
    }
    return task;
}

/* A stopped process does nothing; what is due is done when it goes on. True if it is to wait. */
static bool sim_worker_waits(struct sim *sim, struct sim_agent *agent,
                             void (*run)(struct sim *sim, void *object, uint64_t a, uint64_t b),
                             uint64_t number, uint64_t life)
{
    if (agent->paused) {
        sim_after(sim, agent->resume_ms - sim->now_ms + sim_below(sim, 100), run, agent, number,
                  life);
    }
    return agent->paused;
}

static void sim_worker_end(struct sim *sim, struct sim_task *task, enum task_outcome outcome,
                           enum task_code code)
{
    struct sim_tenant *tenant = sim_database_find(task->agent->shard, task->tenant);

    if (tenant != NULL && tenant->holder == task) {
        tenant->holder = NULL;
    }
    if (code == TASK_CODE_FENCED) {
        sim->statistics[SIM_COUNT_FENCED]++;
    }
    if (outcome == TASK_SUCCEEDED && !task_mode_is_dry(task->mode)) {
        sim_report_note(task->agent, task);
    }
    task->state = SIM_TASK_DONE;
    task->outcome = outcome;
    task->code = code;
    task->sent = 0;
    sim_worker_fill(sim, task->agent);
    sim_agent_send_results(sim, task->agent);
}

/* The answer to COMMIT is lost. Mostly the worker finds out by itself what became of it, as
 * agent/run/task_run.c does; else it says that it does not know. */
static void sim_worker_lose_answer(struct sim *sim, struct sim_agent *agent, struct sim_task *task)
{
    struct sim_tenant *tenant = sim_database_find(agent->shard, task->tenant);

    sim->statistics[SIM_COUNT_LOST]++;
    sim_note(sim, "%s: the answer to COMMIT of %s is lost", agent->id, task->tenant);
    if (sim_chance(sim, 500)) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_DATABASE_LOST);
        return;
    }
    tenant->holder = NULL;
    task->uncertain = true;
    task->state = SIM_TASK_WAITS;
    task->lock_until_ms = sim->now_ms + 60000;
    sim_after(sim, sim_below(sim, WORKER_SETTLE_MS_MAX), sim_worker_open, agent, task->number,
              agent->life);
}

/* The process is stopped right here, if it is about to be. */
static void sim_worker_stall(struct sim *sim, struct sim_agent *agent, uint64_t number,
                             enum sim_stall at)
{
    const struct sim_task *task = sim_worker_find(agent, number);

    if (agent->stall == at && task != NULL && !task_mode_is_dry(task->mode)) {
        agent->stall = SIM_STALL_NONE;
        sim_agent_pause(sim, agent, agent->stall_ms);
        sim_operator_loses_patience(sim, task->rollout);
    }
}

static void sim_worker_close(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_agent *agent = object;

    if (agent->alive && agent->life == life) {
        sim_worker_stall(sim, agent, number, SIM_STALL_COMMIT);
    }
    if (!agent->alive || agent->life != life ||
        sim_worker_waits(sim, agent, sim_worker_close, number, life)) {
        return;
    }
    struct sim_task *task = sim_worker_find(agent, number);
    if (task == NULL || task->state != SIM_TASK_OPEN) {
        return; /* cancelled meanwhile */
    }
    struct sim_tenant *tenant = sim_database_find(agent->shard, task->tenant);
    if (tenant->holder != task) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_DATABASE_LOST); /* was terminated */
        return;
    }
    if (task->mode == TASK_CREATE && tenant->exists) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_TENANT_EXISTS); /* somebody was faster */
    } else if (!sim->healed && sim_chance(sim, 30)) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_DATABASE_LOST); /* rolled back */
    } else if (task->mode == TASK_DROP && sim_chance(sim, 100)) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_TENANT_REFUSED); /* it is in use */
    } else if (tenant->broken && task->mode != TASK_BASELINE && task->mode != TASK_DROP &&
               task->dry_run_step != DRY_RUN_STEP_LOOK) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_SQL);
    } else if (task_mode_is_dry(task->mode)) {
        sim_worker_end(sim, task, TASK_SUCCEEDED, TASK_CODE_NONE);
    } else if (task->mode == TASK_ROLLBACK && task->back_from > task->back_to + 1 &&
               sim_chance(sim, 400)) {
        /* In steps: what comes between them leaves the tenant half way. */
        sim_database_commit_part(sim, agent->shard, tenant, task);
        if (!sim->healed && sim_chance(sim, 250)) {
            sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_SQL);
        } else {
            sim_after(sim, sim_between(sim, 1, sim->script_ms_max), sim_worker_close, agent, number,
                      life);
        }
    } else {
        sim_database_commit(sim, agent->shard, tenant, task);
        if (!sim->healed && sim_chance(sim, 50)) {
            sim_worker_lose_answer(sim, agent, task);
        } else {
            sim_worker_end(sim, task, TASK_SUCCEEDED, TASK_CODE_NONE);
        }
    }
}

/* As skein.task_settle: ends an older try that holds the row, raises the fence, says what is. */
static void sim_worker_settle(struct sim *sim, struct sim_tenant *tenant, struct sim_task *task)
{
    bool done = tenant->version == sim_database_parse(task->target) &&
                strcmp(tenant->rollout, task->rollout) == 0;

    if (task->token < tenant->fence) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_FENCED);
        return;
    }
    if (tenant->holder != NULL && tenant->holder->agent == NULL) {
        free(tenant->holder); /* its agent is dead */
    }
    tenant->holder = NULL;
    tenant->fence = task->token;
    sim_check_fence(sim, task->agent->shard, tenant, task);
    sim_note(sim, "%s settled by token %llu: %s", tenant->name, (unsigned long long)task->token,
             done ? "migrated" : "not migrated");
    sim_worker_end(sim, task, done ? TASK_SUCCEEDED : TASK_SKIPPED,
                   done ? TASK_CODE_NONE : TASK_CODE_CANCELLED);
}

static void sim_worker_open(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->life != life ||
        sim_worker_waits(sim, agent, sim_worker_open, number, life)) {
        return;
    }
    struct sim_task *task = sim_worker_find(agent, number);
    if (task == NULL || task->state != SIM_TASK_WAITS) {
        return;
    }
    if (sim->now_ms >= uplink_works_until_ms(&agent->uplink)) {
        /* In front of each try: not before the lease is proven, nor when it is over. */
        sim_after(sim, WORKER_ROW_POLL_MS, sim_worker_open, agent, number, life);
        return;
    }
    sim_worker_stall(sim, agent, number, SIM_STALL_BEGIN);
    sim_worker_begin(sim, agent, number, life);
}

/* Of the tenant's schema: grows with each change of it, whoever makes it. */
static uint64_t sim_worker_stamp(const struct sim_tenant *tenant)
{
    return 1 + tenant->version + 100 * (tenant->alterations + 100000 * (uint64_t)tenant->life);
}

/* The lease was good a moment ago. */
static void sim_worker_begin(struct sim *sim, void *object, uint64_t number, uint64_t life)
{
    struct sim_agent *agent = object;

    if (!agent->alive || agent->life != life ||
        sim_worker_waits(sim, agent, sim_worker_begin, number, life)) {
        return;
    }
    struct sim_task *task = sim_worker_find(agent, number);
    if (task == NULL || task->state != SIM_TASK_WAITS) {
        return;
    }
    struct sim_tenant *tenant = sim_database_find(agent->shard, task->tenant);
    if (task->mode == TASK_SETTLE && tenant != NULL) {
        sim_worker_settle(sim, tenant, task);
        return;
    }
    if (tenant == NULL || (!tenant->exists && !sim_database_is_life(task))) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_TENANT_MISSING);
        return;
    }
    if (tenant->holder != NULL) {
        if (sim->now_ms >= task->lock_until_ms) {
            sim_worker_end(sim, task, TASK_FAILED,
                           sim_chance(sim, 300) ? TASK_CODE_YIELDED : TASK_CODE_LOCK_TIMEOUT);
        } else {
            sim_after(sim, WORKER_ROW_POLL_MS, sim_worker_open, agent, number, life);
        }
        return;
    }
    if (sim_database_is_done(tenant, task)) {
        task->back_to = tenant->version;
        sim_worker_end(sim, task, TASK_SUCCEEDED, TASK_CODE_NONE);
        return;
    }
    bool back = task_mode_is_rollback(task->mode);
    enum task_code code = back                         ? sim_database_open_back(tenant, task)
                          : sim_database_is_life(task) ? sim_database_open_life(tenant, task)
                                                       : sim_database_open(tenant, task);
    if (code != TASK_CODE_NONE) {
        bool skips = code == TASK_CODE_UP_TO_DATE || (back && code == TASK_CODE_VERSION_MOVED);
        sim_worker_end(sim, task, skips ? TASK_SKIPPED : TASK_FAILED, code);
        return;
    }
    if (task->mode == TASK_RUN && task->stamp != 0 && task->stamp != sim_worker_stamp(tenant)) {
        sim_worker_end(sim, task, TASK_FAILED, TASK_CODE_STALE);
        return;
    }
    if (task->mode == TASK_DRY_RUN) {
        task->stamp = sim_worker_stamp(tenant);
        task->kind = tenant->alterations % 2;
    }
    tenant->holder = task;
    task->state = SIM_TASK_OPEN;
    sim_after(sim, sim_between(sim, 1, sim->script_ms_max), sim_worker_close, agent, number, life);
}

void sim_worker_fill(struct sim *sim, struct sim_agent *agent)
{
    unsigned busy = 0;

    if (agent->draining) {
        return;
    }
    for (const struct sim_task *task = agent->tasks; task != NULL; task = task->next) {
        busy += task->state == SIM_TASK_WAITS || task->state == SIM_TASK_OPEN;
    }
    for (struct sim_task *task = agent->tasks; task != NULL && busy < SIM_WORKERS;
         task = task->next) {
        if (task->state == SIM_TASK_QUEUED) {
            task->state = SIM_TASK_WAITS;
            task->lock_until_ms = sim->now_ms + 5000;
            busy++;
            sim_after(sim, sim_below(sim, 10), sim_worker_open, agent, task->number, agent->life);
        }
    }
}

static void sim_worker_cancel_some(struct sim *sim, struct sim_agent *agent, const char *rollout,
                                   bool begun_too)
{
    bool again = true;

    /* Ending a task may start another one: begin anew each time. */
    while (again) {
        again = false;
        for (struct sim_task *task = agent->tasks; task != NULL && !again; task = task->next) {
            bool begun = task->state != SIM_TASK_QUEUED;
            bool meant = rollout == NULL ||
                         (task->mode != TASK_SETTLE && strcmp(task->rollout, rollout) == 0);
            if (task->state != SIM_TASK_DONE && (begun_too || !begun) && meant) {
                /* The one thing that must not be said of a lost COMMIT is that nothing happened. */
                sim_worker_end(sim, task, TASK_FAILED,
                               task->uncertain ? TASK_CODE_DATABASE_LOST : TASK_CODE_CANCELLED);
                again = true;
            }
        }
    }
}

void sim_worker_cancel(struct sim *sim, struct sim_agent *agent, const char *rollout)
{
    sim_worker_cancel_some(sim, agent, rollout, true);
}

void sim_worker_cancel_queued(struct sim *sim, struct sim_agent *agent)
{
    sim_worker_cancel_some(sim, agent, NULL, false);
}

/* The server notices in its own time that the process is gone, and rolls back. */
static void sim_worker_rolled_back(struct sim *sim, void *object, uint64_t number, uint64_t unused)
{
    struct sim_tenant *tenant = object;

    (void)sim;
    (void)unused;
    if (tenant->holder != NULL && tenant->holder->number == number) {
        free(tenant->holder);
        tenant->holder = NULL;
    }
}

void sim_worker_drop_all(struct sim *sim, struct sim_agent *agent)
{
    while (agent->tasks != NULL) {
        struct sim_task *task = agent->tasks;
        struct sim_tenant *tenant = sim_database_find(agent->shard, task->tenant);
        agent->tasks = task->next;
        if (tenant != NULL && tenant->holder == task) {
            bool taken = task->mode == TASK_CREATE && tenant->exists;
            if (!task_mode_is_dry(task->mode) && !tenant->broken && !taken &&
                sim_chance(sim, 200)) {
                sim_database_commit(sim, agent->shard, tenant, task); /* its last words */
            }
            task->agent = NULL;
            sim_after(sim, sim_below(sim, WORKER_ROLLBACK_MS_MAX), sim_worker_rolled_back, tenant,
                      task->number, 0);
        } else {
            free(task);
        }
    }
}
