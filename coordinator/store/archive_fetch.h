/* archive_fetch.h - a published set's archive, gathered from its chunks without blocking.
 *
 * Any thread; `done` is called once, on the store's thread. */
#ifndef SKEIN_COORDINATOR_STORE_ARCHIVE_FETCH_H
#define SKEIN_COORDINATOR_STORE_ARCHIVE_FETCH_H

#include "common/core/buf.h"
#include "common/store/store.h"

/* `archive` is borrowed for the call. ERR_NOT_FOUND when nothing is stored there. */
typedef void archive_fetched(void *user, struct bytes archive, const struct error *err);

void archive_fetch(struct store *store, const char *prefix, const char *set, const char *digest,
                   archive_fetched *done, void *user);

#endif
