#include "coordinator/decide/operator_lock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/duration.h"
#include "coordinator/decide/copy.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/lock_table.h"
#include "coordinator/decide/lock_wait.h"
#include "coordinator/decide/part.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/tenant_task.h"
#include "coordinator/decide/wave.h"

/* ---- who and where ---- */

/* The shard of "shard/name", and the name in it; NULL if there is no such shard. */
static struct shard *operator_lock_shard(const struct fleet *fleet, const char *tenant,
                                         const char **ret_name)
{
    const char *slash = strchr(tenant, '/');
    char shard[NAME_BYTES_MAX + 1] = "";

    *ret_name = slash == NULL ? "" : slash + 1;
    if (slash != NULL && (size_t)(slash - tenant) < sizeof(shard)) {
        memcpy(shard, tenant, (size_t)(slash - tenant));
    }
    return registry_find_shard(fleet, shard);
}

static struct lock *operator_lock_find(const struct fleet *fleet, const char *tenant)
{
    const char *name = NULL;
    const struct shard *shard = operator_lock_shard(fleet, tenant, &name);

    return shard == NULL ? NULL : lock_table_find(shard, name);
}

static const char *operator_lock_owner(const struct operator_request *request)
{
    return request->lock_owner[0] == '\0' ? request->actor : request->lock_owner;
}

/* How much of an owner says who it is: a number behind the last colon (a process of
 * "ana@host:4711", a port of an address) only tells the calls of one owner apart. */
static size_t operator_lock_person_bytes(const char *owner)
{
    const char *colon = strrchr(owner, ':');

    if (colon == NULL || colon[1] == '\0' || colon[1 + strspn(colon + 1, "0123456789")] != '\0') {
        return strlen(owner);
    }
    return (size_t)(colon - owner);
}

static bool operator_lock_is_same_person(const char *a, const char *b)
{
    size_t bytes = operator_lock_person_bytes(a);

    return bytes == operator_lock_person_bytes(b) && strncmp(a, b, bytes) == 0;
}

/* "held by ana for 4m 05s: restoring a backup". */
static const char *operator_lock_who(struct step *step, const struct lock_record *lock)
{
    char age[DURATION_TEXT_BYTES];
    uint64_t age_ms =
        step->wall_ms > lock->since_ms ? (uint64_t)(step->wall_ms - lock->since_ms) : 0;

    return arena_printf(&step->effects->arena, "held by %.300s for %s%s%.500s", lock->owner,
                        duration_format_whole(age_ms, age), lock->reason[0] == '\0' ? "" : ": ",
                        lock->reason);
}

/* ---- the end of a hold ---- */

/* Rollouts that wait for this tenant go on at once. */
static void operator_lock_wake(struct step *step, struct shard *shard, struct tenant *tenant)
{
    for (struct tenant_task *task = tenant->tasks; task != NULL; task = task->next_of_tenant) {
        if (task->list == TENANT_TASK_LIST_LATER && task->held_since_ms != 0) {
            tenant_task_wake(task);
        }
    }
    wave_dispatch_shard(step, shard);
}

static void operator_lock_end(struct step *step, struct lock *lock)
{
    struct shard *shard = lock->shard;
    struct tenant *tenant = registry_find_tenant(shard, lock->name);

    rollout_touch_shard(shard);
    lock_table_release(step, lock);
    if (tenant != NULL) {
        operator_lock_wake(step, shard, tenant);
    }
}

/* ---- taking ---- */

static bool operator_lock_is_free(const struct lock *lock, const struct lock_wish *wish)
{
    if (lock == NULL) {
        return true;
    }
    /* An owner may take again what is theirs, for longer: this suits a call that is repeated. */
    return lock_table_is_hold(lock) && !lock_table_is_program(lock) && !wish->is_program &&
           strcmp(lock->record.owner, wish->owner) == 0;
}

/* The task whose earlier try may still be at work on a tenant that nobody has locked: its agent was
 * lost, but is perhaps only stopped. NULL: there is none. What it left is being settled then. */
static const struct tenant_task *operator_lock_unsettled(struct step *step, struct shard *shard,
                                                         const char *name)
{
    const struct tenant *tenant = registry_find_tenant(shard, name);
    struct tenant_task *task = tenant == NULL ? NULL : tenant->tasks;

    while (task != NULL && (!task->unfenced || tenant_task_is_final(task))) {
        task = task->next_of_tenant;
    }
    if (task != NULL) {
        part_settle_waiting(step, task);
        wave_dispatch_shard(step, shard);
    }
    return task;
}

