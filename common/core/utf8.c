#include "common/core/utf8.h"

#include <assert.h>
#include <stdbool.h>

static bool utf8_is_tail(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t utf8_length(const uint8_t *data, size_t size)
{
    assert(size > 0);
    if (data[0] < 0x80) {
        return 1;
    }
    if (data[0] >= 0xC2 && data[0] <= 0xDF) {
        return size >= 2 && utf8_is_tail(data[1]) ? 2 : 0;
    }
    if ((data[0] & 0xF0) == 0xE0) {
        if (size < 3 || !utf8_is_tail(data[1]) || !utf8_is_tail(data[2])) {
            return 0;
        }
        bool overlong = data[0] == 0xE0 && data[1] < 0xA0;
        bool surrogate = data[0] == 0xED && data[1] >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (data[0] >= 0xF0 && data[0] <= 0xF4) {
        if (size < 4 || !utf8_is_tail(data[1]) || !utf8_is_tail(data[2]) ||
            !utf8_is_tail(data[3])) {
            return 0;
        }
        bool overlong = data[0] == 0xF0 && data[1] < 0x90;
        bool too_high = data[0] == 0xF4 && data[1] >= 0x90;
        return overlong || too_high ? 0 : 4;
    }
    return 0;
}

size_t utf8_find_invalid(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t length = utf8_length(data + at, size - at);
        if (length == 0) {
            return at;
        }
        at += length;
    }
    return size;
}
