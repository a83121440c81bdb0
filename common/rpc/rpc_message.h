/* rpc_message.h - our bytes to gRPC's byte buffers and back.
 *
 * Inside common/rpc only. Pure. */
#ifndef SKEIN_COMMON_RPC_RPC_MESSAGE_H
#define SKEIN_COMMON_RPC_RPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>

#include "common/core/base.h"
#include "common/core/buf.h"

/* Copies. */
grpc_byte_buffer *rpc_message_new(struct bytes message);
void rpc_message_free(grpc_byte_buffer **message);

/* The bytes of a received message in one piece, borrowed from `ret_slice`, which the caller gives
 * to grpc_slice_unref. False for a message that cannot be decompressed. */
MUST_CHECK bool rpc_message_read(grpc_byte_buffer *message, grpc_slice *ret_slice,
                                 struct bytes *ret_bytes);

/* Copies a slice as text, cut to fit at a whole UTF-8 character. */
void rpc_message_copy_text(grpc_slice slice, char *ret_text, size_t text_bytes);
/* The value of a key, copied like that; false (and "") when it is not there. */
bool rpc_message_find_metadata(const grpc_metadata_array *metadata, const char *key,
                               char *ret_value, size_t value_bytes);

#endif