/* `task`: see above; NULL where `lock` is not. */
static bool operator_lock_refuse(struct step *step, const struct lock *lock,
                                 const struct tenant_task *task, const struct lock_wish *wish,
                                 struct error *err)
{
    if (lock == NULL) {
        return error_set(err, ERR_CONFLICT,
                         "an agent that was lost may still be at work on '%s' for rollout %s, "
                         "which is being settled: wait for it, try again in a moment, or abort "
                         "the rollout",
                         wish->tenant, task->part->rollout->spec.id);
    }
    if (!lock_table_is_hold(lock)) {
        return error_set(
            err, ERR_CONFLICT,
            "rollout %s works on '%s' right now: wait for it, or try again in a moment",
            lock->record.rollout, wish->tenant);
    }
    bool same = operator_lock_is_same_person(lock->record.owner, wish->owner);
    return error_set(err, ERR_CONFLICT, "'%s' is %s%s%.300s%s", wish->tenant,
                     operator_lock_who(step, &lock->record), same ? " (name the owner '" : "",
                     same ? lock->record.owner : "", same ? "' to renew it)" : "");
}

static void operator_lock_grant(struct step *step, struct shard *shard, struct lock *old,
                                const struct lock_wish *wish)
{
    const struct lock_record record = {
        .tenant = wish->tenant,
        .owner = wish->owner,
        .reason = wish->reason,
        .rollout = "",
        .id = wish->id,
        .since_ms = old == NULL ? step->wall_ms : old->record.since_ms,
        .expires_at_ms = wish->is_program ? 0 : step->wall_ms + (int64_t)wish->ttl_ms,
    };
    char ttl[DURATION_TEXT_BYTES];

    if (old != NULL) {
        lock_table_drop(step->fleet, old); /* the same holder, for longer */
    }
    emit_put_lock(step, &record);
    struct lock *lock = lock_table_add(step, shard, &record);
    if (wish->is_program) {
        struct waiting *waiting = fleet_wait(step, WAITING_HOLD, NULL);
        waiting->call = wish->call;
        lock->call = wish->call;
        emit_after_stored(step, waiting->id);
    }
    audit_add(
        step, wish->actor, "tenant.lock", wish->tenant, wish->reason, "for %s, %s", wish->owner,
        wish->is_program ? "while its stream lives" : duration_format_whole(wish->ttl_ms, ttl));
    rollout_touch_shard(shard);
    emit_done(step, wish->call, wish->tenant)->reply.lock =
        copy_lock(&step->effects->arena, &record);
}

/* The place of the wish; a tenant that nobody can know of now may be locked, too: whoever repairs a
 * shard wants its rollouts to stay away when its agent comes back. */
static bool operator_lock_place(const struct step *step, const struct lock_wish *wish,
                                struct shard **ret_shard, const char **ret_name, struct error *err)
{
    struct shard *shard = operator_lock_shard(step->fleet, wish->tenant, ret_name);
    const struct tenant *tenant = shard == NULL ? NULL : registry_find_tenant(shard, *ret_name);

    if (shard == NULL || (shard->tenants_known && (tenant == NULL || !tenant->present))) {
        return error_set(err, ERR_NOT_FOUND,
                         "there is no tenant '%s'; `skein tenant list` has them all", wish->tenant);
    }
    *ret_shard = shard;
    return true;
}

static bool operator_lock_try(struct step *step, const struct lock_wish *wish, uint64_t wait_ms,
                              struct error *err)
{
    const struct fleet *fleet = step->fleet;
    const char *name = NULL;
    struct shard *shard = NULL;

