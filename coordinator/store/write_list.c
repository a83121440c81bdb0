#include "coordinator/store/write_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"
#include "coordinator/store/store_keys.h"

static void write_batch_add(struct write_batch *batch, size_t effect, struct store_op op)
{
    batch->writes = memory_reserve(batch->writes, batch->write_count, &batch->write_capacity,
                                   sizeof(struct write));
    batch->writes[batch->write_count++] = (struct write){ .op = op, .effect = effect };
}

static struct bytes write_encode(const struct effect *effect, struct arena *arena)
{
    switch (effect->record) {
    case RECORD_ROLLOUT_SPEC:
        return wire_encode_rollout_spec(&effect->spec, arena);
    case RECORD_ROLLOUT_STATE:
        return wire_encode_rollout_state(&effect->state, arena);
    case RECORD_SHARD_PROGRESS:
        return wire_encode_shard_progress(&effect->progress, arena);
    case RECORD_MEASURES:
        return wire_encode_rollout_measures(&effect->measures, arena);
    case RECORD_FAILURE:
    case RECORD_WARNING:
        return wire_encode_failure_record(&effect->failure, arena);
    case RECORD_SESSION:
        return wire_encode_session_record(&effect->session, arena);
    case RECORD_SHARD:
        return wire_encode_shard_record(&effect->shard, arena);
    case RECORD_LOCK:
        return wire_encode_lock_record(&effect->lock, arena);
    case RECORD_TOKEN_BASE:
        return wire_encode_token_base(&effect->token_base, arena);
    case RECORD_SET_HEAD:
        return wire_encode_set_head(&effect->head, arena);
    case RECORD_EVENT:
        return wire_encode_audit_event(&effect->event, arena);
    case RECORD_SET_ARCHIVE:
    case RECORD_ROLLOUT:
    case RECORD_KIND_COUNT:
        break;
    }
    assert(false && "a record of many keys");
    return (struct bytes){ 0 };
}

static void write_batch_add_archive(struct write_batch *batch, size_t index, const char *prefix)
{
    const struct effect *effect = &batch->effects.items[index];
    uint32_t chunk = 0;

    for (size_t at = 0; at < effect->archive.size; at += SET_CHUNK_BYTES) {
        size_t rest = effect->archive.size - at;
        struct store_op op = {
            .kind = STORE_PUT,
            .key = store_key_archive_chunk(&batch->arena, prefix, effect->key, effect->id, chunk++),
            .value = { .data = effect->archive.data + at,
                       .size = rest < SET_CHUNK_BYTES ? rest : SET_CHUNK_BYTES },
        };
        write_batch_add(batch, index, op);
    }
}

static void write_batch_add_effect(struct write_batch *batch, size_t index, const char *prefix)
{
    const struct effect *effect = &batch->effects.items[index];
    struct store_op op = { .kind = effect->kind == EFFECT_PUT ? STORE_PUT : STORE_DELETE,
                           .lease_id = effect->lease_id };

    if (effect->record == RECORD_SET_ARCHIVE && effect->kind == EFFECT_PUT) {
        write_batch_add_archive(batch, index, prefix);
        return;
    }
    if (effect->record == RECORD_SET_ARCHIVE || effect->record == RECORD_ROLLOUT) {
        assert(effect->kind == EFFECT_DELETE);
        op.kind = STORE_DELETE_PREFIX;
        op.key = effect->record == RECORD_ROLLOUT
                     ? store_key_rollout(&batch->arena, prefix, effect->id)
                     : store_key_archive(&batch->arena, prefix, effect->key, effect->id);
        write_batch_add(batch, index, op);
        return;
    }
    op.key = store_key_of_effect(&batch->arena, prefix, effect);
    if (effect->kind == EFFECT_PUT) {
        op.value = write_encode(effect, &batch->arena);
    }
    write_batch_add(batch, index, op);
}

struct write_batch *write_batch_new(struct effects *effects, const char *prefix)
{
    struct write_batch *batch = memory_alloc(sizeof(*batch));

    batch->effects = TAKE(*effects);
    for (size_t i = 0; i < batch->effects.count; i++) {
        enum effect_kind kind = batch->effects.items[i].kind;
        if (kind == EFFECT_PUT || kind == EFFECT_DELETE) {
            write_batch_add_effect(batch, i, prefix);
        }
    }
    return batch;
}

void write_batch_free(struct write_batch **pointer)
{
    struct write_batch *batch = *pointer;

    if (batch == NULL) {
        return;
    }
    effects_release(&batch->effects);
    arena_release(&batch->arena);
    free(batch->writes);
    free(batch);
    *pointer = NULL;
}

static bool write_lease_is_dead(int64_t lease_id, const int64_t *dead_leases, size_t dead_count)
{
    for (size_t i = 0; lease_id != 0 && i < dead_count; i++) {
        if (dead_leases[i] == lease_id) {
            return true;
        }
    }
    return false;
}

static size_t write_op_bytes(const struct store_op *op)
{
    return strlen(op->key) + op->value.size;
}

/* True if one deletes a prefix that the other's key lies below: within one transaction no store can
 * tell which came first. */
static bool write_ops_overlap(const struct store_op *a, const struct store_op *b)
{
    return (a->kind == STORE_DELETE_PREFIX && strncmp(a->key, b->key, strlen(a->key)) == 0) ||
           (b->kind == STORE_DELETE_PREFIX && strncmp(a->key, b->key, strlen(b->key)) == 0);
}

/* True if the operation found room; else it begins the next transaction. */
static bool write_txn_add(struct write_txn *txn, const struct store_op *op, size_t *bytes)
{
    struct store_op *place = &txn->ops[txn->op_count];
    size_t grown = *bytes + write_op_bytes(op);

    for (size_t i = 0; i < txn->op_count; i++) {
        if (strcmp(txn->ops[i].key, op->key) == 0) {
            place = &txn->ops[i];
            grown -= write_op_bytes(place);
        } else if (write_ops_overlap(&txn->ops[i], op)) {
            return false;
        }
    }
    bool fresh = place == &txn->ops[txn->op_count];
    size_t others = fresh ? txn->op_count : txn->op_count - 1;
    /* One operation is always taken, so that a large value travels alone. */
    if ((fresh && txn->op_count == WRITE_OPS_MAX) ||
        (others > 0 && grown > STORE_TXN_BYTES_MAX / 2)) {
        return false;
    }
    *place = *op;
    *bytes = grown;
    txn->op_count += fresh;
    return true;
}

void write_txn_fill(struct write_txn *txn, const struct write_batch *batches,
                    const int64_t *dead_leases, size_t dead_count)
{
    size_t bytes = 0;

    *txn = (struct write_txn){ 0 };
    for (const struct write_batch *batch = batches; batch != NULL; batch = batch->next) {
        for (size_t i = batch->writes_done; i < batch->write_count; i++) {
            const struct write *write = &batch->writes[i];
            const struct effect *effect = &batch->effects.items[write->effect];
            if (!write_lease_is_dead(write->op.lease_id, dead_leases, dead_count) &&
                !write_txn_add(txn, &write->op, &bytes)) {
                return;
            }
            txn->write_count++;
            txn->takes_locks |= effect->record == RECORD_LOCK && effect->kind == EFFECT_PUT;
            txn->releases_locks |= effect->record == RECORD_LOCK && effect->kind == EFFECT_DELETE;
        }
    }
}
