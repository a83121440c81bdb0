#include "coordinator/decide/tenant_task_edges.h"

#include <assert.h>

static const char *const tenant_task_state_names[] = {
    [TENANT_TASK_QUEUED] = "QUEUED",           [TENANT_TASK_PASSED] = "PASSED",
    [TENANT_TASK_LOCKING] = "LOCKING",         [TENANT_TASK_RUNNING] = "RUNNING",
    [TENANT_TASK_UNKNOWN] = "UNKNOWN",         [TENANT_TASK_MIGRATED] = "MIGRATED",
    [TENANT_TASK_SKIPPED] = "SKIPPED",         [TENANT_TASK_FAILED] = "FAILED",
    [TENANT_TASK_ROLLED_BACK] = "ROLLED_BACK",
};
static_assert(COUNT_OF(tenant_task_state_names) == TENANT_TASK_STATE_COUNT, "all have names");

static const char *const tenant_task_event_names[] = {
    [TENANT_TASK_ON_TAKE] = "take",       [TENANT_TASK_ON_SENT] = "sent",
    [TENANT_TASK_ON_ADOPTED] = "adopted", [TENANT_TASK_ON_PASS] = "pass",
    [TENANT_TASK_ON_SUCCEED] = "succeed", [TENANT_TASK_ON_SKIP] = "skip",
    [TENANT_TASK_ON_FAIL] = "fail",       [TENANT_TASK_ON_AGAIN] = "again",
    [TENANT_TASK_ON_LOSE] = "lose",       [TENANT_TASK_ON_UNDO] = "undo",
};
static_assert(COUNT_OF(tenant_task_event_names) == TENANT_TASK_EVENT_COUNT, "all have names");

static const struct fsm_edge tenant_task_edges[] = {
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_TAKE, TENANT_TASK_LOCKING, "a window has room", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_ADOPTED, TENANT_TASK_RUNNING, "its agent goes on", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_PASS, TENANT_TASK_PASSED, "a late answer", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED,
      "its journal or a late answer says so", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_SKIP, TENANT_TASK_SKIPPED,
      "nothing to do, gone, held or aborted", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_FAIL, TENANT_TASK_FAILED,
      "it cannot go there, or a late answer", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN,
      "aborted, and a lost agent had it", false },
    { TENANT_TASK_PASSED, TENANT_TASK_ON_TAKE, TENANT_TASK_LOCKING, "a window has room", false },
    { TENANT_TASK_PASSED, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED, "its journal says so",
      false },
    { TENANT_TASK_PASSED, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN,
      "aborted, and a lost agent had it", false },
    { TENANT_TASK_PASSED, TENANT_TASK_ON_SKIP, TENANT_TASK_SKIPPED, "gone, held or aborted",
      false },
    { TENANT_TASK_LOCKING, TENANT_TASK_ON_SENT, TENANT_TASK_RUNNING, "its lock is durable", false },
    { TENANT_TASK_LOCKING, TENANT_TASK_ON_AGAIN, TENANT_TASK_QUEUED, "it could not be sent",
      false },
    { TENANT_TASK_LOCKING, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN,
      "aborted, and a lost agent had it", false },
    { TENANT_TASK_LOCKING, TENANT_TASK_ON_SKIP, TENANT_TASK_SKIPPED, "aborted before it was sent",
      false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_PASS, TENANT_TASK_PASSED, "its dry run is good", false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED, "committed", false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_SKIP, TENANT_TASK_SKIPPED, "nothing to do, or gone",
      false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_FAIL, TENANT_TASK_FAILED, "rolled back", false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_AGAIN, TENANT_TASK_QUEUED, "its dry run was lost",
      false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN, "no outcome is known", false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_AGAIN, TENANT_TASK_QUEUED,
      "its journal says that nothing happened", false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_PASS, TENANT_TASK_PASSED, "a late answer", false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED,
      "its journal or a late answer says so", false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_SKIP, TENANT_TASK_SKIPPED, "it is there already, or gone",
      false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_FAIL, TENANT_TASK_FAILED,
      "no try is left, or a late answer", false },
    { TENANT_TASK_QUEUED, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK,
      "its journal or a late answer says so", false },
    { TENANT_TASK_PASSED, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK, "its journal says so",
      false },
    { TENANT_TASK_RUNNING, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK, "committed", false },
    { TENANT_TASK_UNKNOWN, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK,
      "its journal or a late answer says so", false },
    { TENANT_TASK_FAILED, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK, "its journal says so",
      false },
    { TENANT_TASK_SKIPPED, TENANT_TASK_ON_UNDO, TENANT_TASK_ROLLED_BACK, "its journal says so",
      false },
    { TENANT_TASK_ROLLED_BACK, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN,
      "its database has lost commits", false },
    { TENANT_TASK_LOCKING, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED,
      "a rollback is aborted before it was sent", false },
    { TENANT_TASK_MIGRATED, TENANT_TASK_ON_LOSE, TENANT_TASK_UNKNOWN,
      "its database has lost commits", false },
    { TENANT_TASK_FAILED, TENANT_TASK_ON_AGAIN, TENANT_TASK_QUEUED, "the operator asked to retry",
      false },
    { TENANT_TASK_FAILED, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED, "its journal says so",
      false },
    { TENANT_TASK_SKIPPED, TENANT_TASK_ON_AGAIN, TENANT_TASK_QUEUED,
      "the tenant is there again, or free again", false },
    { TENANT_TASK_SKIPPED, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED, "its journal says so",
      false },
};

/* None: operators retry what failed, and a database may lose what it had committed. */
static const bool tenant_task_terminal[TENANT_TASK_STATE_COUNT] = { false };

static const struct fsm_edge *tenant_task_edge_at(size_t index)
{
    assert(index < COUNT_OF(tenant_task_edges));
    return &tenant_task_edges[index];
}

const struct fsm tenant_task_fsm = {
    .noun = "task",
    .state_names = tenant_task_state_names,
    .state_count = TENANT_TASK_STATE_COUNT,
    .event_names = tenant_task_event_names,
    .event_count = TENANT_TASK_EVENT_COUNT,
    .initial = TENANT_TASK_QUEUED,
    .terminal = tenant_task_terminal,
    .edge_count = COUNT_OF(tenant_task_edges),
    .edge_at = tenant_task_edge_at,
};

const struct fsm_edge *tenant_task_edge(enum tenant_task_state state, enum tenant_task_event on)
{
    for (size_t i = 0; i < COUNT_OF(tenant_task_edges); i++) {
        if (tenant_task_edges[i].from == (int)state && tenant_task_edges[i].on == (int)on) {
            return &tenant_task_edges[i];
        }
    }
    return NULL;
}
