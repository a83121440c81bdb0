#include "coordinator/decide/control_relay.h"

#include <string.h>

#include "common/model/set_scope.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/rollout_hook.h"

static bool control_relay_works(const struct shard *shard)
{
    return shard != NULL && shard->session.state == SESSION_LIVE && shard->session.link != NULL;
}

static void control_relay_refuse(struct step *step, const struct agent_link *link,
                                 const struct control_call *call, enum task_code code,
                                 const char *message)
{
    emit_send(step, link->stream, COORDINATOR_MESSAGE_CONTROL_ANSWER)->control_answer =
        (struct control_answer){ .number = call->number,
                                 .error = { .tenant = "",
                                            .mode = call->mode,
                                            .code = code,
                                            .sqlstate = "",
                                            .message = message,
                                            .detail = "",
                                            .hint = "",
                                            .file = "" } };
}

/* The rollout whose task this is; NULL if that task is not under way (any more). */
static const struct rollout *control_relay_find(const struct step *step,
                                                const struct agent_link *link,
                                                const struct control_call *call)
{
    const struct lock *lock = lock_table_find(link->shard, call->tenant);
    const struct rollout *rollout = rollout_find(step->fleet, call->rollout);
    bool under_way = lock != NULL && rollout != NULL && rollout->set != NULL &&
                     !lock_table_is_hold(lock) && lock->token == call->token &&
                     strcmp(lock->record.rollout, call->rollout) == 0;

    return under_way ? rollout : NULL;
}

void control_relay_on_call(struct step *step, const struct agent_link *link,
                           const struct control_call *call)
{
    struct arena *arena = &step->effects->arena;
    char shard_name[NAME_BYTES_MAX + 1];

    if (link != link->shard->session.link || !control_relay_works(link->shard)) {
        return; /* it asks again when it works again */
    }
    const struct rollout *rollout = control_relay_find(step, link, call);
    if (rollout == NULL) {
        control_relay_refuse(step, link, call, TASK_CODE_FENCED,
                             "the task is not under way any more");
        return;
    }
    if (rollout->set->control[0] == '\0') {
        control_relay_refuse(step, link, call, TASK_CODE_RUNNER,
                             "the set does not name a control database");
        return;
    }
    const char *database = set_scope_control(rollout->set, shard_name);
    const struct shard *shard = registry_find_shard(step->fleet, shard_name);
    if (!control_relay_works(shard)) {
        control_relay_refuse(
            step, link, call, TASK_CODE_AGENT_LOST,
            arena_printf(arena, "no agent works for the shard '%s' of the control database",
                         shard_name));
        return;
    }
    emit_send(step, shard->session.link->stream, COORDINATOR_MESSAGE_CONTROL_RUN)->control_run =
        (struct control_run){
            .call = { .number = call->number,
                      .rollout = copy_text(arena, rollout->spec.id),
                      .tenant = copy_text(arena, call->tenant),
                      .token = call->token,
                      .mode = call->mode,
                      .from = copy_text(arena, call->from),
                      .file = copy_text(arena, call->file),
                      .down = call->down,
                      .key = copy_text(arena, call->key),
                      .lock_timeout_ms = call->lock_timeout_ms },
            .shard = copy_text(arena, link->shard->name),
            .set = copy_text(arena, rollout->spec.set),
            .digest = copy_text(arena, rollout->spec.digest),
            .target = copy_text(arena, rollout->spec.target),
            .database = copy_text(arena, database),
        };
}

void control_relay_on_done(struct step *step, const struct agent_link *link,
                           const struct control_done *done)
{
    const struct shard *shard = registry_find_shard(step->fleet, done->shard);

    if (done->hook != NULL && done->hook[0] != '\0') {
        rollout_hook_on_done(step, link, done);
        return;
    }
    if (link != link->shard->session.link || !control_relay_works(shard)) {
        return; /* who asked will ask again */
    }
    emit_send(step, shard->session.link->stream, COORDINATOR_MESSAGE_CONTROL_ANSWER)
        ->control_answer =
        (struct control_answer){ .number = done->number,
                                 .error = copy_error(&step->effects->arena, &done->error) };
}
