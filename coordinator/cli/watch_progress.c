#include "coordinator/cli/watch_progress.h"

#include <inttypes.h>

#include "coordinator/cli/field.h"

/* "eu-1/t_7  61%  120,000 of about 196,000  20_fill: 8,120 rows/s, about 9s left". */
static void watch_progress_one(const json_t *progress, struct buf *buf)
{
    uint64_t done = field_u64(progress, "done");
    uint64_t total = field_u64(progress, "total");

    buf_puts(buf, "         ");
    style_clean(field_text(progress, "tenant"), buf);
    if (total > 0) {
        uint64_t percent = done >= total ? 100 : (uint64_t)(100.0 * (double)done / (double)total);

        buf_printf(buf, "  %" PRIu64 "%%  %" PRIu64 " of about %" PRIu64, percent, done,
                   total > done ? total : done);
    } else if (done > 0) {
        buf_printf(buf, "  %" PRIu64, done);
    }
    buf_puts(buf, "  ");
    style_clean(field_text(progress, "words"), buf);
    buf_puts(buf, "\n");
}

void watch_progress_draw(const json_t *rollout, struct buf *buf)
{
    const json_t *progress = field_get(rollout, "progress");
    size_t listed = json_array_size(progress);
    size_t shown = listed < WATCH_PROGRESS_SHOWN ? listed : WATCH_PROGRESS_SHOWN;

    if (shown == 0) {
        return;
    }
    buf_printf(buf, "\nrunning   %zu long operation%s\n", listed, listed == 1 ? "" : "s");
    for (size_t i = 0; i < shown; i++) {
        watch_progress_one(json_array_get(progress, i), buf);
    }
}
