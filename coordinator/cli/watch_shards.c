#include "coordinator/cli/watch_shards.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "coordinator/cli/field.h"

enum { WATCH_BAR_CELLS = 24, WATCH_BAR_CELLS_MIN = 8, WATCH_COLUMNS_BESIDE_BAR = 52 };

struct watch_shard {
    const char *name;
    const json_t *counts;
    uint64_t total, done, failed;
};

uint64_t watch_shards_done(const json_t *counts, bool dry_run)
{
    uint64_t done = field_u64(counts, "skipped") + field_u64(counts, "failed");

    if (dry_run) {
        done += field_u64(counts, "dry_run_passed");
    } else {
        done += field_u64(counts, "migrated") + field_u64(counts, "rolled_back");
    }
    uint64_t total = field_u64(counts, "total");
    return done > total ? total : done;
}

static int watch_shards_compare(const void *a, const void *b)
{
    const struct watch_shard *left = a;
    const struct watch_shard *right = b;
    const bool left_failed = left->failed > 0;
    const bool right_failed = right->failed > 0;
    const uint64_t left_rest = left->total - left->done;
    const uint64_t right_rest = right->total - right->done;

    if (left_failed != right_failed) {
        return left_failed ? -1 : 1;
    }
    /* Whether there is something left, not how much: the order should not change all the time. */
    if ((left_rest > 0) != (right_rest > 0)) {
        return left_rest > 0 ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static void watch_shards_line(const struct watch_shard *shard, const struct style *style,
                              int name_columns, size_t cells, struct buf *buf)
{
    const uint64_t percent = shard->total == 0 ? 100 : shard->done * 100 / shard->total;

    buf_printf(buf, " %-*s %6" PRIu64 " %6" PRIu64 " %5" PRIu64 " %5" PRIu64 " %5" PRIu64 "  ",
               name_columns, shard->name, shard->total, shard->done,
               field_u64(shard->counts, "running"), shard->failed,
               field_u64(shard->counts, "skipped"));
    style_bar(style, shard->done, shard->failed, shard->total, cells, buf);
    buf_printf(buf, " %3" PRIu64 "%%\n", percent);
}

static void watch_shards_fold(const struct watch_shard *shards, size_t count, struct buf *buf)
{
    size_t finished = 0;
    uint64_t total = 0;
    uint64_t done = 0;

    for (size_t i = 0; i < count; i++) {
        finished += shards[i].done == shards[i].total ? 1 : 0;
        total += shards[i].total;
        done += shards[i].done;
    }
    buf_printf(buf, " and %zu more shards: %zu finished, %" PRIu64 " of %" PRIu64 " tenants done\n",
               count, finished, done, total);
}

void watch_shards_draw(const json_t *rollout, const struct style *style, size_t lines_max,
                       struct buf *buf)
{
    const json_t *list = field_get(rollout, "shards");
    const size_t listed = json_array_size(list);
    CLEANUP(memory_free) struct watch_shard *shards = memory_alloc_array(listed, sizeof(*shards));
    size_t count = 0;
    const char *phase = field_text(rollout, "phase");
    const bool dry_run = strncmp(phase, "DRY_RUN", 7) == 0 || field_flag(rollout, "dry_run_only");
    int name_columns = 8;
    size_t cells = WATCH_BAR_CELLS;

    for (size_t i = 0; i < listed; i++) {
        const json_t *shard = json_array_get(list, i);
        const json_t *counts = field_get(shard, "counts");
        if (field_u64(counts, "total") == 0) {
            continue; /* none of its tenants is selected */
        }
        shards[count] = (struct watch_shard){ .name = field_text(shard, "shard"),
                                              .counts = counts,
                                              .total = field_u64(counts, "total"),
                                              .done = watch_shards_done(counts, dry_run),
                                              .failed = field_u64(counts, "failed") };
        int columns = (int)strlen(shards[count].name);
        name_columns = columns > name_columns ? columns : name_columns;
        count++;
    }
    if (count == 0) {
        return;
    }
    if (style->width > 0) {
        size_t beside = WATCH_COLUMNS_BESIDE_BAR - 8 + (size_t)name_columns;
        cells = style->width > beside + WATCH_BAR_CELLS_MIN ? style->width - beside
                                                            : WATCH_BAR_CELLS_MIN;
        cells = cells > WATCH_BAR_CELLS ? WATCH_BAR_CELLS : cells;
    }
    qsort(shards, count, sizeof(*shards), watch_shards_compare);
    size_t shown = count <= lines_max ? count : lines_max > 1 ? lines_max - 1 : 1;
    buf_printf(buf, "\n %-*s %6s %6s %5s %5s %5s  %s\n", name_columns, "shard", "total", "done",
               "run", "fail", "skip", dry_run ? "dry run" : "progress");
    for (size_t i = 0; i < shown; i++) {
        watch_shards_line(&shards[i], style, name_columns, cells, buf);
    }
    if (shown < count) {
        watch_shards_fold(&shards[shown], count - shown, buf);
    }
}
