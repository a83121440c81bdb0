#include "tests/sim/sim_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "common/core/memory.h"
#include "coordinator/decide/copy.h"
#include "tests/sim/sim_set.h"

struct sim_record {
    char *name; /* kind, id and key */
    uint64_t revision;
    struct arena arena;
    struct effect effect; /* texts in the arena */
    UT_hash_handle hh;
};

static void sim_record_free(struct sim_store *store, struct sim_record *record)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not followed through the table */
    HASH_DEL(store->records, record);
    arena_release(&record->arena);
    free(record->name);
    free(record);
}

void sim_store_release(struct sim_store *store)
{
    struct sim_record *record;
    struct sim_record *next;

    HASH_ITER(hh, store->records, record, next)
    {
        sim_record_free(store, record);
    }
    *store = (struct sim_store){ 0 };
}

static char *sim_store_name(enum record_kind kind, const char *id, const char *key)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    return memory_strdup(arena_printf(&arena, "%d|%s|%s", (int)kind, id, key));
}

static char *sim_store_name_of(const struct effect *effect)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    if (effect->record == RECORD_EVENT) {
        return sim_store_name(RECORD_EVENT, "",
                              arena_printf(&arena, "%020lld", (long long)effect->event.at_ms));
    }
    return sim_store_name(effect->record, effect->id, effect->key);
}

static struct sim_record *sim_store_get(const struct sim_store *store, const char *name)
{
    struct sim_record *record;

    HASH_FIND_STR(store->records, name, record);
    return record;
}

static void sim_record_copy(struct sim_record *record, const struct effect *effect)
{
    struct arena *arena = &record->arena;
    struct effect *copy = &record->effect;

    *copy = *effect;
    copy->id = copy_text(arena, effect->id);
    copy->key = copy_text(arena, effect->key);
    switch (effect->record) {
    case RECORD_ROLLOUT_SPEC:
        copy->spec = copy_spec(arena, &effect->spec);
        break;
    case RECORD_ROLLOUT_STATE:
        copy->state.phase_reason = copy_text(arena, effect->state.phase_reason);
        copy->state.changed_by = copy_text(arena, effect->state.changed_by);
        break;
    case RECORD_SHARD_PROGRESS:
        copy->progress.shard = copy_text(arena, effect->progress.shard);
        break;
    case RECORD_MEASURES:
        copy->measures = copy_measures(arena, &effect->measures);
        break;
    case RECORD_FAILURE:
    case RECORD_WARNING:
        copy->failure.error = copy_error(arena, &effect->failure.error);
        break;
    case RECORD_SESSION:
        copy->session = copy_session(arena, &effect->session);
        break;
    case RECORD_SHARD:
        copy->shard = copy_shard(arena, &effect->shard);
        break;
    case RECORD_LOCK:
        copy->lock = copy_lock(arena, &effect->lock);
        break;
    case RECORD_SET_HEAD:
        copy->head = copy_head(arena, &effect->head);
        break;
    case RECORD_SET_ARCHIVE:
        copy->archive = (struct bytes){ 0 };
        break;
    case RECORD_EVENT:
        copy->event = copy_event(arena, &effect->event);
        break;
    case RECORD_TOKEN_BASE:
        break; /* a number */
    case RECORD_ROLLOUT:
    case RECORD_KIND_COUNT:
        abort(); /* never written as such */
    }
}

static void sim_store_delete_rollout(struct sim_store *store, const char *id)
{
    struct sim_record *record;
    struct sim_record *next;

    HASH_ITER(hh, store->records, record, next)
    {
        enum record_kind kind = record->effect.record;
        if (kind <= RECORD_WARNING && strcmp(record->effect.id, id) == 0) {
            sim_record_free(store, record);
        }
    }
}

static void sim_store_write(struct sim_store *store, const struct effect *effect)
{
    if (effect->record == RECORD_ROLLOUT) {
        assert(effect->kind == EFFECT_DELETE);
        sim_store_delete_rollout(store, effect->id);
        return;
    }
    CLEANUP(memory_free) char *name = sim_store_name_of(effect);
    struct sim_record *record = sim_store_get(store, name);
    if (record != NULL) {
        sim_record_free(store, record);
    }
    if (effect->kind == EFFECT_PUT) {
        record = memory_alloc(sizeof(*record));
        record->name = memory_strdup(name);
        record->revision = store->revision;
        sim_record_copy(record, effect);
        HASH_ADD_KEYPTR(hh, store->records, record->name, strlen(record->name), record);
    }
}

