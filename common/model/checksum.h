/* checksum.h - SHA-256, whole or piece by piece.
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

/* Of a text with every CR LF read as LF, so that a checkout on Windows changes nothing. */
void checksum_of_text(struct bytes text, uint8_t ret_digest[CHECKSUM_BYTES]);

#endif
