/* wire_codec.h - protobuf-c with arenas: unpack into one, pack out of one.
 *
 * Pure. For the files of common/wire and coordinator/serve, the only ones that see protobuf-c. */
#ifndef SKEIN_COMMON_WIRE_WIRE_CODEC_H
#define SKEIN_COMMON_WIRE_WIRE_CODEC_H

#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

/* A message of that type in the arena, or NULL and ERR_INVALID naming the type. What decoding may
 * take is bounded by a multiple of the bytes that came, so that a message of two million empty
 * parts cannot take hundreds of megabytes. An empty message may have wire.data NULL. */
MUST_CHECK void *wire_codec_unpack(const ProtobufCMessageDescriptor *type, struct bytes wire,
                                   struct arena *arena, struct error *err);

struct bytes wire_codec_pack(const ProtobufCMessage *message, struct arena *arena);

/* A message with every field at its default. */
void *wire_codec_new(const ProtobufCMessageDescriptor *type, struct arena *arena);

/* protobuf-c's text fields are not const, but packing only reads them. NULL becomes "". */
char *wire_codec_borrow(const char *text);

/* Text that comes from elsewhere (a database's message): borrowed if it is UTF-8 of at most
 * `bytes_max`; else a copy, cut with "..." and with "?" for bytes that are no UTF-8. So what is
 * encoded here is never refused there for its wording. */
char *wire_codec_text(struct arena *arena, const char *text, size_t bytes_max);

/* How many bytes at `text` make one valid character of UTF-8; 0 for none. NUL is none. */
size_t wire_codec_utf8_length(const char *text);

#endif