    if (wish->ttl_ms > TENANT_HOLD_TTL_MAX_MS) {
        return error_set(err, ERR_INVALID, "a tenant can be held for at most 24 hours at a time");
    }
    if (!operator_lock_place(step, wish, &shard, &name, err)) {
        return false;
    }
    struct lock *lock = lock_table_find(shard, name);
    if (lock == NULL && fleet->hold_count + fleet->lock_waiter_count >= TENANT_HOLDS_MAX) {
        return error_set(err, ERR_LIMIT, "%d tenants are held already, which is the limit",
                         TENANT_HOLDS_MAX);
    }
    const struct tenant_task *task =
        lock == NULL ? operator_lock_unsettled(step, shard, name) : NULL;
    if (task == NULL && operator_lock_is_free(lock, wish)) {
        operator_lock_grant(step, shard, lock, wish);
        return true;
    }
    if (wait_ms == 0) {
        return operator_lock_refuse(step, lock, task, wish, err);
    }
    if (!lock_wait_add(step, wish, wait_ms, err)) {
        return false;
    }
    if (wish->is_program) {
        struct effect *told = emit_done(step, wish->call, wish->tenant);
        struct lock_record settling = { .tenant = wish->tenant,
                                        .owner = "rollout",
                                        .reason = "",
                                        .rollout = task == NULL ? "" : task->part->rollout->spec.id,
                                        .id = "",
                                        .since_ms = step->wall_ms };
        told->reply.lock =
            copy_lock(&step->effects->arena, lock == NULL ? &settling : &lock->record);
        told->reply.lock_waits = true;
    }
    return true;
}

/* A program comes back to what it held before its stream broke. */
static bool operator_lock_attach(struct step *step, const struct operator_request *request,
                                 struct error *err)
{
    struct lock *lock = operator_lock_find(step->fleet, request->object);
    struct error moved;

    if (lock == NULL || !lock_table_is_program(lock) ||
        strcmp(lock->record.id, request->lock_id) != 0) {
        return error_set(err, ERR_NOT_FOUND,
                         "the lock of '%s' was lost: the tenant %s; ask for a new lock",
                         request->object,
                         lock == NULL ? "is free, and rollouts may have changed it"
                                      : "belongs to somebody else now");
    }
    if (lock->call != 0) {
        error_set(&moved, ERR_CONFLICT, "another stream has attached to the lock of '%s'",
                  request->object);
        emit_refuse(step, lock->call, &moved);
    }
    lock->call = request->call;
    lock->beat_due_ms = step->now_ms + HOLD_BEAT_INTERVAL_MS;
    rollout_touch_shard(lock->shard);
    emit_done(step, request->call, request->object)->reply.lock =
        copy_lock(&step->effects->arena, &lock->record);
    return true;
}

void operator_lock_take(struct step *step, const struct operator_request *request)
{
    bool is_program = request->verb == OPERATOR_HOLD;
    const struct lock_wish wish = {
        .call = request->call,
        .is_program = is_program,
        .tenant = request->object,
        .owner = operator_lock_owner(request),
        .actor = request->actor,
        .reason = request->reason,
        .id = is_program ? request->lock_id : "",
        .ttl_ms = request->lock_ttl_ms == 0 ? TENANT_HOLD_TTL_DEFAULT_MS : request->lock_ttl_ms,
    };
    struct error err;

    bool taken = is_program && request->lock_again
                     ? operator_lock_attach(step, request, &err)
                     : operator_lock_try(step, &wish, request->lock_wait_ms, &err);
    if (!taken) {
        emit_refuse(step, request->call, &err);
    }
}

/* ---- waiting ---- */

static void operator_lock_serve_one(struct step *step, struct lock_waiter *waiter)
{
    const char *name = NULL;
    struct shard *shard = NULL;
    struct error err;

    if (!operator_lock_place(step, &waiter->wish, &shard, &name, &err)) {
        emit_refuse(step, waiter->wish.call, &err);
        lock_wait_remove(step->fleet, waiter);
        return;
    }
    struct lock *lock = lock_table_find(shard, name);
    const struct tenant_task *task =
        lock == NULL ? operator_lock_unsettled(step, shard, name) : NULL;
    if (task == NULL && operator_lock_is_free(lock, &waiter->wish)) {
        operator_lock_grant(step, shard, lock, &waiter->wish);
        lock_wait_remove(step->fleet, waiter);
    } else if (step->now_ms >= waiter->until_ms) {
        char waited[DURATION_TEXT_BYTES];
        operator_lock_refuse(step, lock, task, &waiter->wish, &err);
        error_wrap(&err, "waited %s",
                   duration_format_whole(step->now_ms - waiter->asked_ms, waited));
        emit_refuse(step, waiter->wish.call, &err);
        lock_wait_remove(step->fleet, waiter);
    }
}

void operator_lock_serve(struct step *step)
{
    struct lock_waiter *next = NULL;

    for (struct lock_waiter *waiter = step->fleet->lock_waiters; waiter != NULL; waiter = next) {
        next = waiter->next;
        operator_lock_serve_one(step, waiter);
    }
}

/* ---- keeping ---- */