void sim_store_apply(struct sim_store *store, const struct effect *const *writes, size_t count,
                     bool (*is_dead)(void *user, int64_t lease_id), void *user)
{
    store->revision++;
    for (size_t i = 0; i < count; i++) {
        const struct effect *effect = writes[i];
        assert(effect->kind == EFFECT_PUT || effect->kind == EFFECT_DELETE);
        if (effect->lease_id == 0 || !is_dead(user, effect->lease_id)) {
            sim_store_write(store, effect);
        }
    }
}

void sim_store_drop_lease(struct sim_store *store, int64_t lease_id)
{
    struct sim_record *record;
    struct sim_record *next;

    HASH_ITER(hh, store->records, record, next)
    {
        if (record->effect.lease_id == lease_id) {
            sim_record_free(store, record);
        }
    }
}

size_t sim_store_count(const struct sim_store *store, enum record_kind kind)
{
    size_t count = 0;

    for (const struct sim_record *record = store->records; record != NULL;
         record = record->hh.next) {
        count += record->effect.record == kind;
    }
    return count;
}

const struct effect *sim_store_find(const struct sim_store *store, enum record_kind kind,
                                    const char *id, const char *key)
{
    CLEANUP(memory_free) char *name = sim_store_name(kind, id, key);
    const struct sim_record *record = sim_store_get(store, name);

    return record == NULL ? NULL : &record->effect;
}

/* ---- loading ---- */

/* Every record of one kind, copied into the event's arena, in the order of their keys. */
static const struct sim_record **sim_store_of_kind(const struct sim_store *store,
                                                   enum record_kind kind, const char *id,
                                                   struct arena *arena, size_t *ret_count)
{
    const struct sim_record **list =
        arena_alloc_array(arena, sim_store_count(store, kind) + 1, sizeof(struct sim_record *));
    size_t count = 0;

    for (const struct sim_record *record = store->records; record != NULL;
         record = record->hh.next) {
        if (record->effect.record != kind || (id != NULL && strcmp(record->effect.id, id) != 0)) {
            continue;
        }
        size_t place = count++;
        while (place > 0 && strcmp(list[place - 1]->name, record->name) > 0) {
            list[place] = list[place - 1];
            place--;
        }
        list[place] = record;
    }
    *ret_count = count;
    return list;
}

static void sim_store_load_rollout(const struct sim_store *store, const struct sim_record *spec,
                                   struct arena *arena, struct loaded_rollout *rollout)
{
    const char *id = spec->effect.spec.id;
    size_t count;

    rollout->spec = copy_spec(arena, &spec->effect.spec);
    rollout->state.phase_reason = "";
    rollout->state.changed_by = "";
    const struct effect *state = sim_store_find(store, RECORD_ROLLOUT_STATE, id, "");
    if (state != NULL) {
        rollout->state = state->state;
        rollout->state.phase_reason = copy_text(arena, state->state.phase_reason);
        rollout->state.changed_by = copy_text(arena, state->state.changed_by);
    }
    const struct sim_record **found =
        sim_store_of_kind(store, RECORD_SHARD_PROGRESS, id, arena, &count);
    struct shard_progress *shards = arena_alloc_array(arena, count, sizeof(*shards));
    for (size_t i = 0; i < count; i++) {
        shards[i] = found[i]->effect.progress;
        shards[i].shard = copy_text(arena, shards[i].shard);
    }
    rollout->shards = shards;
    rollout->shard_count = count;
    const struct effect *measures = sim_store_find(store, RECORD_MEASURES, id, "");
    if (measures != NULL) {
        struct rollout_measures *copy = arena_alloc(arena, sizeof(*copy));
        *copy = copy_measures(arena, &measures->measures);
        rollout->measures = copy;
    }
    found = sim_store_of_kind(store, RECORD_FAILURE, id, arena, &count);
    struct failure_record *failures = arena_alloc_array(arena, count, sizeof(*failures));
    for (size_t i = 0; i < count; i++) {
        failures[i] = found[i]->effect.failure;
        failures[i].error = copy_error(arena, &failures[i].error);
    }
    rollout->failures = failures;
    rollout->failure_count = count;
    found = sim_store_of_kind(store, RECORD_WARNING, id, arena, &count);
    struct loaded_warning *warnings = arena_alloc_array(arena, count, sizeof(*warnings));
    for (size_t i = 0; i < count; i++) {
        warnings[i].number = (uint32_t)strtoul(found[i]->effect.key, NULL, 10);
        warnings[i].record = found[i]->effect.failure;
        warnings[i].record.error = copy_error(arena, &warnings[i].record.error);
    }
    rollout->warnings = warnings;
    rollout->warning_count = count;
}

