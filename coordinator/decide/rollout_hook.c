#include "coordinator/decide/rollout_hook.h"

#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/set_scope.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/wave.h"

/* Only migrations have hooks: a baseline changes nothing, and making or dropping a tenant is about
 * that one. */
static bool rollout_hook_has(const struct rollout *rollout, enum set_hook hook)
{
    return rollout->spec.kind == ROLLOUT_MIGRATE && rollout->set != NULL &&
           rollout->set->hooks[hook] != NULL;
}

bool rollout_hook_holds_runs(const struct rollout *rollout)
{
    return rollout_hook_has(rollout, SET_HOOK_BEFORE_ROLLOUT) &&
           !rollout->state.hooks_done[SET_HOOK_BEFORE_ROLLOUT];
}

bool rollout_hook_has_failed(const struct rollout *rollout)
{
    return rollout->hook.failed;
}

/* How it is called among the failures. */
static const char *rollout_hook_path(struct step *step, enum set_hook hook)
{
    return arena_printf(&step->effects->arena, "hooks/%s", set_hook_name(hook));
}

static struct shard *rollout_hook_shard(const struct fleet *fleet, const struct rollout *rollout)
{
    char name[NAME_BYTES_MAX + 1];

    (void)set_scope_control(rollout->set, name);
    return registry_find_shard(fleet, name);
}

static bool rollout_hook_works(const struct shard *shard)
{
    return shard != NULL && shard->session.state == SESSION_LIVE && shard->session.link != NULL;
}

const char *rollout_hook_awaited(const struct fleet *fleet, const struct rollout *rollout,
                                 const char **ret_trouble, const char **ret_offline)
{
    *ret_trouble = "";
    *ret_offline = "";
    if (rollout->hook.number == 0 || rollout->set == NULL) {
        return NULL;
    }
    const struct shard *shard = rollout_hook_shard(fleet, rollout);
    *ret_trouble = rollout->hook.trouble;
    if (!rollout_hook_works(shard)) {
        *ret_offline = shard == NULL ? rollout->set->control : shard->name;
    }
    return set_hook_name(rollout->hook.hook);
}

/* ---- asking ---- */

static void rollout_hook_send(struct step *step, struct rollout *rollout)
{
    struct arena *arena = &step->effects->arena;
    char name[NAME_BYTES_MAX + 1];
    const char *database = set_scope_control(rollout->set, name);
    const struct shard *shard = registry_find_shard(step->fleet, name);
    uint64_t wait_ms = wave_lock_wait_ms(rollout);

    rollout->hook.sent_ms = step->now_ms;
    rollout->hook.reachable = rollout_hook_works(shard);
    if (!rollout->hook.reachable) {
        return;
    }
    emit_send(step, shard->session.link->stream, COORDINATOR_MESSAGE_CONTROL_RUN)->control_run =
        (struct control_run){
            .call = { .number = rollout->hook.number,
                      .rollout = copy_text(arena, rollout->spec.id),
                      .tenant = copy_text(arena, rollout->spec.id),
                      .token = step->fleet->term, /* grows; who led before has asked for the same */
                      .mode = rollout->hook.rehearses ? TASK_DRY_RUN : TASK_RUN,
                      .from = "",
                      .file = copy_text(
                          arena, rollout->set->hooks[rollout->hook.hook]->operations[0].path),
                      .key = copy_text(arena, rollout->spec.id),
                      .lock_timeout_ms =
                          wait_ms < TASK_LOCK_TIMEOUT_MAX_MS ? wait_ms : TASK_LOCK_TIMEOUT_MAX_MS },
            .shard = copy_text(arena, shard->name),
            .hook = set_hook_name(rollout->hook.hook),
            .set = copy_text(arena, rollout->spec.set),
            .digest = copy_text(arena, rollout->set->digest),
            .target = copy_text(arena, rollout->spec.target),
            .database = copy_text(arena, database),
        };
}

static void rollout_hook_forget_failure(struct step *step, struct rollout *rollout,
                                        enum set_hook hook)
{
    const char *path = rollout_hook_path(step, hook);

    if (failure_list_remove(&rollout->failures, path)) {
        emit_delete(step, RECORD_FAILURE, rollout->spec.id, path);
    }
}

static void rollout_hook_ask(struct step *step, struct rollout *rollout, enum set_hook hook,
                             bool rehearses)
{
    if (rollout->hook.number != 0 || rollout->hook.failed) {
        return;
    }
    rollout_hook_forget_failure(step, rollout, hook);
    rollout->hook.hook = hook;
    rollout->hook.rehearses = rehearses;
    rollout->hook.number = (step->fleet->term << 32) | (++step->fleet->next_id & UINT32_MAX);
    rollout->hook.trouble[0] = '\0';
    rollout->change++;
    if (!rehearses) {
        rollout->state.hook_asked = 1 + (uint32_t)hook;
        rollout_put_state(step, rollout); /* stands before the message, and is stored before it */
    }
    rollout_hook_send(step, rollout);
}

void rollout_hook_check(struct step *step, struct rollout *rollout)
{
    if (rollout->state.phase == ROLLOUT_RUNNING && !rollout->aborting && rollout->open_now &&
        rollout_hook_holds_runs(rollout)) {
        rollout_hook_ask(step, rollout, SET_HOOK_BEFORE_ROLLOUT, false);
    }
}

