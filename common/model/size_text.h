/* size_text.h - sizes of data as people write them: 8kB, 1MB, 41 GB.
 *
 * Pure. Units are powers of 1024, as PostgreSQL's are. */
#ifndef SKEIN_COMMON_MODEL_SIZE_TEXT_H
#define SKEIN_COMMON_MODEL_SIZE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

/* A whole number and B, kB, MB, GB or TB in any case, with or without a blank; 0 needs no unit.
 * ERR_INVALID says what is expected. */
MUST_CHECK bool size_text_parse(const char *text, uint64_t *ret_bytes, struct error *err);

enum { SIZE_TEXT_BYTES = 32 };
/* "0 bytes", "8 kB", "5.2 MB", "41 GB"; returns `text`. */
const char *size_text_format(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

#endif
