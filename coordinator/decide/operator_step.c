#include "coordinator/decide/operator_step.h"

#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/history.h"
#include "coordinator/decide/operator_lock.h"
#include "coordinator/decide/operator_rollout.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollback.h"

/* ---- sets ---- */

static bool operator_check_publish(const struct fleet *fleet,
                                   const struct operator_request *request, struct error *err)
{
    const struct set *old = set_shelf_find(&fleet->sets, request->set->name, "");

    if (request->archive.size > SET_ARCHIVE_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "the set is larger than %d bytes", SET_BYTES_MAX);
    }
    return old == NULL || set_check_growth(old, request->set, err);
}

static void operator_publish(struct step *step, struct operator_request *request)
{
    struct set *set = request->set;
    const struct set_head *head = set_shelf_head(&step->fleet->sets, set->name);
    bool changed = head == NULL || strcmp(head->digest, set->digest) != 0;
    struct error err;

    if (changed && !operator_check_publish(step->fleet, request, &err)) {
        emit_refuse(step, request->call, &err);
        return;
    }
    if (changed && !request->publish_dry_run) {
        const struct set_head next = {
            .name = set->name,
            .digest = set->digest,
            .latest = set->latest_text,
            .min_version = set->min_version_text,
            .published_at_ms = step->wall_ms,
            .published_by = request->actor,
            .chunk_count =
                (uint32_t)((request->archive.size + SET_CHUNK_BYTES - 1) / SET_CHUNK_BYTES),
            .archive_bytes = request->archive.size,
        };
        /* The head last: what it names is there. */
        emit_put_archive(step, set->name, set->digest, request->archive);
        emit_put_head(step, &next);
        audit_add(step, request->actor, "set.publish", set->name, request->reason,
                  "%s, latest %s, %zu migrations", set->digest, set->latest_text,
                  set->migration_count);
        set_shelf_put_head(&step->fleet->sets, &next);
        set_shelf_add(&step->fleet->sets, set);
        request->set = NULL;
    }
    emit_done(step, request->call, set->name)->reply.publish_changed = changed;
}

/* ---- shards ---- */

static void operator_forget_task(struct step *step, struct tenant_task *task)
{
    bool unknown =
        (task->state == TENANT_TASK_UNKNOWN && !task_mode_is_dry((enum task_mode)task->mode)) ||
        (task->unfenced && !tenant_task_is_final(task));

    task->unfenced = false; /* nobody is there any more who could settle it */
    task->end = TENANT_TASK_END_NONE;
    if (unknown) {
        if (task->state == TENANT_TASK_PASSED) {
            tenant_task_step(step, task, TENANT_TASK_ON_LOSE, (enum task_mode)task->mode, 0);
        }
        const struct task_error error = {
            .tenant = "",
            .mode = (enum task_mode)task->mode,
            .code = TASK_CODE_OUTCOME_UNKNOWN,
            .sqlstate = "",
            .message = "the outcome was never learned: the shard was forgotten while its agent "
                       "was away; the tenant's journal has it",
            .detail = "",
            .hint = "",
            .file = "",
        };
        part_fail(step, task, &error);
        return;
    }
    /* One that was to go back has not: it stays migrated, and is not said to be gone. */
    part_skip(step, task, rollback_leaves(task) ? TASK_CODE_CANCELLED : TASK_CODE_TENANT_MISSING);
}

/* The rollouts go on without this shard; its numbers stay in their reports. */
static void operator_forget_parts(struct step *step, struct shard *shard)
{
    while (shard->parts != NULL) {
        struct part *part = shard->parts;
        struct rollout *rollout = part->rollout;
        for (size_t i = 0; i < shard->tenant_count; i++) {
            struct tenant_task *task = tenant_task_find(shard->tenants[i], rollout);
            if (task != NULL) {
                operator_forget_task(step, task);
            }
        }
        rollout_remove_part(step, rollout, part);
        rollout_check(step, rollout);
    }
}

static bool operator_forget_shard(struct step *step, const struct operator_request *request,
                                  struct error *err)
{
    struct shard *shard = registry_find_shard(step->fleet, request->object);

    if (shard == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no shard '%s'; `skein shard list` has them all",
                         request->object);
    }
    if (shard->session.state != SESSION_NONE || shard->links != NULL) {
        return error_set(err, ERR_REFUSED,
                         "shard '%s' has an agent, or its session has not ended yet: stop the "
                         "agent and wait %d s",
                         request->object, SESSION_LEASE_TTL_MS / 1000);
    }
    audit_add(step, request->actor, "shard.forget", request->object, request->reason,
              "%llu tenants", (unsigned long long)shard->present_count);
    operator_lock_drop_shard(step, shard);
    operator_forget_parts(step, shard);
    emit_delete(step, RECORD_SHARD, "", shard->name);
    registry_remove_shard(step->fleet, shard);
    return true;
}

/* ---- dispatch ---- */

static bool operator_apply(struct step *step, struct operator_request *request,
                           const char **ret_object, struct error *err)
{
    typedef bool button(struct step *, const struct operator_request *, struct rollout *,
                        struct error *);
    static button *const buttons[OPERATOR_VERB_COUNT] = {
        [OPERATOR_PAUSE] = operator_rollout_pause, [OPERATOR_RESUME] = operator_rollout_resume,
        [OPERATOR_ABORT] = operator_rollout_abort, [OPERATOR_RETRY] = operator_rollout_retry,
        [OPERATOR_ROLLBACK] = rollback_press,
    };
    static const char *const starts[ROLLOUT_KIND_COUNT] = {
        [ROLLOUT_MIGRATE] = "start a rollout",
        [ROLLOUT_BASELINE] = "write a baseline",
        [ROLLOUT_CREATE] = "make a tenant",
        [ROLLOUT_DROP] = "drop a tenant",
    };
    struct rollout *rollout = NULL;

    *ret_object = request->object;
    if (request->verb == OPERATOR_START) {
        if (!operator_rollout_start(step, request, &rollout, err)) {
            return error_wrap(err, "%s", starts[request->spec.kind]);
        }
        *ret_object = rollout->spec.id;
        return true;
    }
    if (buttons[request->verb] != NULL) {
        rollout = operator_rollout_find(step->fleet, request->object, err);
        if (rollout == NULL || !buttons[request->verb](step, request, rollout, err)) {
            return false;
        }
        *ret_object = rollout->spec.id;
        return true;
    }
    if (request->verb == OPERATOR_UNLOCK) {
        return operator_lock_unlock(step, request, err);
    }
    assert(request->verb == OPERATOR_FORGET_SHARD);
    return operator_forget_shard(step, request, err);
}

void operator_step(struct step *step, struct operator_request *request)
{
    const char *object = "";
    struct error err;

    assert(request->verb < OPERATOR_VERB_COUNT);
    if (request->verb == OPERATOR_PUBLISH) {
        operator_publish(step, request);
    } else if (request->verb == OPERATOR_HISTORY) {
        history_ask(step, request);
    } else if (request->verb == OPERATOR_LABEL) {
        history_ask_label(step, request);
    } else if (request->verb == OPERATOR_SCHEMAS) {
        history_ask_schemas(step, request);
    } else if (request->verb == OPERATOR_LOCK || request->verb == OPERATOR_HOLD) {
        operator_lock_take(step, request);
    } else if (operator_apply(step, request, &object, &err)) {
        emit_done(step, request->call, object);
    } else {
        emit_refuse(step, request->call, &err);
    }
}
