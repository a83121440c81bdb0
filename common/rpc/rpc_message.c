#include "common/rpc/rpc_message.h"

#include <assert.h>
#include <string.h>

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

grpc_byte_buffer *rpc_message_new(struct bytes message)
{
    grpc_slice slice = grpc_slice_malloc(message.size);

    if (message.size > 0) {
        memcpy(GRPC_SLICE_START_PTR(slice), message.data, message.size);
    }
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

void rpc_message_free(grpc_byte_buffer **message)
{
    if (*message != NULL) {
        grpc_byte_buffer_destroy(*message);
        *message = NULL;
    }
}

bool rpc_message_read(grpc_byte_buffer *message, grpc_slice *ret_slice, struct bytes *ret_bytes)
{
    grpc_byte_buffer_reader reader;

    if (!grpc_byte_buffer_reader_init(&reader, message)) {
        return false;
    }
    *ret_slice = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    ret_bytes->data = GRPC_SLICE_START_PTR(*ret_slice);
    ret_bytes->size = GRPC_SLICE_LENGTH(*ret_slice);
    return true;
}

void rpc_message_copy_text(grpc_slice slice, char *ret_text, size_t text_bytes)
{
    size_t size = GRPC_SLICE_LENGTH(slice);
    const uint8_t *text = GRPC_SLICE_START_PTR(slice);

    assert(text_bytes > 0);
    if (size >= text_bytes) {
        size = text_bytes - 1;
        while (size > 0 && (text[size] & 0xC0U) == 0x80U) {
            size--; /* not in the middle of a character */
        }
    }
    if (size > 0) {
        memcpy(ret_text, text, size);
    }
    ret_text[size] = '\0';
}

bool rpc_message_find_metadata(const grpc_metadata_array *metadata, const char *key,
                               char *ret_value, size_t value_bytes)
{
    ret_value[0] = '\0';
    for (size_t i = 0; i < metadata->count; i++) {
        if (grpc_slice_str_cmp(metadata->metadata[i].key, key) == 0) {
            rpc_message_copy_text(metadata->metadata[i].value, ret_value, value_bytes);
            return true;
        }
    }
    return false;
}