static void sim_store_load_set(struct loaded *loaded, const char *digest)
{
    for (size_t i = 0; i < loaded->set_count; i++) {
        if (strcmp(loaded->sets[i]->digest, digest) == 0) {
            return;
        }
    }
    struct set *set = sim_set_of_digest(digest);
    assert(set != NULL);
    loaded->sets[loaded->set_count++] = set;
}

static void sim_store_load_sets(const struct sim_store *store, struct event *event)
{
    struct loaded *loaded = &event->loaded;
    struct arena *arena = &event->arena;
    size_t count;
    const struct sim_record **found =
        sim_store_of_kind(store, RECORD_SET_HEAD, NULL, arena, &count);
    struct set_head *heads = arena_alloc_array(arena, count, sizeof(*heads));

    loaded->sets = arena_alloc_array(arena, count + loaded->rollout_count, sizeof(struct set *));
    for (size_t i = 0; i < count; i++) {
        heads[i] = copy_head(arena, &found[i]->effect.head);
        sim_store_load_set(loaded, heads[i].digest);
    }
    loaded->heads = heads;
    loaded->head_count = count;
    for (size_t i = 0; i < loaded->rollout_count; i++) {
        if (!rollout_phase_is_final(loaded->rollouts[i].state.phase)) {
            sim_store_load_set(loaded, loaded->rollouts[i].spec.digest);
        }
    }
}

static void sim_store_load_locks(const struct sim_store *store, struct event *event)
{
    struct arena *arena = &event->arena;
    size_t count;
    const struct sim_record **found = sim_store_of_kind(store, RECORD_LOCK, NULL, arena, &count);
    struct lock_record *locks = arena_alloc_array(arena, count, sizeof(*locks));
    uint64_t *tokens = arena_alloc_array(arena, count, sizeof(*tokens));

    for (size_t i = 0; i < count; i++) {
        locks[i] = copy_lock(arena, &found[i]->effect.lock);
        tokens[i] = found[i]->revision;
    }
    event->loaded.locks = locks;
    event->loaded.lock_tokens = tokens;
    event->loaded.lock_count = count;
}

struct event *sim_store_load(const struct sim_store *store, uint64_t term)
{
    struct event *event = event_new(EVENT_LEADING);
    struct arena *arena = &event->arena;
    struct loaded *loaded = &event->loaded;
    size_t count;

    loaded->term = term;
    const struct sim_record **found =
        sim_store_of_kind(store, RECORD_TOKEN_BASE, NULL, arena, &count);
    if (count > 0) {
        loaded->token_base = found[0]->effect.token_base;
    }
    found = sim_store_of_kind(store, RECORD_ROLLOUT_SPEC, NULL, arena, &count);
    struct loaded_rollout *rollouts = arena_alloc_array(arena, count, sizeof(*rollouts));
    for (size_t i = 0; i < count; i++) {
        sim_store_load_rollout(store, found[i], arena, &rollouts[i]);
    }
    loaded->rollouts = rollouts;
    loaded->rollout_count = count;
    sim_store_load_sets(store, event);
    found = sim_store_of_kind(store, RECORD_SESSION, NULL, arena, &count);
    struct session_record *sessions = arena_alloc_array(arena, count, sizeof(*sessions));
    for (size_t i = 0; i < count; i++) {
        sessions[i] = copy_session(arena, &found[i]->effect.session);
    }
    loaded->sessions = sessions;
    loaded->session_count = count;
    found = sim_store_of_kind(store, RECORD_SHARD, NULL, arena, &count);
    struct shard_record *shards = arena_alloc_array(arena, count, sizeof(*shards));
    for (size_t i = 0; i < count; i++) {
        shards[i] = copy_shard(arena, &found[i]->effect.shard);
    }
    loaded->shards = shards;
    loaded->shard_count = count;
    sim_store_load_locks(store, event);
    found = sim_store_of_kind(store, RECORD_EVENT, NULL, arena, &count);
    struct audit_event *events = arena_alloc_array(arena, count, sizeof(*events));
    for (size_t i = 0; i < count; i++) {
        events[i] = copy_event(arena, &found[i]->effect.event);
    }
    loaded->events = events;
    loaded->event_count = count;
    return event;
}
