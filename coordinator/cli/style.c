#include "coordinator/cli/style.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/utf8.h"
#include "common/model/duration.h"

static const char *const style_codes[TONE_COUNT] = {
    [TONE_PLAIN] = "",        [TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[31m",
    [TONE_WAIT] = "\033[33m", [TONE_DIM] = "\033[2m",   [TONE_BOLD] = "\033[1m",
};
enum { STYLE_FOLD_COLUMNS_MIN = 20 }; /* for words, beside what they are indented by */
static const char style_reset[] = "\033[0m";

void style_put(const struct style *style, struct buf *buf, enum tone tone, const char *text)
{
    if (style->color && tone != TONE_PLAIN && text[0] != '\0') {
        buf_puts(buf, style_codes[tone]);
        buf_puts(buf, text);
        buf_puts(buf, style_reset);
    } else {
        buf_puts(buf, text);
    }
}

const char *style_arrow(const struct style *style)
{
    return style->utf8 ? "→" : "->";
}

const char *style_dot(const struct style *style)
{
    return style->utf8 ? "·" : "|";
}

const char *style_ellipsis(const struct style *style)
{
    return style->utf8 ? "…" : "...";
}

const char *style_duration(uint64_t ms, char text[STYLE_DURATION_BYTES])
{
    static_assert((int)STYLE_DURATION_BYTES >= (int)DURATION_TEXT_BYTES, "a duration fits");

    return duration_format_whole(ms, text);
}

void style_clean(const char *text, struct buf *buf)
{
    const uint8_t *c = (const uint8_t *)text;
    const uint8_t *end = c + strlen(text);

    while (c < end) {
        size_t size = utf8_length(c, (size_t)(end - c));
        if (size == 0) {
            buf_puts(buf, "?");
            c++;
            continue;
        }
        /* C0, DEL, and C1 (two bytes: c2 80 to c2 9f). */
        bool is_control = c[0] < 0x20 || c[0] == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0);
        if (is_control) {
            buf_puts(buf, " ");
        } else {
            buf_append(buf, c, size);
        }
        c += size;
    }
}

/* The bytes of one colour sequence at `text`; 0 if there is none. */
static size_t style_escape(const char *text)
{
    if (text[0] != '\033' || text[1] != '[') {
        return 0;
    }
    size_t size = 2;
    while (text[size] != '\0' && text[size] != 'm') {
        size++;
    }
    return text[size] == 'm' ? size + 1 : size;
}

size_t style_columns(const char *text)
{
    size_t columns = 0;

    while (*text != '\0') {
        size_t escape = style_escape(text);
        if (escape > 0) {
            text += escape;
            continue;
        }
        if (((unsigned char)*text & 0xc0) != 0x80) {
            columns++;
        }
        text++;
    }
    return columns;
}

/* One line without its end; `width` > 0. */
static void style_cut_line(const struct style *style, const char *line, size_t size,
                           struct buf *buf)
{
    CLEANUP(buf_release) struct buf copy = { .size_max = size + 1 };
    const char *ellipsis = style_ellipsis(style);
    size_t room = style->width;
    size_t columns = 0;

    buf_append(&copy, line, size);
    const char *text = buf_text(&copy);
    if (style_columns(text) <= room) {
        buf_append(buf, line, size);
        return;
    }
    size_t mark = style_columns(ellipsis);
    room = room > mark ? room - mark : 0;
    while (*text != '\0') {
        size_t escape = style_escape(text);
        size_t bytes = escape > 0 ? escape : utf8_length((const uint8_t *)text, strlen(text));
        bytes = bytes == 0 ? 1 : bytes;
        if (escape == 0 && columns++ >= room) {
            break;
        }
        buf_append(buf, text, bytes);
        text += bytes;
    }
    buf_puts(buf, ellipsis);
    if (style->color) {
        buf_puts(buf, style_reset);
    }
}

/* How many bytes of `text` stand before the end of a row of `room` columns: up to its last space,
 * or as many as fit where a word is longer than that. At least 1. */
static size_t style_fold_point(const char *text, size_t room)
{
    size_t columns = 0;
    size_t at = 0;
    size_t space = 0;

    for (bool words = false; text[at] != '\0' && columns <= room;) {
        size_t escape = style_escape(text + at);
        if (escape > 0) {
            at += escape;
            continue;
        }
        if (text[at] == ' ' && words) {
            space = at;
        }
        if (columns == room) {
            break;
        }
        words = words || text[at] != ' ';
        size_t bytes = utf8_length((const uint8_t *)text + at, strlen(text + at));
        at += bytes == 0 ? 1 : bytes;
        columns++;
    }
    at = space > 0 ? space : at;
    while (at > 1 && text[at - 1] == ' ') {
        at--;
    }
    return at == 0 ? 1 : at;
}

/* One line without its end; `width` > 0. */
static void style_fold_line(const struct style *style, const char *line, size_t size, size_t indent,
                            struct buf *buf)
{
    CLEANUP(buf_release) struct buf copy = { .size_max = size + 1 };
    size_t room = style->width;

    buf_append(&copy, line, size);
    const char *text = buf_text(&copy);
    const size_t own = strspn(text, " ");
    indent = own > indent ? own : indent;
    const size_t most = style->width > (size_t)2 * STYLE_FOLD_COLUMNS_MIN
                            ? style->width - STYLE_FOLD_COLUMNS_MIN
                            : style->width / 2;
    indent = indent > most ? most : indent;
    while (style_columns(text) > room) {
        size_t bytes = style_fold_point(text, room);
        buf_append(buf, text, bytes);
        buf_printf(buf, "\n%*s", (int)indent, "");
        text += bytes + strspn(text + bytes, " ");
        room = style->width - indent;
    }
    buf_puts(buf, text);
}

void style_fold_lines(const struct style *style, const char *lines, size_t indent, struct buf *buf)
{
    if (style->width == 0) {
        buf_puts(buf, lines);
        return;
    }
    while (*lines != '\0') {
        size_t size = strcspn(lines, "\n");
        style_fold_line(style, lines, size, indent, buf);
        lines += size;
        if (*lines == '\n') {
            buf_puts(buf, "\n");
            lines++;
        }
    }
}

void style_cut_lines(const struct style *style, const char *lines, struct buf *buf)
{
    if (style->width == 0) {
        buf_puts(buf, lines);
        return;
    }
    while (*lines != '\0') {
        const char *end = strchr(lines, '\n');
        size_t size = end == NULL ? strlen(lines) : (size_t)(end - lines);
        style_cut_line(style, lines, size, buf);
        lines += size;
        if (end != NULL) {
            buf_puts(buf, "\n");
            lines++;
        }
    }
}

static void style_fill(struct buf *bar, const char *cell, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_puts(bar, cell);
    }
}

