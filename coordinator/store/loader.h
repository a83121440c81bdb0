/* loader.h - loads the store on a thread of its own when leadership begins.
 *
 * The thread blocks on the store, tries again until it has everything or is stopped, and posts one
 * EVENT_LEADING. */
#ifndef SKEIN_COORDINATOR_STORE_LOADER_H
#define SKEIN_COORDINATOR_STORE_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/mailbox.h"
#include "common/store/store.h"

struct loader;

struct loader *loader_start(struct store *store, struct mailbox *inbox, const char *prefix,
                            uint64_t term);
/* Returns at once; the thread ends after the store's next answer. It may have posted by then. */
void loader_ask_stop(struct loader *loader);
/* True when loader_stop will not wait. */
bool loader_is_over(struct loader *loader);
/* Joins, which may take as long as a request to the store; nothing is posted afterwards. */
void loader_stop(struct loader **pointer);
/* Copies "" or what stands in the way; any thread. */
void loader_trouble(struct loader *loader, char ret_text[256]);

#endif
