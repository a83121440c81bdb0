/* utf8.h - what is valid UTF-8.
 *
 * Pure. */
#ifndef SKEIN_COMMON_CORE_UTF8_H
#define SKEIN_COMMON_CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the character at `data` (1 to 4), or 0 when the bytes there are not one: overlong
 * forms, surrogates and what lies above U+10FFFF are refused. `size` is at least 1. */
size_t utf8_length(const uint8_t *data, size_t size);

/* The offset of the first byte that is no part of a valid character; `size` when all is valid. */
size_t utf8_find_invalid(const uint8_t *data, size_t size);

#endif
