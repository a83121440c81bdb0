#include "coordinator/store/load.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "coordinator/store/load_sets.h"

/* Growing lists while reading; they move into the arena at the end. */
struct load_list {
    void *items;
    size_t count;
    size_t capacity;
};

static void *load_list_add(struct load_list *list, size_t item_bytes)
{
    list->items = memory_reserve(list->items, list->count, &list->capacity, item_bytes);
    void *item = (char *)list->items + list->count++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

static void *load_list_take(struct load_list *list, struct arena *arena, size_t item_bytes)
{
    void *copy = arena_memdup(arena, list->items, list->count * item_bytes);

    free(list->items);
    list->items = NULL;
    return copy;
}

struct load {
    struct arena *arena;
    const _Atomic bool *stop;
    const char *prefix;
    struct load_list heads, rollouts, sessions, shards, locks, tokens, events;
    /* Of the rollout that is being read: keys are sorted, so its records come together. */
    struct load_list failures, warnings, progress;
    struct token_base token_base;
    int64_t last_write;
    const char *rollout_id;
    bool has_spec, has_state;
};

static void load_end_rollout(struct load *load)
{
    struct load_list *list = &load->rollouts;

    if (load->rollout_id == NULL) {
        return;
    }
    struct loaded_rollout *rollout = (struct loaded_rollout *)list->items + list->count - 1;
    rollout->failure_count = load->failures.count;
    rollout->failures = load_list_take(&load->failures, load->arena, sizeof(*rollout->failures));
    rollout->warning_count = load->warnings.count;
    rollout->warnings = load_list_take(&load->warnings, load->arena, sizeof(*rollout->warnings));
    rollout->shard_count = load->progress.count;
    rollout->shards = load_list_take(&load->progress, load->arena, sizeof(*rollout->shards));
    load->failures = load->warnings = load->progress = (struct load_list){ 0 };
    if (!load->has_spec || !load->has_state) {
        list->count--; /* a start that was never acknowledged: spec and state travel together */
    }
    load->rollout_id = NULL;
}

static struct loaded_rollout *load_rollout(struct load *load, const char *id, size_t id_bytes)
{
    if (load->rollout_id == NULL || strlen(load->rollout_id) != id_bytes ||
        memcmp(load->rollout_id, id, id_bytes) != 0) {
        load_end_rollout(load);
        load->rollout_id = arena_strndup(load->arena, id, id_bytes);
        load->has_spec = load->has_state = false;
        load_list_add(&load->rollouts, sizeof(struct loaded_rollout));
    }
    struct load_list *list = &load->rollouts;
    return (struct loaded_rollout *)list->items + list->count - 1;
}

/* `rest` is the key behind ".../rollouts/". */
static bool load_rollout_key(struct load *load, const char *rest, struct bytes value,
                             struct error *err)
{
    const char *slash = strchr(rest, '/');

    if (slash == NULL) {
        return true;
    }
    struct loaded_rollout *rollout = load_rollout(load, rest, (size_t)(slash - rest));
    const char *what = slash + 1;
    if (strcmp(what, "spec") == 0) {
        load->has_spec = true;
        return wire_decode_rollout_spec(value, load->arena, &rollout->spec, err);
    }
    if (strcmp(what, "state") == 0) {
        load->has_state = true;
        return wire_decode_rollout_state(value, load->arena, &rollout->state, err);
    }
    if (strcmp(what, "measures") == 0) {
        struct rollout_measures *measures = arena_alloc(load->arena, sizeof(*measures));
        rollout->measures = measures;
        return wire_decode_rollout_measures(value, load->arena, measures, err);
    }
    if (strncmp(what, "failures/", 9) == 0) {
        struct failure_record *failure = load_list_add(&load->failures, sizeof(*failure));
        return wire_decode_failure_record(value, load->arena, failure, err);
    }
    if (strncmp(what, "warnings/", 9) == 0) {
        struct loaded_warning *warning = load_list_add(&load->warnings, sizeof(*warning));
        warning->number = (uint32_t)strtoul(what + 9, NULL, 10);
        return wire_decode_failure_record(value, load->arena, &warning->record, err);
    }
    if (strncmp(what, "shards/", 7) == 0) {
        struct shard_progress *progress = load_list_add(&load->progress, sizeof(*progress));
        return wire_decode_shard_progress(value, load->arena, progress, err);
    }
    return true;
}

static bool load_set_key(struct load *load, const char *rest, struct bytes value, struct error *err)
{
    const char *slash = strchr(rest, '/');

    if (slash == NULL || strcmp(slash, "/head") != 0) {
        return true; /* chunks are read by set, later */
    }
    struct set_head *head = load_list_add(&load->heads, sizeof(*head));
    return wire_decode_set_head(value, load->arena, head, err);
}

static bool load_session_key(struct load *load, const char *rest, struct bytes value,
                             struct error *err)
{
    struct session_record *session = load_list_add(&load->sessions, sizeof(*session));

    (void)rest;
    return wire_decode_session_record(value, load->arena, session, err);
}

static bool load_shard_key(struct load *load, const char *rest, struct bytes value,
                           struct error *err)
{
    struct shard_record *shard = load_list_add(&load->shards, sizeof(*shard));

    (void)rest;
    return wire_decode_shard_record(value, load->arena, shard, err);
}

static bool load_lock_key(struct load *load, const char *rest, struct bytes value,
                          struct error *err)
{
    struct lock_record *lock = load_list_add(&load->locks, sizeof(*lock));

    (void)rest;
    return wire_decode_lock_record(value, load->arena, lock, err);
}

static bool load_event_key(struct load *load, const char *rest, struct bytes value,
                           struct error *err)
{
    struct audit_event *event = load_list_add(&load->events, sizeof(*event));

    (void)rest;
    return wire_decode_audit_event(value, load->arena, event, err);
}

static bool load_token_key(struct load *load, const char *rest, struct bytes value,
                           struct error *err)
{
    (void)rest;
    return wire_decode_token_base(value, load->arena, &load->token_base, err);
}

/* Only its revision matters. */
static bool load_writes_key(struct load *load, const char *rest, struct bytes value,
                            struct error *err)
{
    (void)load;
    (void)rest;
    (void)value;
    (void)err;
    return true;
}

static const struct load_folder {
    const char *name;
    bool (*read)(struct load *load, const char *rest, struct bytes value, struct error *err);
} load_folders[] = {
    { "/rollouts/", load_rollout_key }, { "/sessions/", load_session_key },
    { "/shards/", load_shard_key },     { "/locks/", load_lock_key },
    { "/events/", load_event_key },     { "/tokens", load_token_key },
    { "/writes", load_writes_key },
};

/* When the rollout that is being read was started, if this is its spec. */
static void load_note_spec(struct load *load, const struct store_kv *kv, const char *path)
{
    struct loaded_rollout *rollout =
        (struct loaded_rollout *)load->rollouts.items + load->rollouts.count - 1;
    const char *what = strchr(kv->key + strlen(path), '/');

    if (what != NULL && strcmp(what, "/spec") == 0) {
        rollout->revision = (uint64_t)kv->create_revision;
    }
}

static bool load_folder(struct load *load, struct store *store, const struct load_folder *folder,
                        struct error *err)
{
    CLEANUP(store_kv_list_release) struct store_kv_list list = { 0 };
    const char *path = arena_printf(load->arena, "%s%s", load->prefix, folder->name);

    if (!store_range_wait(store, path, &list, err)) {
        return error_wrap(err, "read %s", path);
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct store_kv *kv = &list.kvs[i];
        if (!folder->read(load, kv->key + strlen(path), kv->value, err)) {
            return error_wrap(err, "the store's key %s holds what skein did not write", kv->key);
        }
        if (folder->read == load_lock_key) {
            uint64_t *token = load_list_add(&load->tokens, sizeof(*token));
            *token = (uint64_t)kv->mod_revision;
        }
        if (folder->read == load_rollout_key && load->has_spec && load->rollouts.count > 0) {
            load_note_spec(load, kv, path);
        }
        if (folder->read == load_writes_key) {
            load->last_write = kv->mod_revision;
        }
    }
    load_end_rollout(load);
    return true;
}

/* Heads are looked up one by one, because the folder also holds the archives, which are large. */
static bool load_heads(struct load *load, struct store *store, struct error *err)
{
    const char *path = arena_printf(load->arena, "%s/sets/", load->prefix);
    CLEANUP(store_kv_list_release) struct store_kv_list heads = { 0 };

    if (!load_set_heads(store, path, load->stop, &heads, err)) {
        return error_wrap(err, "read %s", path);
    }
    for (size_t i = 0; i < heads.count; i++) {
        const struct store_kv *kv = &heads.kvs[i];
        if (!load_set_key(load, kv->key + strlen(path), kv->value, err)) {
            return error_wrap(err, "the store's key %s holds what skein did not write", kv->key);
        }
    }
    return true;
}

static void load_free_lists(struct load *load)
{
    struct load_list *lists[] = { &load->heads,   &load->rollouts, &load->sessions,
                                  &load->shards,  &load->locks,    &load->tokens,
                                  &load->events,  &load->failures, &load->warnings,
                                  &load->progress };

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        free(lists[i]->items);
    }
}

