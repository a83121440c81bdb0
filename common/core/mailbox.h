/* mailbox.h - the one way into a brain thread: a bounded queue of messages.
 *
 * Thread-safe: any thread posts, one thread takes. A message is any object; the mailbox owns it
 * between post and take. Producers that may wait use mailbox_post, which blocks while the mailbox
 * is full (back-pressure); those that may not (the rpc loop) use mailbox_try_post and refuse the
 * peer, or read no more of it. */
#ifndef SKEIN_COMMON_CORE_MAILBOX_H
#define SKEIN_COMMON_CORE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"

struct mailbox;

/* `capacity` messages at most; `discard` frees a message that is never taken. */
struct mailbox *mailbox_new(size_t capacity, void (*discard)(void *message));
/* Bounds it in bytes too: `measure` tells a message's, which must not change while it waits. While
 * the bound is not reached one more is taken, whatever its size, so that a large one never waits
 * for ever; what is posted with the reserve counts and is always taken. Before the first post. */
void mailbox_bound_bytes(struct mailbox *mailbox, size_t bytes_max,
                         size_t (*measure)(const void *message));
/* Discards what is left. Nobody may use the mailbox any more. */
void mailbox_free(struct mailbox **pointer);

/* Takes ownership of `message` in every case. After mailbox_close it is discarded. */
void mailbox_post(struct mailbox *mailbox, void *message);
/* False (and the message stays the caller's) when the mailbox is full or closed. */
MUST_CHECK bool mailbox_try_post(struct mailbox *mailbox, void *message);
/* Like mailbox_try_post, but may use the room that is kept for what must not be lost (a stream's
 * end, a store's answer): a quarter beyond `capacity`. Blocks if even that is full. */
void mailbox_post_reserved(struct mailbox *mailbox, void *message);

/* Waits until there is a message or `deadline_ms` (monotonic) has come, then takes up to `max`
 * messages in order. Returns how many. */
size_t mailbox_take(struct mailbox *mailbox, void *messages[], size_t max, uint64_t deadline_ms);

/* Wakes every waiter; later posts are discarded. */
void mailbox_close(struct mailbox *mailbox);
size_t mailbox_depth(struct mailbox *mailbox);
size_t mailbox_bytes(struct mailbox *mailbox); /* 0 without a bound */

#endif
