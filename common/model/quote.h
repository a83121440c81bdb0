/* quote.h - foreign text inside an error message.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_QUOTE_H
#define SKEIN_COMMON_MODEL_QUOTE_H

#include <stddef.h>

enum { QUOTE_BYTES = 160 };

/* 'text' in single quotes; control characters and bytes that are not UTF-8 appear as \xNN (nothing
 * a terminal would act on gets through), long text is cut and ends in "...". Returns `quoted`. */
const char *quote_bytes(const char *text, size_t size, char quoted[QUOTE_BYTES]);
const char *quote_text(const char *text, char quoted[QUOTE_BYTES]);

#endif
