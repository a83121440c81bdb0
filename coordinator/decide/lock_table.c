#include "coordinator/decide/lock_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/decide/emit.h"
#include "coordinator/decide/registry.h"
#include "coordinator/decide/rollout.h"

bool lock_table_is_hold(const struct lock *lock)
{
    return lock->record.rollout[0] == '\0';
}

bool lock_table_is_program(const struct lock *lock)
{
    return lock->record.id[0] != '\0';
}

struct lock *lock_table_find(const struct shard *shard, const char *name)
{
    struct lock *lock;

    HASH_FIND_STR(shard->locks, name, lock);
    return lock;
}

struct lock *lock_table_add(struct step *step, struct shard *shard,
                            const struct lock_record *record)
{
    struct fleet *fleet = step->fleet;
    struct lock *lock = memory_alloc(sizeof(*lock));
    size_t shard_bytes = strlen(shard->name);

    assert(strncmp(record->tenant, shard->name, shard_bytes) == 0);
    assert(record->tenant[shard_bytes] == '/');
    lock->record = *record;
    lock->record.tenant = memory_strdup(record->tenant);
    lock->record.owner = memory_strdup(record->owner);
    lock->record.reason = memory_strdup(record->reason);
    lock->record.rollout = memory_strdup(record->rollout);
    lock->record.id = memory_strdup(record->id);
    lock->name = lock->record.tenant + shard_bytes + 1;
    lock->shard = shard;
    assert(lock_table_find(shard, lock->name) == NULL);
    HASH_ADD_KEYPTR(hh, shard->locks, lock->name, strlen(lock->name), lock);
    if (lock_table_is_hold(lock)) {
        int64_t left_ms = record->expires_at_ms - step->wall_ms;
        lock->until_ms = step->now_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
        fleet->holds = memory_reserve(fleet->holds, fleet->hold_count, &fleet->hold_capacity,
                                      sizeof(struct lock *));
        fleet->holds[fleet->hold_count++] = lock;
        return lock;
    }
    fleet->rollout_lock_count++;
    lock->rollout = rollout_find(fleet, record->rollout);
    if (lock->rollout != NULL) {
        lock->rollout->lock_count++;
    }
    return lock;
}

void lock_table_drop(struct fleet *fleet, struct lock *lock)
{
    if (lock_table_is_hold(lock)) {
        size_t kept = 0;
        for (size_t i = 0; i < fleet->hold_count; i++) {
            if (fleet->holds[i] != lock) {
                fleet->holds[kept++] = fleet->holds[i];
            }
        }
        assert(kept + 1 == fleet->hold_count);
        fleet->hold_count = kept;
    } else {
        assert(fleet->rollout_lock_count > 0);
        fleet->rollout_lock_count--;
        if (lock->rollout != NULL) {
            assert(lock->rollout->lock_count > 0);
            lock->rollout->lock_count--;
        }
    }
    HASH_DEL(lock->shard->locks, lock);
    char *texts[] = { (char *)(uintptr_t)lock->record.tenant, (char *)(uintptr_t)lock->record.owner,
                      (char *)(uintptr_t)lock->record.reason,
                      (char *)(uintptr_t)lock->record.rollout, (char *)(uintptr_t)lock->record.id };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free(texts[i]);
    }
    free(lock);
}

void lock_table_release(struct step *step, struct lock *lock)
{
    emit_delete(step, RECORD_LOCK, "", lock->record.tenant);
    lock_table_drop(step->fleet, lock);
}

void lock_table_drop_shard(struct fleet *fleet, struct shard *shard)
{
    while (shard->locks != NULL) {
        lock_table_drop(fleet, shard->locks);
    }
}

bool lock_table_has_lease(const struct shard *shard, int64_t lease_id)
{
    for (const struct lock *lock = shard->locks; lock != NULL; lock = lock->hh.next) {
        if (lock->record.lease_id == lease_id) {
            return true;
        }
    }
    return false;
}
