/* write_list.h - the durable part of effects, as operations of the store.
 *
 * Pure. A batch owns its effects; its writes borrow from them. */
#ifndef SKEIN_COORDINATOR_STORE_WRITE_LIST_H
#define SKEIN_COORDINATOR_STORE_WRITE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/store/store.h"
#include "coordinator/decide/effects.h"

struct write {
    struct store_op op;
    size_t effect; /* index of the effect that it belongs to */
};

struct write_batch {
    struct write_batch *next;
    struct effects effects;
    struct arena arena;
    struct write *writes;
    size_t write_count;
    size_t write_capacity;
    size_t writes_done;  /* durable so far */
    size_t effects_done; /* performed so far */
};

/* Takes the effects over. */
struct write_batch *write_batch_new(struct effects *effects, const char *prefix);
void write_batch_free(struct write_batch **pointer);

/* One transaction's worth of writes, from several batches, in their order. A later write to a key
 * replaces an earlier one: within a transaction only the last state counts. */
enum { WRITE_OPS_MAX = STORE_TXN_OPS_MAX - 1 }; /* the flush adds one of its own */
struct write_txn {
    struct store_op ops[STORE_TXN_OPS_MAX];
    size_t op_count;
    size_t write_count; /* how many writes of the queue it covers */
    bool takes_locks;
    bool releases_locks;
};
/* Fills from the first write of `batches` that is not done. Writes bound to one of the dead leases
 * are covered but left out. */
void write_txn_fill(struct write_txn *txn, const struct write_batch *batches,
                    const int64_t *dead_leases, size_t dead_count);

#endif
