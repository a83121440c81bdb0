/* checksum.h - SHA-256, whole or piece by piece; SHA-1 for the ids of other tools.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_CHECKSUM_H
#define SKEIN_COMMON_MODEL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/buf.h"
#include "common/model/set.h"

struct checksum; /* one being made */

struct checksum *checksum_new(void);
void checksum_free(struct checksum **checksum);
void checksum_add(struct checksum *checksum, const void *data, size_t size);
void checksum_add_text(struct checksum *checksum, const char *text); /* with its NUL */
/* Nothing may be added afterwards. */
void checksum_finish(struct checksum *checksum, uint8_t ret_digest[CHECKSUM_BYTES]);

/* Of a text with every CR LF, and every CR alone, read as LF: a checkout on Windows changes
 * nothing. */
void checksum_of_text(struct bytes text, uint8_t ret_digest[CHECKSUM_BYTES]);

enum { CHECKSUM_SHA1_TEXT_BYTES = 40 + 1 };

/* SHA-1 of `head`, a NUL byte and the text, in hex digits; without head and NUL if `head` is NULL.
 * Only where another tool names its things so: nothing of skein's rests on it. */
void checksum_sha1_text(const char *head, struct bytes text,
                        char ret_text[CHECKSUM_SHA1_TEXT_BYTES]);

#endif
