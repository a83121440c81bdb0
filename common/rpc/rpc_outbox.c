#include "common/rpc/rpc_outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>

#include "common/core/limits.h"
#include "common/core/memory.h"

enum { OUTBOX_CAPACITY_FIRST = 8 };

void rpc_outbox_release(struct rpc_outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++) {
        grpc_byte_buffer_destroy(outbox->ring[(outbox->first + i) % outbox->capacity]);
    }
    free(outbox->ring);
    memset(outbox, 0, sizeof(*outbox));
}

static void rpc_outbox_grow(struct rpc_outbox *outbox)
{
    size_t capacity = outbox->capacity == 0 ? OUTBOX_CAPACITY_FIRST : outbox->capacity * 2;

    if (capacity > STREAM_OUTBOX_MESSAGES_MAX) {
        capacity = STREAM_OUTBOX_MESSAGES_MAX;
    }
    grpc_byte_buffer **ring = memory_alloc_array(capacity, sizeof(*ring));
    for (size_t i = 0; i < outbox->count; i++) {
        ring[i] = outbox->ring[(outbox->first + i) % outbox->capacity];
    }
    free(outbox->ring);
    outbox->ring = ring;
    outbox->capacity = capacity;
    outbox->first = 0;
}

bool rpc_outbox_push(struct rpc_outbox *outbox, grpc_byte_buffer *message)
{
    size_t size = grpc_byte_buffer_length(message);

    assert(size <= MESSAGE_BYTES_MAX);
    if (outbox->count == STREAM_OUTBOX_MESSAGES_MAX ||
        outbox->bytes + size > STREAM_OUTBOX_BYTES_MAX) {
        return false;
    }
    if (outbox->count == outbox->capacity) {
        rpc_outbox_grow(outbox);
    }
    outbox->ring[(outbox->first + outbox->count) % outbox->capacity] = message;
    outbox->count++;
    outbox->bytes += size;
    return true;
}

grpc_byte_buffer *rpc_outbox_pop(struct rpc_outbox *outbox)
{
    if (outbox->count == 0) {
        return NULL;
    }
    grpc_byte_buffer *message = outbox->ring[outbox->first];
    outbox->first = (outbox->first + 1) % outbox->capacity;
    outbox->count--;
    outbox->bytes -= grpc_byte_buffer_length(message);
    assert(outbox->count > 0 || outbox->bytes == 0);
    return message;
}
