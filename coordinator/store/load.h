/* load.h - reads everything a new leader must know from the store.
 *
 * Blocks on the store; used by the loader's thread and by tests. */
#ifndef SKEIN_COORDINATOR_STORE_LOAD_H
#define SKEIN_COORDINATOR_STORE_LOAD_H

#include <stdatomic.h>

#include "common/store/store.h"
#include "coordinator/decide/event.h"

/* Fills `loaded` from the store, texts in `arena`. A value that skein did not write is ERR_INVALID
 * and names its key. Gives up between two requests when *stop has become true. */
MUST_CHECK bool load_all(struct store *store, const char *prefix, struct arena *arena,
                         struct loaded *loaded, const _Atomic bool *stop, struct error *err);
/* Sets that nobody took over. */
void load_release_sets(struct loaded *loaded);

#endif