static struct lock *operator_lock_of_call(const struct fleet *fleet, uint64_t call)
{
    for (size_t i = 0; i < fleet->hold_count; i++) {
        if (fleet->holds[i]->call == call) {
            return fleet->holds[i];
        }
    }
    return NULL;
}

void operator_lock_on_stored(struct step *step, uint64_t call)
{
    struct lock *lock = operator_lock_of_call(step->fleet, call);

    if (lock != NULL) {
        lock->stored = true;
        lock->beat_due_ms = step->now_ms + HOLD_BEAT_INTERVAL_MS;
    }
}

void operator_lock_on_closed(struct step *step, uint64_t call)
{
    struct lock_waiter *waiter = lock_wait_find(step->fleet, call);
    struct lock *lock = operator_lock_of_call(step->fleet, call);

    if (waiter != NULL) {
        lock_wait_remove(step->fleet, waiter);
    }
    if (lock != NULL) {
        audit_add(step, lock->record.owner, "tenant.unlock", lock->record.tenant,
                  lock->record.reason, "%s", "its stream has ended");
        operator_lock_end(step, lock);
    }
}

static void operator_lock_beat(struct step *step, struct lock *lock)
{
    struct effect *beat = emit_done(step, lock->call, lock->record.tenant);

    beat->reply.lock = copy_lock(&step->effects->arena, &lock->record);
    beat->reply.lock_beat = true;
    lock->beat_due_ms = step->now_ms + HOLD_BEAT_INTERVAL_MS;
}

void operator_lock_on_tick(struct step *step)
{
    struct fleet *fleet = step->fleet;

    for (size_t i = fleet->hold_count; i > 0; i--) {
        struct lock *lock = fleet->holds[i - 1];
        bool program = lock_table_is_program(lock);
        bool over = program ? lock->call == 0 && lock->grace_until_ms <= step->now_ms
                            : lock->until_ms <= step->now_ms;
        if (over) {
            audit_add(step, lock->record.owner, "tenant.lock-expired", lock->record.tenant,
                      lock->record.reason, "%s",
                      program ? "its program did not come back after a fail-over" : "");
            operator_lock_end(step, lock);
        } else if (lock->call != 0 && lock->stored && lock->beat_due_ms <= step->now_ms) {
            operator_lock_beat(step, lock);
        }
    }
}

/* ---- unlocking ---- */

bool operator_lock_unlock(struct step *step, const struct operator_request *request,
                          struct error *err)
{
    struct lock *lock = operator_lock_find(step->fleet, request->object);
    const char *who = operator_lock_owner(request);

    if (lock == NULL) {
        return error_set(err, ERR_NOT_FOUND, "'%s' is not held by anybody", request->object);
    }
    if (!lock_table_is_hold(lock)) {
        return error_set(err, ERR_REFUSED,
                         "'%s' is locked by rollout %s, which gives it back by itself; pause or "
                         "abort the rollout (an agent that is gone loses its locks within %d s)",
                         request->object, lock->record.rollout, SESSION_LEASE_TTL_MS / 1000);
    }
    bool theirs = operator_lock_is_same_person(lock->record.owner, who);
    if (!theirs && !request->lock_force) {
        return error_set(err, ERR_REFUSED,
                         "'%s' is %s; ask them, or end it with --force and a --reason",
                         request->object, operator_lock_who(step, &lock->record));
    }
    if (!theirs && request->reason[0] == '\0') {
        return error_set(err, ERR_INVALID,
                         "to end somebody else's lock by force takes a reason, which the audit "
                         "events keep");
    }
    audit_add(step, request->actor, theirs ? "tenant.unlock" : "tenant.unlock-forced",
              request->object, request->reason, "by %s; %s", who,
              operator_lock_who(step, &lock->record));
    if (lock->call != 0) {
        struct error ended;
        error_set(&ended, ERR_CONFLICT, "%s ended the lock of '%s'%s%s", who, request->object,
                  request->reason[0] == '\0' ? "" : ": ", request->reason);
        emit_refuse(step, lock->call, &ended);
    }
    operator_lock_end(step, lock);
    return true;
}

void operator_lock_drop_shard(struct step *step, struct shard *shard)
{
    while (shard->locks != NULL) {
        struct lock *lock = shard->locks;
        if (lock->call != 0) {
            struct error err;
            error_set(&err, ERR_NOT_FOUND, "the shard of '%s' was forgotten", lock->record.tenant);
            emit_refuse(step, lock->call, &err);
        }
        lock_table_release(step, lock);
    }
}
