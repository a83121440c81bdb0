#include "common/model/quote.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/core/utf8.h"

enum { QUOTE_ROOM = QUOTE_BYTES - 6 /* the quotes, "..." and the NUL */ };

const char *quote_bytes(const char *text, size_t size, char quoted[QUOTE_BYTES])
{
    size_t used = 0;
    size_t at = 0;

    quoted[used++] = '\'';
    while (at < size) {
        const uint8_t *data = (const uint8_t *)text + at;
        size_t length = utf8_length(data, size - at);
        char piece[8];
        size_t piece_size = length;
        if (length == 0 || data[0] < 0x20 || data[0] == 0x7F ||
            (length == 2 && data[0] == 0xC2 && data[1] < 0xA0)) { /* C0, DEL and C1 controls */
            length = 1;
            snprintf(piece, sizeof(piece), "\\x%02X", data[0]);
            piece_size = 4;
        } else {
            memcpy(piece, data, length);
        }
        if (used + piece_size > QUOTE_ROOM) {
            memcpy(quoted + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(quoted + used, piece, piece_size);
        used += piece_size;
        at += length;
    }
    quoted[used++] = '\'';
    assert(used < QUOTE_BYTES);
    quoted[used] = '\0';
    return quoted;
}

const char *quote_text(const char *text, char quoted[QUOTE_BYTES])
{
    return quote_bytes(text, strlen(text), quoted);
}
