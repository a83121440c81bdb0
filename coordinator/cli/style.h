/* style.h - how text looks on this terminal: colours, width, and which characters it can show.
 *
 * Pure. Text that came over the network goes through style_clean before it is shown, so that an
 * error message cannot play with the operator's terminal. */
#ifndef SKEIN_COORDINATOR_CLI_STYLE_H
#define SKEIN_COORDINATOR_CLI_STYLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/buf.h"

struct style {
    bool color;
    bool utf8;
    size_t width;  /* columns; 0: no limit */
    size_t height; /* lines; 0: no limit */
};

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_WAIT, TONE_DIM, TONE_BOLD, TONE_COUNT };

void style_put(const struct style *style, struct buf *buf, enum tone tone, const char *text);
const char *style_arrow(const struct style *style);    /* "→" or "->" */
const char *style_dot(const struct style *style);      /* "·" or "|" */
const char *style_ellipsis(const struct style *style); /* "…" or "..." */

/* Whole seconds, rounded up: "12s", "4m 05s". Returns `text`. */
enum { STYLE_DURATION_BYTES = 32 };
const char *style_duration(uint64_t ms, char text[STYLE_DURATION_BYTES]);

/* Control characters become spaces; bytes that are no UTF-8 become "?". */
void style_clean(const char *text, struct buf *buf);

/* How many columns a text takes: code points, colour sequences apart. */
size_t style_columns(const char *text);

/* Appends `lines` with each line cut to the style's width. */
void style_cut_lines(const struct style *style, const char *lines, struct buf *buf);

/* Appends `lines` with each line broken at spaces, so that nothing of it is lost at the style's
 * width; what goes on begins with `indent` spaces, or as many as the line itself. */
void style_fold_lines(const struct style *style, const char *lines, size_t indent, struct buf *buf);

/* A bar of `cells` columns: `done` of `total` filled, `failed` of them in the colour of failure. */
void style_bar(const struct style *style, uint64_t done, uint64_t failed, uint64_t total,
               size_t cells, struct buf *buf);

#endif
