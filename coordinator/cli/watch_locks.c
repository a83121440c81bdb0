#include "coordinator/cli/watch_locks.h"

#include <inttypes.h>

#include "coordinator/cli/field.h"

uint64_t watch_locks_skipped(const json_t *rollout)
{
    return field_u64(field_get(rollout, "skips"), "TENANT_LOCKED");
}

/* "eu-1/t_7  by ana for 4m 05s: restoring a backup  (skipped in 7s)". */
static void watch_locks_one(const json_t *locked, const struct style *style, int64_t now_ms,
                            struct buf *buf)
{
    char text[STYLE_DURATION_BYTES];
    const int64_t locked_ms = field_time_ms(locked, "locked_at");
    const int64_t skip_ms = field_time_ms(locked, "skip_at");

    buf_puts(buf, "         ");
    style_clean(field_text(locked, "tenant"), buf);
    if (field_text(locked, "rollout")[0] != '\0') {
        buf_printf(buf, "  at work in rollout %s", field_text(locked, "rollout"));
    } else {
        buf_puts(buf, "  by ");
        style_clean(field_text(locked, "owner"), buf);
    }
    buf_printf(buf, " for %s",
               style_duration(now_ms > locked_ms ? (uint64_t)(now_ms - locked_ms) : 0, text));
    if (field_text(locked, "reason")[0] != '\0') {
        buf_puts(buf, ": ");
        style_clean(field_text(locked, "reason"), buf);
    }
    if (skip_ms > now_ms) {
        buf_puts(buf, "  (");
        style_put(style, buf, TONE_WAIT, "skipped in ");
        style_put(style, buf, TONE_WAIT, style_duration((uint64_t)(skip_ms - now_ms), text));
        buf_puts(buf, ")");
    }
    buf_puts(buf, "\n");
}

void watch_locks_draw(const json_t *rollout, const struct style *style, int64_t now_ms,
                      struct buf *buf)
{
    const json_t *locked = field_get(rollout, "locked");
    const uint64_t total = field_u64(rollout, "locked_total");
    const size_t listed = json_array_size(locked);
    const size_t shown = listed < WATCH_LOCKS_SHOWN ? listed : WATCH_LOCKS_SHOWN;

    if (shown == 0) {
        return;
    }
    buf_printf(buf, "\nlocked    %" PRIu64 " %s waited for\n", total,
               total == 1 ? "tenant is" : "tenants are");
    for (size_t i = 0; i < shown; i++) {
        watch_locks_one(json_array_get(locked, i), style, now_ms, buf);
    }
    if (total > shown) {
        buf_printf(buf, "         and %" PRIu64 " more: skein lock list\n", total - shown);
    }
}
