#include "agent/run/process_output.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/core/mask.h"
#include "common/core/memory.h"
#include "common/core/utf8.h"

enum { PROCESS_OUTPUT_LINE_MAX = 400 };

/* Room for the words in front, and for what becomes longer: a byte can become MASK_TEXT. */
enum { PROCESS_OUTPUT_TEXT_MAX = 10 * RUNNER_OUTPUT_BYTES_MAX };

void process_output_release(struct process_output *output)
{
    free(output->data);
    *output = (struct process_output){ 0 };
}

void process_output_add(struct process_output *output, const char *bytes, size_t size)
{
    const size_t keep = RUNNER_OUTPUT_BYTES_MAX;

    if (output->data == NULL) {
        output->data = memory_alloc(2 * keep);
    }
    if (size > keep) {
        output->dropped += size - keep;
        bytes += size - keep;
        size = keep;
    }
    if (size > 2 * keep - output->size) {
        size_t drop = output->size + size - keep;

        drop = drop > output->size ? output->size : drop;
        memmove(output->data, output->data + drop, output->size - drop);
        output->size -= drop;
        output->dropped += drop;
    }
    memcpy(output->data + output->size, bytes, size);
    output->size += size;
}

/* A colour, or the like: ESC [ ... letter. Its length; 0 for none. */
static size_t process_output_escape(const char *text, size_t size)
{
    size_t i = 2;

    if (size < 3 || text[0] != '\x1b' || text[1] != '[') {
        return 0;
    }
    while (i < size && text[i] >= 0x20 && text[i] < 0x40) {
        i++;
    }
    return i < size ? i + 1 : 0;
}

/* One character of the text at `at`, made fit to be shown; returns how many bytes that took. */
static size_t process_output_put(struct buf *buf, const char *at, size_t size)
{
    size_t escape = process_output_escape(at, size);
    size_t length = utf8_length((const uint8_t *)at, size);

    if (escape > 0) {
        return escape;
    }
    if (length == 0) {
        (void)buf_puts(buf, "?");
        return 1;
    }
    bool control = ((unsigned char)at[0] < 0x20 && at[0] != '\n' && at[0] != '\t') || at[0] == 0x7F;
    if (!control) {
        (void)buf_append(buf, at, length);
    }
    return length;
}

const char *process_output_text(const struct process_output *output, const char *secret,
                                struct arena *arena)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = PROCESS_OUTPUT_TEXT_MAX };
    size_t secret_size = strlen(secret);
    size_t start =
        output->size > RUNNER_OUTPUT_BYTES_MAX ? output->size - RUNNER_OUTPUT_BYTES_MAX : 0;

    if (output->size == 0) {
        return NULL;
    }
    if (start > 0 || output->dropped > 0) {
        const char *line = memchr(output->data + start, '\n', output->size - start);

        start = line == NULL || line + 1 == output->data + output->size
                    ? start
                    : (size_t)(line + 1 - output->data);
        uint64_t before = output->dropped + start;

        (void)buf_printf(&buf, "(%" PRIu64 " bytes before)\n", before);
    }
    for (size_t i = start; i < output->size;) {
        bool is_secret = secret_size > 0 && secret_size <= output->size - i &&
                         memcmp(output->data + i, secret, secret_size) == 0;

        if (is_secret) {
            (void)buf_puts(&buf, MASK_TEXT);
            i += secret_size;
        } else {
            i += process_output_put(&buf, output->data + i, output->size - i);
        }
    }
    size_t size = buf.size;
    while (size > 0 && buf.data[size - 1] == '\n') {
        size--;
    }
    /* Masking may have made it longer: the end counts. */
    size_t cut = size > RUNNER_OUTPUT_BYTES_MAX ? size - RUNNER_OUTPUT_BYTES_MAX : 0;
    while (cut < size && ((unsigned char)buf.data[cut] & 0xC0) == 0x80) {
        cut++;
    }
    return size == 0 ? NULL : arena_strndup(arena, buf.data + cut, size - cut);
}

const char *process_output_last_line(const char *text, struct arena *arena)
{
    if (text == NULL) {
        return "";
    }
    const char *line = strrchr(text, '\n');
    line = line == NULL ? text : line + 1;
    size_t size = strlen(line);
    size_t cut = size < PROCESS_OUTPUT_LINE_MAX ? size : PROCESS_OUTPUT_LINE_MAX;
    while (cut < size && cut > 0 && ((unsigned char)line[cut] & 0xC0) == 0x80) {
        cut--;
    }
    return arena_strndup(arena, line, cut);
}
