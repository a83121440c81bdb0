/* etcd_watch.h - one watch: a stream on a connection of its own that is renewed whenever it breaks
 * or falls silent, so that its handler sees each event once.
 *
 * Used on the store's thread. */
#ifndef SKEIN_COMMON_STORE_ETCD_WATCH_H
#define SKEIN_COMMON_STORE_ETCD_WATCH_H

#include "common/store/etcd_http.h"
#include "common/store/etcd_login.h"
#include "common/store/store_backend.h"

struct etcd_watch;

struct etcd_watch *etcd_watch_new(struct etcd_http *http, struct etcd_login *login,
                                  const struct store_watch *watch);
void etcd_watch_free(struct etcd_watch **pointer); /* cancels */

/* Connects, or gives up a silent connection, when it is time. Returns when to call again. */
uint64_t etcd_watch_tick(struct etcd_watch *self, uint64_t now_ms);

#endif
