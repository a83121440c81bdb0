#include "common/wire/wire_codec.h"

#include <assert.h>
#include <string.h>

/* Most that a decoded message takes in the arena, by its size on the wire: a label of two short
 * texts takes 8 bytes there and 90 here, with the parser's own notes. */
enum { DECODED_BYTES_BASE = 64 << 10, DECODED_BYTES_FACTOR = 24 };

struct wire_codec_room {
    struct arena *arena;
    size_t bytes;
};

static void *wire_codec_alloc(void *data, size_t size)
{
    struct wire_codec_room *room = data;

    if (size > room->bytes) {
        return NULL; /* protobuf-c gives the whole message up */
    }
    room->bytes -= size;
    return arena_alloc(room->arena, size);
}

static void wire_codec_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer; /* the arena frees all at once */
}

void *wire_codec_unpack(const ProtobufCMessageDescriptor *type, struct bytes wire,
                        struct arena *arena, struct error *err)
{
    struct wire_codec_room room = { .arena = arena };
    ProtobufCAllocator allocator = { wire_codec_alloc, wire_codec_free, &room };

    if (wire.size > (SIZE_MAX - DECODED_BYTES_BASE) / DECODED_BYTES_FACTOR) {
        error_set(err, ERR_LIMIT, "%s: too large", type->short_name);
        return NULL;
    }
    /* Large messages are large because of the bytes in them, not because of many parts. */
    room.bytes = DECODED_BYTES_BASE + wire.size * DECODED_BYTES_FACTOR;
    void *message = protobuf_c_message_unpack(type, &allocator, wire.size, wire.data);
    if (message == NULL) {
        error_set(err, ERR_INVALID, "%s: these %zu bytes are no such message", type->short_name,
                  wire.size);
    }
    return message;
}

struct bytes wire_codec_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(arena, size);
    size_t written = protobuf_c_message_pack(message, data);

    assert(written == size);
    return (struct bytes){ data, written };
}

void *wire_codec_new(const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    void *message = arena_alloc(arena, type->sizeof_message);

    protobuf_c_message_init(type, message);
    return message;
}

char *wire_codec_borrow(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}

static bool wire_codec_is_tail(const char *text, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) {
            return false; /* also stops at the terminating NUL */
        }
    }
    return true;
}

size_t wire_codec_utf8_length(const char *text)
{
    unsigned char first = (unsigned char)text[0];
    unsigned char second = first == 0 ? 0 : (unsigned char)text[1];

    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        return wire_codec_is_tail(text, 1) ? 2 : 0;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        /* Neither overlong nor half of a surrogate pair. */
        bool in_range = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second <= 0x9F);
        return in_range && wire_codec_is_tail(text, 2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        bool in_range = (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second <= 0x8F);
        return in_range && wire_codec_is_tail(text, 3) ? 4 : 0;
    }
    return 0;
}

static bool wire_codec_is_clean(const char *text, size_t bytes_max)
{
    size_t at = 0;

    while (text[at] != '\0') {
        size_t length = wire_codec_utf8_length(&text[at]);
        if (length == 0 || at + length > bytes_max) {
            return false;
        }
        at += length;
    }
    return true;
}

char *wire_codec_text(struct arena *arena, const char *text, size_t bytes_max)
{
    static const char ellipsis[] = "...";

    assert(bytes_max >= sizeof(ellipsis));
    if (text == NULL || wire_codec_is_clean(text, bytes_max)) {
        return wire_codec_borrow(text);
    }
    char *copy = arena_alloc(arena, bytes_max + 1);
    size_t room = bytes_max - (sizeof(ellipsis) - 1);
    size_t from = 0;
    size_t to = 0;
    while (text[from] != '\0') {
        size_t length = wire_codec_utf8_length(&text[from]);
        size_t wanted = length == 0 ? 1 : length;
        if (to + wanted > room) {
            memcpy(&copy[to], ellipsis, sizeof(ellipsis));
            return copy;
        }
        if (length == 0) {
            copy[to] = '?';
        } else {
            memcpy(&copy[to], &text[from], length);
        }
        from += wanted;
        to += wanted;
    }
    copy[to] = '\0';
    return copy;
}