static void load_give(struct load *load, struct loaded *loaded)
{
    struct arena *arena = load->arena;

    loaded->token_base = load->token_base;
    loaded->last_write = load->last_write;
    loaded->head_count = load->heads.count;
    loaded->heads = load_list_take(&load->heads, arena, sizeof(*loaded->heads));
    loaded->rollout_count = load->rollouts.count;
    loaded->rollouts = load_list_take(&load->rollouts, arena, sizeof(*loaded->rollouts));
    loaded->session_count = load->sessions.count;
    loaded->sessions = load_list_take(&load->sessions, arena, sizeof(*loaded->sessions));
    loaded->shard_count = load->shards.count;
    loaded->shards = load_list_take(&load->shards, arena, sizeof(*loaded->shards));
    loaded->lock_count = load->locks.count;
    loaded->locks = load_list_take(&load->locks, arena, sizeof(*loaded->locks));
    loaded->lock_tokens = load_list_take(&load->tokens, arena, sizeof(*loaded->lock_tokens));
    loaded->event_count = load->events.count;
    loaded->events = load_list_take(&load->events, arena, sizeof(*loaded->events));
}

bool load_all(struct store *store, const char *prefix, struct arena *arena, struct loaded *loaded,
              const _Atomic bool *stop, struct error *err)
{
    struct load load = { .arena = arena, .stop = stop, .prefix = prefix };
    bool good = load_heads(&load, store, err);

    for (size_t i = 0; good && i < COUNT_OF(load_folders); i++) {
        good = load_may_go_on(stop, err) && load_folder(&load, store, &load_folders[i], err);
    }
    if (good) {
        load_give(&load, loaded);
        good = load_needed_sets(store, prefix, arena, stop, loaded, err);
    }
    load_free_lists(&load);
    return good;
}

void load_release_sets(struct loaded *loaded)
{
    for (size_t i = 0; i < loaded->set_count; i++) {
        if (loaded->sets[i] != NULL) {
            set_release(loaded->sets[i]);
            free(loaded->sets[i]);
            loaded->sets[i] = NULL;
        }
    }
    loaded->set_count = 0;
}
