/* flush.h - carries effects out: store first, then everything else, in order.
 *
 * Owned by the brain thread; the store answers through the mailbox. One transaction is under way at
 * a time; what is decided meanwhile travels together in the next one, so the busier the
 * coordinator, the fewer writes a task costs. Each transaction compares the leader key, so a
 * coordinator that no longer leads writes nothing.
 *
 * A transaction whose answer was lost is sent again as it is. But the first try may still be on its
 * way, and come after what is written next: then it would bring back the past. So the writes are a
 * chain: each transaction also compares the mod revision of the key PREFIX/writes with what the one
 * before has left, and puts that key. Of all tries of one transaction one takes effect, and if the
 * others are refused, that key tells which revision it was. */
#ifndef SKEIN_COORDINATOR_STORE_FLUSH_H
#define SKEIN_COORDINATOR_STORE_FLUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/mailbox.h"
#include "common/core/metrics.h"
#include "common/store/store.h"
#include "coordinator/decide/effects.h"
#include "coordinator/decide/event.h"

struct flush;

struct flush_hooks {
    /* An effect whose turn has come: SEND, CLOSE, REPLY; and AFTER_STORED with `revision`. */
    void (*perform)(void *context, const struct effect *effect, uint64_t revision);
    /* A lease that a write was bound to is gone. */
    void (*lease_gone)(void *context, int64_t lease_id);
    /* The leader key is not ours any more. */
    void (*deposed)(void *context);
    void *context;
};

struct flush *flush_new(struct store *store, struct mailbox *inbox, const char *prefix,
                        struct metrics *metrics, const struct flush_hooks *hooks);
void flush_free(struct flush **pointer);

/* From now on writes compare this. `term` 0: we do not lead; everything queued is forgotten. */
void flush_set_term(struct flush *flush, uint64_t term);

/* The mod revision of PREFIX/writes as it was found after the term began; 0: there is none. Before
 * the first effect. */
void flush_set_last_write(struct flush *flush, int64_t revision);

/* Takes the effects over (they are empty afterwards) and starts what can start. The hooks may be
 * called from inside. */
void flush_add(struct flush *flush, struct effects *effects, uint64_t now_ms);
/* EVENT_STORE_ANSWER of kind FLUSH, LAST_WRITE and PROBE. */
void flush_on_answer(struct flush *flush, const struct event *event, uint64_t now_ms);
/* Sends a transaction again whose time has come. */
void flush_on_tick(struct flush *flush, uint64_t now_ms);

bool flush_is_idle(const struct flush *flush);
/* "" or one sentence: what is wrong with the store. */
const char *flush_trouble(const struct flush *flush);
/* True when writes have failed for so long that nobody should be let wait for one. */
bool flush_is_stuck(const struct flush *flush, uint64_t now_ms);
/* How many effects wait. */
size_t flush_backlog(const struct flush *flush);

#endif
