#include "coordinator/store/store_keys.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

const char *store_key_leader(struct arena *arena, const char *prefix)
{
    return arena_printf(arena, "%s/leader", prefix);
}

const char *store_key_writes(struct arena *arena, const char *prefix)
{
    return arena_printf(arena, "%s/writes", prefix);
}

const char *store_key_archive(struct arena *arena, const char *prefix, const char *set,
                              const char *digest)
{
    return arena_printf(arena, "%s/sets/%s/%s/", prefix, set, digest);
}

const char *store_key_archive_chunk(struct arena *arena, const char *prefix, const char *set,
                                    const char *digest, uint32_t chunk)
{
    return arena_printf(arena, "%s/sets/%s/%s/%06" PRIu32, prefix, set, digest, chunk);
}

const char *store_key_rollout(struct arena *arena, const char *prefix, const char *id)
{
    return arena_printf(arena, "%s/rollouts/%s/", prefix, id);
}

const char *store_key_of_effect(struct arena *arena, const char *prefix,
                                const struct effect *effect)
{
    switch (effect->record) {
    case RECORD_ROLLOUT_SPEC:
        return arena_printf(arena, "%s/rollouts/%s/spec", prefix, effect->id);
    case RECORD_ROLLOUT_STATE:
        return arena_printf(arena, "%s/rollouts/%s/state", prefix, effect->id);
    case RECORD_SHARD_PROGRESS:
        return arena_printf(arena, "%s/rollouts/%s/shards/%s", prefix, effect->id, effect->key);
    case RECORD_MEASURES:
        return arena_printf(arena, "%s/rollouts/%s/measures", prefix, effect->id);
    case RECORD_FAILURE:
        return arena_printf(arena, "%s/rollouts/%s/failures/%s", prefix, effect->id, effect->key);
    case RECORD_WARNING:
        return arena_printf(arena, "%s/rollouts/%s/warnings/%s", prefix, effect->id, effect->key);
    case RECORD_SESSION:
        return arena_printf(arena, "%s/sessions/%s", prefix, effect->key);
    case RECORD_SHARD:
        return arena_printf(arena, "%s/shards/%s", prefix, effect->key);
    case RECORD_LOCK:
        return arena_printf(arena, "%s/locks/%s", prefix, effect->key);
    case RECORD_TOKEN_BASE:
        return arena_printf(arena, "%s/tokens", prefix);
    case RECORD_SET_HEAD:
        return arena_printf(arena, "%s/sets/%s/head", prefix, effect->key);
    case RECORD_EVENT:
        /* The decisions give each event a millisecond of its own; zeros keep the keys in order. */
        return arena_printf(arena, "%s/events/%016" PRId64, prefix, effect->event.at_ms);
    case RECORD_SET_ARCHIVE:
    case RECORD_ROLLOUT:
    case RECORD_KIND_COUNT:
        break;
    }
    assert(false && "a record of many keys");
    return NULL;
}
