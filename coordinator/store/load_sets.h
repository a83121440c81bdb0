/* load_sets.h - reads published sets from the store: their heads, and the sets that are needed.
 *
 * Blocks on the store; used by the loader's thread. */
#ifndef SKEIN_COORDINATOR_STORE_LOAD_SETS_H
#define SKEIN_COORDINATOR_STORE_LOAD_SETS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/store/store.h"
#include "coordinator/decide/event.h"

/* The keys PATH<set>/head, without reading the archives that lie beside them. */
MUST_CHECK bool load_set_heads(struct store *store, const char *path, const _Atomic bool *stop,
                               struct store_kv_list *ret_heads, struct error *err);

/* Every set that a head or an unfinished rollout of `loaded` names, parsed, into loaded->sets. */
MUST_CHECK bool load_needed_sets(struct store *store, const char *prefix, struct arena *arena,
                                 const _Atomic bool *stop, struct loaded *loaded,
                                 struct error *err);

/* False, with an error, when *stop has become true. */
MUST_CHECK bool load_may_go_on(const _Atomic bool *stop, struct error *err);

#endif
