"""The mutations that the simulator must find: each takes one guard out of the code.

A change is (file, text as it is, text as it becomes); the text must be there exactly once. `copies`
names what a model of the simulator stands for: (file, text) that must be there too, so that the
model is looked at again when its original changes.

Where one guard alone is not missed, because another one covers it, both are taken out, and `why`
says so. Known to be covered in this way, and therefore not listed alone:
- a leader that ignores the end of its own lease: every write is refused by the leader key;
- a retry that queues migrated tenants again: the classification of the queue, and behind it the
  tenant's journal, say that they are there already;
- a lookup that believes an older report: the next try asks the tenant's journal."""

MUTANTS = [
    dict(name="fence_left_out",
         why="the database takes a task whatever its token",
         changes=[("tests/sim/sim_database.c",
                   "    return task->token < tenant->fence;", "    return task == NULL && tenant == NULL;")],
         copies=[("agent/keep/journal/task.sql",
                  "'this rollout has already done it';\n        END IF;\n"
                  "        IF row_fence > in_token THEN\n            RAISE EXCEPTION USING ERRCODE = 'SK002'")]),
    dict(name="settle_raises_no_fence",
         why="what is settled can still be changed by the old try",
         changes=[("tests/sim/sim_worker.c", "    tenant->fence = task->token;\n", ""),
                  ("tests/sim/sim_worker.c",
                   "    if (tenant->holder != NULL && tenant->holder->agent == NULL) {\n"
                   "        free(tenant->holder); /* its agent is dead */\n    }\n"
                   "    tenant->holder = NULL;\n", "")],
         copies=[("agent/keep/journal/settle.sql",
                  "    END IF;\n    UPDATE skein.tenant t SET fence = in_token\n"
                  "     WHERE t.tenant = in_tenant AND t.set_name = in_set;\nEND")]),
    dict(name="settling_left_out",
         why="a report says that nothing happened while an old try may still commit",
         changes=[("coordinator/decide/part.c", "    if (!task->unfenced) {\n        return false;",
                   "    if (task != NULL) {\n        (void)end;\n        (void)due;\n"
                   "        return false;")]),
    dict(name="leader_key_not_compared",
         why="a coordinator writes that does not lead any more; the order of writes alone keeps "
             "some of it out, so that goes too",
         changes=[("coordinator/store/flush.c",
                   "    store_txn(flush->store, compares, COUNT_OF(compares), txn->ops",
                   "    store_txn(flush->store, compares, 0, txn->ops")]),
    dict(name="order_of_writes_not_compared",
         why="a write that was given up arrives late and brings back the past",
         changes=[("coordinator/store/flush.c",
                   "    store_txn(flush->store, compares, COUNT_OF(compares), txn->ops",
                   "    store_txn(flush->store, compares, 1, txn->ops")]),
    dict(name="told_before_it_is_durable",
         why="effects do not wait for the writes before them",
         changes=[("coordinator/store/flush.c",
                   "                           : batch->writes[batch->writes_done].effect;",
                   "                           : batch->effects.count;")]),
    dict(name="old_term_obeyed",
         why="an agent obeys a coordinator that was replaced",
         changes=[("agent/decide/uplink.c", "    if (term < uplink->term) {\n        return false;",
                   "    if (term == 0) {\n        return false;")]),
    dict(name="session_expiry_ignored",
         why="an agent that is cut off goes on; it begins nothing by one guard, ends what runs by "
             "the other",
         changes=[("agent/decide/uplink.c",
                   "    return uplink->lease_id != 0 && uplink->lease_proven ? "
                   "uplink->lease_until_ms : 0;",
                   "    return uplink->lease_id != 0 ? UINT64_MAX : 0;"),
                  ("agent/decide/uplink.c",
                   "    if (uplink->lease_id == 0 || now_ms < uplink->lease_until_ms) {",
                   "    if (uplink->lease_id == 0 || now_ms < UINT64_MAX) {")]),
    dict(name="living_sessions_not_adopted",
         why="a new leader begins every session anew",
         changes=[("coordinator/decide/session.c",
                   "    if (session->state != SESSION_NONE || record->lease_id == 0) {\n        return;",
                   "    if (session->state != SESSION_NONE || record->lease_id != 0) {\n        return;")]),
    dict(name="running_tasks_not_adopted",
         why="an agent that is back loses the locks of what it runs",
         changes=[("coordinator/decide/outcome.c",
                   "    if (running != NULL && (task == NULL || task->token == running->token)) {",
                   "    if (running != NULL && task != NULL && task->token == 0) {")]),
    dict(name="lock_released_early",
         why="a window's locks are given back as soon as its tasks are sent",
         changes=[("coordinator/decide/wave.c",
                   "        tenant_task_step(step, task, TENANT_TASK_ON_SENT, window->mode, 0);",
                   "        tenant_task_step(step, task, TENANT_TASK_ON_SENT, window->mode, 0);\n"
                   "        lock_table_release(step, lock_table_find(shard, "
                   "task->tenant->info->name));")]),
    dict(name="session_freed_before_its_lease_ends",
         why="a silent agent's shard is given to the next one while it may still work",
         changes=[("coordinator/decide/session_edges.c",
                   "SESSION_DETACHED, SESSION_ON_SILENT, SESSION_ENDING, \"nobody came back\"",
                   "SESSION_DETACHED, SESSION_ON_SILENT, SESSION_NONE, \"nobody came back\"")]),
    dict(name="results_whatever_token",
         why="the answer to an old try is taken for the new one",
         changes=[("coordinator/decide/outcome.c",
                   "(waits || task->state == TENANT_TASK_RUNNING) && task->token == result->token &&",
                   "(waits || task->state == TENANT_TASK_RUNNING) && result->token != 0 &&"),
                  ("coordinator/decide/outcome.c",
                   "rollout != NULL && lock->token == result->token;",
                   "rollout != NULL && result->token != 0;")]),
    dict(name="result_counted_twice",
         why="an answer that comes again counts again",
         changes=[("coordinator/decide/outcome.c",
                   "    if (!outcome_is_current(task, result)) {",
                   "    if (!outcome_is_current(task, result) &&\n"
                   "        !(task->state == TENANT_TASK_MIGRATED && "
                   "result->outcome == TASK_SUCCEEDED)) {"),
                  ("coordinator/decide/tenant_task_edges.c",
                   "    { TENANT_TASK_RUNNING, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED,",
                   "    { TENANT_TASK_MIGRATED, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED, \"\", "
                   "false },\n"
                   "    { TENANT_TASK_RUNNING, TENANT_TASK_ON_SUCCEED, TENANT_TASK_MIGRATED,"),
                  ("coordinator/decide/tenant_task.c",
                   "    tenant_task_count(step, task, false);\n",
                   "    if (task->state != TENANT_TASK_MIGRATED) {\n"
                   "        tenant_task_count(step, task, false);\n    } else {\n"
                   "        task->part->rollout->state.counts.total++;\n    }\n")]),
    dict(name="database_lost_is_final",
         why="a COMMIT that was not answered is called a failure; settling and the last look at the "
             "journal before a rollout ends would each contradict, so they go too",
         changes=[("coordinator/decide/outcome.c",
                   "    [TASK_CODE_DATABASE_LOST] = OUTCOME_AGAIN,",
                   "    [TASK_CODE_DATABASE_LOST] = OUTCOME_FINAL,"),
                  ("coordinator/decide/outcome.c",
                   "        task->unfenced = true; /* it may have committed, or may yet */",
                   "        task->unfenced = false;"),
                  ("coordinator/decide/part.c",
                   "        if (tenant_plan_is_done(task->part->rollout, task->tenant)) {",
                   "        if (task->state != TENANT_TASK_FAILED &&\n"
                   "            tenant_plan_is_done(task->part->rollout, task->tenant)) {")]),
    dict(name="no_barrier",
         why="tenants are changed before every dry run has passed",
         changes=[("coordinator/decide/rollout.c",
                   "(rollout->state.phase == ROLLOUT_DRY_RUN && mode == TASK_DRY_RUN)",
                   "(rollout->state.phase == ROLLOUT_DRY_RUN && mode < TASK_MODE_COUNT)")]),
    dict(name="no_barrier_on_the_way_back",
         why="tenants are rolled back before every one of them has tried",
         changes=[("coordinator/decide/rollout.c",
                   "(mode == TASK_ROLLBACK && rollout->state.rollback == ROLLBACK_UNDOING)",
                   "mode == TASK_ROLLBACK")]),
    dict(name="window_not_reduced",
         why="what is in flight on a shard does not count",
         changes=[("coordinator/decide/wave.c",
                   "    size_t room = part->in_flight < cap ? cap - part->in_flight : 0;",
                   "    size_t room = cap;")]),
    dict(name="hold_not_seen",
         why="tenants that people hold are handed out",
         changes=[("coordinator/decide/wave.c",
                   "    if (lock == NULL) {\n        /* People who wait",
                   "    if (lock != NULL && lock_table_is_hold(lock)) {\n"
                   "        lock_table_drop(step->fleet, "
                   "lock_table_find(task->part->shard, task->tenant->info->name));\n"
                   "        return true;\n    }\n"
                   "    if (lock == NULL) {\n        /* People who wait")]),
    dict(name="phase_told_too_early",
         why="a leader that cannot write any more shows an end that the next one does not know",
         changes=[("coordinator/decide/rollout_view.c",
                   "    if (rollout->untold > 0) {",
                   "    if (rollout->untold == SIZE_MAX) {")]),
    dict(name="token_base_moves_without_need",
         why="a new leader does not know the tasks again that are under way",
         changes=[("coordinator/decide/token.c",
                   "    if (greatest <= fleet->token_base + fleet->newest_revision) {",
                   "    if (greatest < fleet->token_base + fleet->newest_revision) {")]),
    dict(name="runs_before_before_rollout",
         why="tenants are migrated while the set's before_rollout is not done yet",
         changes=[("coordinator/decide/rollout.c",
                   "!task_mode_is_dry(mode) &&\n        rollout_hook_holds_runs(rollout)) {",
                   "!task_mode_is_dry(mode) &&\n        rollout->hook.number == UINT64_MAX) {")]),
    dict(name="end_before_after_rollout",
         why="a rollout succeeds while its after_rollout is not done yet",
         changes=[("coordinator/decide/rollout_hook.c",
                   "        !rollout->state.hooks_done[SET_HOOK_AFTER_ROLLOUT]) {\n"
                   "        rollout_hook_ask(step, rollout, SET_HOOK_AFTER_ROLLOUT, false);\n"
                   "        return true;",
                   "        !rollout->state.hooks_done[SET_HOOK_AFTER_ROLLOUT]) {\n"
                   "        rollout_hook_ask(step, rollout, SET_HOOK_AFTER_ROLLOUT, false);\n"
                   "        return false;")]),
    dict(name="hook_answer_of_another_call",
         why="an answer is taken for that of whichever call is under way, also of another hook",
         changes=[("coordinator/decide/rollout_hook.c",
                   "        if (fleet->rollouts[i]->hook.number == number) {",
                   "        if (fleet->rollouts[i]->hook.number != 0) {")]),
]
