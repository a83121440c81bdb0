/* store_keys.h - where each record lives in the store.
 *
 * Pure. All keys begin with the --store-prefix. */
#ifndef SKEIN_COORDINATOR_STORE_STORE_KEYS_H
#define SKEIN_COORDINATOR_STORE_STORE_KEYS_H

#include <stdint.h>

#include "common/core/arena.h"
#include "coordinator/decide/effects.h"

/* PREFIX/leader */
const char *store_key_leader(struct arena *arena, const char *prefix);
/* PREFIX/writes: which write of the leader came last (flush.h) */
const char *store_key_writes(struct arena *arena, const char *prefix);
/* PREFIX/sets/SET/DIGEST/000000 */
const char *store_key_archive_chunk(struct arena *arena, const char *prefix, const char *set,
                                    const char *digest, uint32_t chunk);
/* PREFIX/sets/SET/DIGEST/ */
const char *store_key_archive(struct arena *arena, const char *prefix, const char *set,
                              const char *digest);
/* PREFIX/rollouts/ID/ */
const char *store_key_rollout(struct arena *arena, const char *prefix, const char *id);
/* The key of a PUT or DELETE effect (all but archives and whole rollouts, which are many keys). */
const char *store_key_of_effect(struct arena *arena, const char *prefix,
                                const struct effect *effect);

#endif