bool rollout_hook_is_behind(struct step *step, struct rollout *rollout)
{
    const struct rollout_edge *edge = rollout_find_edge(rollout, ROLLOUT_ON_TASKS_DONE);
    enum rollout_phase to = (enum rollout_phase)edge->edge.to;

    if (rollout->state.phase == ROLLOUT_DRY_RUN && to != ROLLOUT_DRY_RUN_FAILED &&
        rollout_hook_holds_runs(rollout) && !rollout->hook.rehearsed) {
        rollout_hook_ask(step, rollout, SET_HOOK_BEFORE_ROLLOUT, true);
        return true;
    }
    if (rollout->state.phase == ROLLOUT_RUNNING && to == ROLLOUT_SUCCEEDED &&
        rollout_hook_has(rollout, SET_HOOK_AFTER_ROLLOUT) &&
        !rollout->state.hooks_done[SET_HOOK_AFTER_ROLLOUT]) {
        rollout_hook_ask(step, rollout, SET_HOOK_AFTER_ROLLOUT, false);
        return true;
    }
    return false;
}

void rollout_hook_on_tick(struct step *step, struct rollout *rollout)
{
    if (rollout->hook.number == 0 || !rollout->open_now) {
        return;
    }
    bool reachable = rollout_hook_works(rollout_hook_shard(step->fleet, rollout));
    bool back = reachable && !rollout->hook.reachable;
    if (reachable != rollout->hook.reachable) {
        rollout->change++;
    }
    rollout->hook.reachable = reachable;
    if (back || step->now_ms >= rollout->hook.sent_ms + CONTROL_RESEND_MS) {
        rollout_hook_send(step, rollout);
    }
}

/* ---- answers ---- */

/* Nobody can say yet whether it was done, or it was not even tried: it is asked for again. */
static bool rollout_hook_asks_again(enum task_code code)
{
    return code == TASK_CODE_AGENT_LOST || code == TASK_CODE_DATABASE_LOST ||
           code == TASK_CODE_FENCED || code == TASK_CODE_CANCELLED;
}

static void rollout_hook_end(struct rollout *rollout)
{
    rollout->hook.number = 0;
    rollout->state.hook_asked = 0;
    rollout->state_dirty = true;
    rollout->change++;
}

static void rollout_hook_fail(struct step *step, struct rollout *rollout,
                              const struct task_error *error)
{
    struct failure_record record = { .error = *error, .at_ms = step->wall_ms };

    record.error.tenant = rollout_hook_path(step, rollout->hook.hook);
    record.error.mode = rollout->hook.rehearses ? TASK_DRY_RUN : TASK_RUN;
    const struct failure_record *kept = failure_list_put(&rollout->failures, &record);
    if (kept != NULL) {
        emit_put_failure(step, rollout->spec.id, kept);
    }
    rollout->hook.failed = !rollout->aborting; /* else it ends anyway */
    (void)snprintf(rollout->hook.trouble, sizeof(rollout->hook.trouble), "%s failed: %.400s",
                   set_hook_name(rollout->hook.hook), error->message);
}

static struct rollout *rollout_hook_find(const struct fleet *fleet, uint64_t number)
{
    for (size_t i = 0; number != 0 && i < fleet->rollout_count; i++) {
        if (fleet->rollouts[i]->hook.number == number) {
            return fleet->rollouts[i];
        }
    }
    return NULL;
}

void rollout_hook_on_done(struct step *step, const struct agent_link *link,
                          const struct control_done *done)
{
    struct rollout *rollout = rollout_hook_find(step->fleet, done->number);

    if (rollout == NULL || rollout->set == NULL ||
        link->shard != rollout_hook_shard(step->fleet, rollout)) {
        return; /* of an earlier leader, who is asked for it again; or nobody waits for it */
    }
    if (rollout_hook_asks_again(done->error.code)) {
        (void)snprintf(rollout->hook.trouble, sizeof(rollout->hook.trouble), "%.200s",
                       done->error.message);
        rollout->change++;
        if (rollout->aborting) {
            rollout->hook.number = 0; /* it ends without knowing */
            rollout_check(step, rollout);
        }
        return;
    }
    if (done->error.code != TASK_CODE_NONE) {
        rollout_hook_fail(step, rollout, &done->error);
    } else if (rollout->hook.rehearses) {
        rollout->hook.rehearsed = true;
    } else {
        rollout->state.hooks_done[rollout->hook.hook] = true;
        audit_add(step, "coordinator", "rollout.hook", rollout->spec.id, "", "%s is done",
                  set_hook_name(rollout->hook.hook));
    }
    rollout_hook_end(rollout);
    rollout_put_state(step, rollout);
    wave_dispatch_rollout(step, rollout);
    rollout_check(step, rollout);
}

/* ---- ends ---- */

bool rollout_hook_is_under_way(const struct rollout *rollout)
{
    return rollout->hook.number != 0 && !rollout->hook.rehearses && rollout->hook.reachable;
}

void rollout_hook_forgive(struct rollout *rollout)
{
    rollout->hook.failed = false;
}

void rollout_hook_give_up(struct step *step, struct rollout *rollout)
{
    uint32_t asked = rollout->state.hook_asked;

    rollout_hook_end(rollout);
    rollout->hook.rehearsed = false;
    rollout->hook.failed = false;
    if (asked == 0) {
        return;
    }
    const struct failure_record record = {
        .error = { .tenant = rollout_hook_path(step, (enum set_hook)(asked - 1)),
                   .mode = TASK_RUN,
                   .code = TASK_CODE_OUTCOME_UNKNOWN,
                   .sqlstate = "",
                   .message =
                       "it was handed out, and whether it was done, or will be, is not known",
                   .detail = "",
                   .hint =
                       "If it was, skein.control in the control database has a row that says so.",
                   .file = "" },
        .at_ms = step->wall_ms
    };
    const struct failure_record *kept = failure_list_put(&rollout->failures, &record);
    if (kept != NULL) {
        emit_put_failure(step, rollout->spec.id, kept);
    }
}
