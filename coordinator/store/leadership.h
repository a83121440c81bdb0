/* leadership.h - holds, or waits for, the leader key.
 *
 * Owned by the brain thread; the store answers through the mailbox. The key is bound to a lease of
 * LEADER_LEASE_TTL_MS that is kept alive every third of it. A leader that has had no answer for a
 * TTL, counted from when it *sent* the last answered keep-alive, steps down by its own clock,
 * before the store can give the key to another. The term is the key's create revision. Who stands
 * by watches the key, and polls it in case the watch is not there. A lease that is not wanted any
 * more is revoked until the store says that it is gone. */
#ifndef SKEIN_COORDINATOR_STORE_LEADERSHIP_H
#define SKEIN_COORDINATOR_STORE_LEADERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/mailbox.h"
#include "common/store/store.h"
#include "coordinator/decide/event.h"
#include "coordinator/decide/leader.h"

struct leadership;

struct leadership_hooks {
    /* The key is ours: load the store, then begin. */
    void (*won)(void *context, uint64_t term);
    /* It is not ours any more. */
    void (*lost)(void *context, const char *why);
    /* Somebody else's address, or "" while nobody leads. */
    void (*leader_known)(void *context, const char *address);
    void *context;
};

struct leadership *leadership_new(struct store *store, struct mailbox *inbox, const char *prefix,
                                  const char *address, const struct leadership_hooks *hooks);
void leadership_free(struct leadership **pointer);

void leadership_on_answer(struct leadership *leadership, const struct event *event,
                          uint64_t now_ms);
void leadership_on_tick(struct leadership *leadership, uint64_t now_ms);
/* Everything was loaded: the state becomes LEADING. */
void leadership_on_loaded(struct leadership *leadership);
/* A write met another leader's key, or loading failed. */
void leadership_step_down(struct leadership *leadership, const char *why);
/* Gives the key back at once and takes it never again; `lost` is not called. Answers are still
 * wanted: they tell `leader_known` who leads next. */
void leadership_resign(struct leadership *leadership, uint64_t now_ms);
/* True when the store has said that nothing of ours is left there. */
bool leadership_is_given_back(const struct leadership *leadership);

uint64_t leadership_next_ms(const struct leadership *leadership);
enum leader_state leadership_state(const struct leadership *leadership);
/* "" or one sentence: why it is not known who leads. */
const char *leadership_trouble(const struct leadership *leadership);
/* True when the store has not answered about the leader's lease for so long that it may end. */
bool leadership_is_stuck(const struct leadership *leadership, uint64_t now_ms);
int64_t leadership_lease(const struct leadership *leadership); /* 0 while we hold none */

#endif
