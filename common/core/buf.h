/* buf.h - bytes that grow up to a mandatory maximum.
 *
 * Not thread-safe. The content is always followed by a NUL that is not counted, so `data` is text
 * where the bytes are. `{ .size_max = N }` is an empty buffer. */
#ifndef SKEIN_COMMON_CORE_BUF_H
#define SKEIN_COMMON_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

/* Borrowed bytes. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

struct buf {
    char *data; /* NULL while empty */
    size_t size;
    size_t capacity;
    size_t size_max; /* must be set */
    bool overflow;   /* something did not fit: the content is not to be used */
};

void buf_release(struct buf *buf);
void buf_clear(struct buf *buf); /* empties, keeps the memory and the maximum */

/* False once the maximum was passed; the buffer remembers it, so a series of appends can be checked
 * once at its end with buf_check. */
bool buf_append(struct buf *buf, const void *bytes, size_t size);
bool buf_puts(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *format, ...) PRINTF(2, 3);

/* ERR_LIMIT if anything did not fit. */
MUST_CHECK bool buf_check(const struct buf *buf, struct error *err);

/* Borrowed; never NULL. */
const char *buf_text(const struct buf *buf);
struct bytes buf_view(const struct buf *buf);

struct bytes bytes_of_text(const char *text);

/* Reads a file whole. ERR_NOT_FOUND, ERR_LIMIT (larger than buf->size_max) or ERR_INVALID, with the
 * path in the message. */
MUST_CHECK bool file_read(const char *path, struct buf *buf, struct error *err);

#endif