void style_bar(const struct style *style, uint64_t done, uint64_t failed, uint64_t total,
               size_t cells, struct buf *buf)
{
    static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    CLEANUP(buf_release) struct buf good = { .size_max = 4096 };
    CLEANUP(buf_release) struct buf bad = { .size_max = 4096 };
    CLEANUP(buf_release) struct buf rest = { .size_max = 4096 };

    done = done > total ? total : done;
    failed = failed > done ? done : failed;
    /* A single failure among thousands must still be seen, so it takes a cell of its own. */
    size_t bad_cells = total == 0 ? 0 : (size_t)((double)failed / (double)total * (double)cells);
    bad_cells = failed > 0 && bad_cells == 0 ? 1 : bad_cells;
    double filled = total == 0 ? 0 : (double)done / (double)total * (double)cells;
    double good_part = filled > (double)bad_cells ? filled - (double)bad_cells : 0;
    size_t good_cells = (size_t)good_part;
    size_t eighth = style->utf8 ? (size_t)((good_part - (double)good_cells) * 8) : 0;
    if (good_cells + bad_cells >= cells) {
        eighth = 0;
    }
    style_fill(&good, style->utf8 ? "█" : "#", good_cells);
    buf_puts(&good, eighths[eighth]);
    style_fill(&bad, style->utf8 ? "█" : "!", bad_cells);
    size_t used = good_cells + bad_cells + (eighth > 0 ? 1 : 0);
    style_fill(&rest, style->utf8 ? "·" : ".", cells > used ? cells - used : 0);
    style_put(style, buf, TONE_BAD, buf_text(&bad));
    style_put(style, buf, TONE_GOOD, buf_text(&good));
    style_put(style, buf, TONE_DIM, buf_text(&rest));
}
