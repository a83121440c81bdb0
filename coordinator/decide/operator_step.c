#include "coordinator/decide/operator_step.h"

#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/history.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/operator_rollout.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"

/* ---- sets ---- */

static bool operator_check_publish(const struct fleet *fleet,
                                   const struct operator_request *request, struct error *err)
{
    const struct set *old = set_shelf_find(&fleet->sets, request->set->name, "");

    if (request->archive.size > SET_BYTES_MAX) {
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

/* ---- tenants ---- */

static bool operator_check_lock(const struct step *step, const struct operator_request *request,
                                struct error *err)
{
    const struct tenant *tenant = registry_find_path(step->fleet, request->object);

    if (tenant == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no tenant '%s'; `skein tenant list` has them all",
                         request->object);
    }
    if (request->lock_ttl_ms > TENANT_HOLD_TTL_MAX_MS) {
        return error_set(err, ERR_INVALID, "a tenant can be held for at most 24 hours at a time");
    }
    const struct lock *lock = lock_table_find(tenant->shard, tenant->info->name);
    if (lock != NULL && !lock_table_is_hold(lock)) {
        return error_set(err, ERR_CONFLICT,
                         "rollout %s works on '%s' right now: try again in a moment, or pause it",
                         lock->record.rollout, request->object);
    }
    const char *owner = request->lock_owner[0] == '\0' ? request->actor : request->lock_owner;
    if (lock != NULL && strcmp(lock->record.owner, owner) != 0) {
        return error_set(err, ERR_CONFLICT, "'%s' is held by %s%s%s", request->object,
                         lock->record.owner, lock->record.reason[0] == '\0' ? "" : ": ",
                         lock->record.reason);
    }
    return true;
}

static bool operator_lock(struct step *step, const struct operator_request *request,
                          struct error *err)
{
    if (!operator_check_lock(step, request, err)) {
        return false;
    }
    struct tenant *tenant = registry_find_path(step->fleet, request->object);
    struct lock *old = lock_table_find(tenant->shard, tenant->info->name);
    uint64_t ttl_ms = request->lock_ttl_ms == 0 ? TENANT_HOLD_TTL_DEFAULT_MS : request->lock_ttl_ms;
    const struct lock_record record = {
        .tenant = request->object,
        .owner = request->lock_owner[0] == '\0' ? request->actor : request->lock_owner,
        .reason = request->reason,
        .rollout = "",
        .since_ms = old == NULL ? step->wall_ms : old->record.since_ms,
        .expires_at_ms = step->wall_ms + (int64_t)ttl_ms,
    };

    if (old != NULL) {
        lock_table_drop(step->fleet, old); /* the same holder, for longer */
    }
    emit_put_lock(step, &record);
    lock_table_add(step, tenant->shard, &record);
    audit_add(step, request->actor, "tenant.lock", request->object, request->reason,
              "for %s, %llu s", record.owner, (unsigned long long)(ttl_ms / 1000));
    rollout_touch_shard(tenant->shard);
    return true;
}

/* The tenant may be unknown now: its hold is what matters. */
static struct lock *operator_find_hold(const struct fleet *fleet, const char *tenant)
{
    for (size_t i = 0; i < fleet->hold_count; i++) {
        if (strcmp(fleet->holds[i]->record.tenant, tenant) == 0) {
            return fleet->holds[i];
        }
    }
    return NULL;
}

static bool operator_unlock(struct step *step, const struct operator_request *request,
                            struct error *err)
{
    struct lock *hold = operator_find_hold(step->fleet, request->object);
    const struct tenant *tenant = registry_find_path(step->fleet, request->object);

    if (hold == NULL) {
        const struct lock *lock =
            tenant == NULL ? NULL : lock_table_find(tenant->shard, tenant->info->name);
        if (lock != NULL) {
            return error_set(err, ERR_REFUSED,
                             "'%s' is locked by rollout %s, which gives it back by itself; pause "
                             "or abort the rollout",
                             request->object, lock->record.rollout);
        }
        return error_set(err, ERR_NOT_FOUND, "'%s' is not held by anybody", request->object);
    }
    audit_add(step, request->actor, "tenant.unlock", request->object, request->reason, "held by %s",
              hold->record.owner);
    rollout_touch_shard(hold->shard);
    lock_table_release(step, hold);
    return true;
}

/* ---- shards ---- */

static void operator_forget_task(struct step *step, struct tenant_task *task)
{
    if (task->state == TENANT_TASK_UNKNOWN && task->mode != TASK_DRY_RUN) {
        const struct task_error error = {
            .tenant = "",
            .mode = (enum task_mode)task->mode,
            .code = TASK_CODE_AGENT_LOST,
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
    part_skip(step, task, TASK_CODE_TENANT_MISSING);
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
    while (shard->locks != NULL) {
        lock_table_release(step, shard->locks);
    }
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
        [OPERATOR_PAUSE] = operator_rollout_pause,
        [OPERATOR_RESUME] = operator_rollout_resume,
        [OPERATOR_ABORT] = operator_rollout_abort,
        [OPERATOR_RETRY] = operator_rollout_retry,
    };
    struct rollout *rollout = NULL;

    *ret_object = request->object;
    if (request->verb == OPERATOR_START) {
        if (!operator_rollout_start(step, request, &rollout, err)) {
            return error_wrap(err, "start a rollout");
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
    if (request->verb == OPERATOR_LOCK) {
        return operator_lock(step, request, err);
    }
    if (request->verb == OPERATOR_UNLOCK) {
        return operator_unlock(step, request, err);
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
    } else if (operator_apply(step, request, &object, &err)) {
        emit_done(step, request->call, object);
    } else {
        emit_refuse(step, request->call, &err);
    }
}
