#include "common/core/buf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/memory.h"

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){ .size_max = buf->size_max };
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->overflow = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

static bool buf_reserve(struct buf *buf, size_t more)
{
    assert(buf->size_max > 0);
    if (buf->overflow || more > buf->size_max - buf->size) {
        buf->overflow = true;
        return false;
    }
    if (buf->size + more + 1 > buf->capacity) {
        size_t capacity = buf->capacity == 0 ? 256 : buf->capacity;
        while (capacity < buf->size + more + 1) {
            capacity *= 2;
        }
        buf->data = memory_grow(buf->data, capacity, 1);
        buf->capacity = capacity;
    }
    return true;
}

bool buf_append(struct buf *buf, const void *bytes, size_t size)
{
    if (!buf_reserve(buf, size)) {
        return false;
    }
    if (size > 0) {
        memcpy(buf->data + buf->size, bytes, size);
    }
    buf->size += size;
    buf->data[buf->size] = '\0';
    return true;
}

bool buf_puts(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    if (!buf_reserve(buf, (size_t)length)) {
        return false;
    }
    va_start(arguments, format);
    vsnprintf(buf->data + buf->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buf->size += (size_t)length;
    return true;
}

bool buf_check(const struct buf *buf, struct error *err)
{
    if (buf->overflow) {
        return error_set(err, ERR_LIMIT, "more than %zu bytes", buf->size_max);
    }
    return true;
}

const char *buf_text(const struct buf *buf)
{
    return buf->data == NULL ? "" : buf->data;
}

struct bytes buf_view(const struct buf *buf)
{
    return (struct bytes){ .data = (const uint8_t *)buf_text(buf), .size = buf->size };
}

struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){ .data = (const uint8_t *)text, .size = strlen(text) };
}

static void file_close(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

bool file_read(const char *path, struct buf *buf, struct error *err)
{
    CLEANUP(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    char block[16384];

    if (fd < 0) {
        return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID, "open '%s': %s", path,
                         strerror(errno));
    }
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        return error_set(err, ERR_INVALID, "read '%s': is a directory", path);
    }
    for (;;) {
        ssize_t count = read(fd, block, sizeof(block));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return error_set(err, ERR_INVALID, "read '%s': %s", path, strerror(errno));
        }
        if (count == 0) {
            return true;
        }
        if (!buf_append(buf, block, (size_t)count)) {
            return error_set(err, ERR_LIMIT, "read '%s': larger than %zu bytes", path,
                             buf->size_max);
        }
    }
}
