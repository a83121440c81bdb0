#include "agent/helper/helper_frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/limits.h"

enum {
    HELPER_FRAME_SIZE_BYTES = 4,
    HELPER_FRAME_HEAD_BYTES = HELPER_FRAME_SIZE_BYTES + 1,
    HELPER_FRAME_READ_BYTES = 16 << 10,
};

size_t helper_frame_begin(struct buf *buf, enum helper_frame_kind kind)
{
    static const uint8_t size[HELPER_FRAME_SIZE_BYTES] = { 0 };
    uint8_t byte = (uint8_t)kind;
    size_t begin = buf->size;

    (void)buf_append(buf, size, sizeof(size));
    (void)buf_append(buf, &byte, 1);
    return begin;
}

void helper_frame_put_u64(struct buf *buf, uint64_t number)
{
    (void)buf_append(buf, &number, sizeof(number));
}

void helper_frame_put_text(struct buf *buf, const char *text)
{
    uint32_t size = text == NULL ? 0 : (uint32_t)strlen(text) + 1;

    (void)buf_append(buf, &size, sizeof(size));
    if (text != NULL) {
        (void)buf_append(buf, text, size);
    }
}

void helper_frame_end(struct buf *buf, size_t begin)
{
    if (!buf->overflow) {
        uint32_t size = (uint32_t)(buf->size - begin - HELPER_FRAME_SIZE_BYTES);

        memcpy(buf->data + begin, &size, sizeof(size));
    }
}

enum helper_frame_state helper_frame_find(struct bytes received, struct helper_frame *ret_frame,
                                          size_t *ret_size)
{
    uint32_t size;

    if (received.size < HELPER_FRAME_SIZE_BYTES) {
        return HELPER_FRAME_PARTIAL;
    }
    memcpy(&size, received.data, sizeof(size));
    if (size == 0 || size > PLUGIN_FRAME_BYTES_MAX) {
        return HELPER_FRAME_BROKEN;
    }
    if (received.size < HELPER_FRAME_SIZE_BYTES + (size_t)size) {
        return HELPER_FRAME_PARTIAL;
    }
    uint8_t kind = received.data[HELPER_FRAME_SIZE_BYTES];
    if (kind < HELPER_FRAME_EXTEND || kind >= HELPER_FRAME_KIND_END) {
        return HELPER_FRAME_BROKEN;
    }
    *ret_frame = (struct helper_frame){
        .kind = (enum helper_frame_kind)kind,
        .rest = { received.data + HELPER_FRAME_HEAD_BYTES, size - 1 },
    };
    *ret_size = HELPER_FRAME_SIZE_BYTES + (size_t)size;
    return HELPER_FRAME_WHOLE;
}

/* NULL and a broken frame where so much is not left. */
static const uint8_t *helper_frame_take(struct helper_frame *frame, size_t size)
{
    const uint8_t *data = frame->rest.data;

    if (frame->broken || size > frame->rest.size) {
        frame->broken = true;
        return NULL;
    }
    frame->rest.data += size;
    frame->rest.size -= size;
    return data;
}

uint64_t helper_frame_take_u64(struct helper_frame *frame)
{
    uint64_t number = 0;
    const uint8_t *data = helper_frame_take(frame, sizeof(number));

    if (data != NULL) {
        memcpy(&number, data, sizeof(number));
    }
    return number;
}

const char *helper_frame_take_text(struct helper_frame *frame)
{
    uint32_t size = 0;
    const uint8_t *head = helper_frame_take(frame, sizeof(size));

    if (head == NULL) {
        return NULL;
    }
    memcpy(&size, head, sizeof(size));
    if (size == 0) {
        return NULL;
    }
    const uint8_t *text = helper_frame_take(frame, size);
    if (text != NULL && memchr(text, '\0', size) != text + size - 1) {
        frame->broken = true;
        return NULL;
    }
    return (const char *)text;
}

bool helper_frame_is_done(const struct helper_frame *frame)
{
    return !frame->broken && frame->rest.size == 0;
}

bool helper_frame_send(int fd, const struct buf *buf)
{
    size_t sent = 0;

    assert(!buf->overflow);
    while (sent < buf->size) {
        ssize_t count = send(fd, buf->data + sent, buf->size - sent, MSG_NOSIGNAL);

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        sent += (size_t)count;
    }
    return true;
}

/* Drops what the frame before has taken. */
static void helper_frame_shift(struct buf *buf, size_t *used)
{
    if (*used > 0) {
        memmove(buf->data, buf->data + *used, buf->size - *used);
        buf->size -= *used;
        *used = 0;
    }
}

bool helper_frame_receive(int fd, struct buf *buf, size_t *used, struct helper_frame *ret_frame)
{
    char bytes[HELPER_FRAME_READ_BYTES];

    helper_frame_shift(buf, used);
    for (;;) {
        switch (helper_frame_find(buf_view(buf), ret_frame, used)) {
        case HELPER_FRAME_WHOLE:
            return true;
        case HELPER_FRAME_BROKEN:
            return false;
        case HELPER_FRAME_PARTIAL:
            break;
        }
        ssize_t count = read(fd, bytes, sizeof(bytes));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0 || !buf_append(buf, bytes, (size_t)count)) {
            return false;
        }
    }
}
