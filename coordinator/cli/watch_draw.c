#include "coordinator/cli/watch_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/core/clock.h"
#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/failure_group.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/watch_facts.h"
#include "coordinator/cli/watch_locks.h"
#include "coordinator/cli/watch_progress.h"
#include "coordinator/cli/watch_shards.h"

enum { WATCH_TEXT_BYTES = 1 << 20, WATCH_FIXED_LINES = 11, WATCH_GROUPS_MAX = 8 };
enum { WATCH_INDENT = 9 };

static bool watch_draw_is(const json_t *rollout, const char *phase)
{
    return strcmp(field_text(rollout, "phase"), phase) == 0;
}

static uint64_t watch_draw_count(const json_t *rollout, const char *key)
{
    return field_u64(field_get(rollout, "counts"), key);
}

/* ", 41.2/s, 1m 10s to 2m 00s left", as far as known. */
static void watch_draw_speed(const json_t *rollout, struct buf *buf)
{
    char from[STYLE_DURATION_BYTES];
    char to[STYLE_DURATION_BYTES];
    const double rate = field_real(rollout, "tasks_per_second");
    const uint64_t left_min_ms = field_u64(rollout, "left_min_ms");
    const uint64_t left_max_ms = field_u64(rollout, "left_max_ms");

    if (rate > 0) {
        buf_printf(buf, ", %.1f/s", rate);
    }
    if (left_max_ms > 0) {
        style_duration(left_min_ms, from);
        style_duration(left_max_ms, to);
        if (strcmp(from, to) == 0) {
            buf_printf(buf, ", %s left", to);
        } else {
            buf_printf(buf, ", %s to %s left", from, to);
        }
    }
}

static void watch_draw_progress(const json_t *rollout, struct buf *buf)
{
    const uint64_t total = watch_draw_count(rollout, "total");
    const uint64_t failed = watch_draw_count(rollout, "failed");

    if (watch_draw_is(rollout, "DRY_RUN")) {
        buf_printf(buf, "dry run, %" PRIu64 " of %" PRIu64 " tenants looked at",
                   watch_shards_done(field_get(rollout, "counts"), true), total);
    } else {
        buf_printf(buf, "%" PRIu64 " of %" PRIu64 " tenants done",
                   watch_shards_done(field_get(rollout, "counts"), false), total);
    }
    if (failed > 0) {
        buf_printf(buf, ", %" PRIu64 " failed", failed);
    }
}

static void watch_draw_took(const json_t *rollout, int64_t now_ms, struct buf *buf)
{
    char text[STYLE_DURATION_BYTES];
    const int64_t started_ms = field_time_ms(rollout, "started_at");
    const int64_t finished_ms = field_time_ms(rollout, "finished_at");
    const int64_t end_ms = finished_ms > 0 ? finished_ms : now_ms;

    if (watch_draw_count(rollout, "rolled_back") > 0 || watch_draw_is(rollout, "ROLLED_BACK")) {
        return; /* it was started by the migration, perhaps days before */
    }
    if (started_ms > 0 && end_ms >= started_ms) {
        const uint64_t ms = (uint64_t)(end_ms - started_ms);
        buf_printf(buf, " in %s", ms == 0 ? "less than 1s" : style_duration(ms, text));
    }
}

/* "98 migrated, 1 skipped, 1 failed": only what there is. */
static void watch_draw_outcomes(const json_t *rollout, struct buf *buf)
{
    static const char *const keys[][2] = {
        { "migrated", "migrated" },       { "skipped", "skipped" }, { "failed", "failed" },
        { "rolled_back", "rolled back" }, { "unknown", "unknown" }, { "queued", "not reached" }
    };
    const char *comma = "";

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        uint64_t count = watch_draw_count(rollout, keys[i][0]);
        if (count > 0) {
            buf_printf(buf, "%s%" PRIu64 " %s", comma, count, keys[i][1]);
            comma = ", ";
        }
        if (count > 0 && strcmp(keys[i][0], "skipped") == 0 && watch_locks_skipped(rollout) > 0) {
            buf_printf(buf, " (%" PRIu64 " locked)", watch_locks_skipped(rollout));
        }
    }
    buf_puts(buf, comma[0] == '\0' ? "nothing to do" : "");
}

static void watch_draw_moving(const json_t *rollout, const struct style *style, struct buf *buf)
{
    const char *waiting_for = field_text(rollout, "waiting_for");
    /* One tenant that somebody holds does not stop the others. */
    const bool goes_on = strncmp(waiting_for, "locked(", strlen("locked(")) == 0 &&
                         watch_draw_count(rollout, "running") > 0;

    if (waiting_for[0] != '\0' && !goes_on) {
        style_put(style, buf, TONE_WAIT, "waiting: ");
        style_clean(waiting_for, buf);
        if (watch_draw_count(rollout, "total") > 0) {
            buf_puts(buf, "; ");
            watch_draw_progress(rollout, buf);
        }
        return;
    }
    style_put(style, buf, TONE_GOOD, "moving: ");
    if (watch_draw_is(rollout, "PENDING")) {
        buf_puts(buf, "about to start");
        return;
    }
    watch_draw_progress(rollout, buf);
    watch_draw_speed(rollout, buf);
    if (goes_on) {
        buf_puts(buf, "; waiting for ");
        style_clean(waiting_for, buf);
    }
}

static void watch_draw_ended(const json_t *rollout, const struct style *style, int64_t now_ms,
                             struct buf *buf)
{
    const uint64_t failed = watch_draw_count(rollout, "failed");
    const char *reason = field_text(rollout, "phase_reason");

    if (watch_draw_is(rollout, "DRY_RUN_FAILED")) {
        style_put(style, buf, TONE_BAD, "stopped: ");
        buf_printf(buf,
                   "the dry run failed on %" PRIu64 " of %" PRIu64 " tenants; "
                   "nothing was changed",
                   failed, watch_draw_count(rollout, "total"));
        return;
    }
    if (watch_draw_is(rollout, "SUCCEEDED") && field_flag(rollout, "dry_run_only")) {
        style_put(style, buf, TONE_GOOD, "done: ");
        buf_printf(buf, "the dry run passed on %" PRIu64 " tenants",
                   watch_draw_count(rollout, "total"));
        watch_draw_took(rollout, now_ms, buf);
        buf_puts(buf, "; nothing was changed");
        return;
    }
    if (watch_draw_is(rollout, "SUCCEEDED")) {
        style_put(style, buf, failed > 0 ? TONE_BAD : TONE_GOOD, "done: ");
    } else if (watch_draw_is(rollout, "ROLLED_BACK")) {
        style_put(style, buf, TONE_WAIT,
                  watch_draw_count(rollout, "rolled_back") > 0 ? "undone: " : "nothing undone: ");
    } else {
        style_put(style, buf, TONE_BAD,
                  watch_draw_is(rollout, "ABORTED") ? "aborted: " : "failed: ");
    }
    if (watch_draw_count(rollout, "total") > 0) {
        watch_draw_outcomes(rollout, buf);
        watch_draw_took(rollout, now_ms, buf);
    } else {
        /* It took no time to do nothing. */
        buf_puts(buf, watch_draw_is(rollout, "ABORTED") ? "before any tenant was looked at"
                                                        : "no tenant is selected");
    }
    if (!watch_draw_is(rollout, "SUCCEEDED") && reason[0] != '\0') {
        buf_puts(buf, " (");
        style_clean(reason, buf);
        buf_puts(buf, ")");
    }
}

void watch_draw_headline(const json_t *rollout, const struct style *style, int64_t now_ms,
                         struct buf *buf)
{
    if (exit_code_phase_is_final(field_text(rollout, "phase"))) {
        watch_draw_ended(rollout, style, now_ms, buf);
        return;
    }
    if (!exit_code_phase_is_settled(field_text(rollout, "phase"))) {
        watch_draw_moving(rollout, style, buf);
        return;
    }
    const char *why = field_text(rollout, "waiting_for");
    if (why[0] == '\0') {
        why = field_text(rollout, "phase_reason");
    }
    style_put(style, buf, TONE_WAIT, "paused: waiting for you");
    if (why[0] != '\0') {
        buf_puts(buf, ": ");
        style_clean(why, buf);
    }
    if (watch_draw_count(rollout, "total") > 0) {
        buf_puts(buf, "; ");
        watch_draw_outcomes(rollout, buf);
    }
}

/* "SQL 23505 duplicate key ... (0.4.0__x.sql:14, statement 2)". */
static void watch_draw_cause(const json_t *error, struct buf *buf)
{
    const char *file = field_text(error, "file");

    buf_puts(buf, field_text(error, "code"));
    if (field_text(error, "sqlstate")[0] != '\0') {
        buf_printf(buf, " %s", field_text(error, "sqlstate"));
    }
    buf_puts(buf, "  ");
    style_clean(field_text(error, "message"), buf);
    if (file[0] != '\0') {
        buf_puts(buf, "  (");
        style_clean(file, buf);
        if (field_u64(error, "line") > 0) {
            buf_printf(buf, ":%" PRIu64, field_u64(error, "line"));
        }
        if (field_u64(error, "statement") > 0) {
            buf_printf(buf, ", statement %" PRIu64, field_u64(error, "statement"));
        }
        buf_puts(buf, ")");
    }
}

/* What the server, or skein, said besides of the first of them; a live picture has no room. */
static void watch_draw_more(const json_t *error, const struct style *style, struct buf *buf)
{
    static const char *const keys[] = { "detail", "hint" };

    for (size_t i = 0; i < COUNT_OF(keys) && style->height == 0; i++) {
        if (field_text(error, keys[i])[0] != '\0') {
            buf_puts(buf, "\n         ");
            style_clean(field_text(error, keys[i]), buf);
        }
    }
}

static void watch_draw_group(const struct failure_group *group, const struct style *style,
                             struct buf *buf)
{
    char count[32];
    const char *advice = failure_group_advice(group);

    snprintf(count, sizeof(count), "%6zu", group->count);
    style_put(style, buf, TONE_BAD, count);
    buf_puts(buf, " x ");
    watch_draw_cause(group->example, buf);
    buf_puts(buf, "\n         ");
    for (size_t i = 0; i < group->tenant_count; i++) {
        buf_puts(buf, i > 0 ? ", " : "");
        style_clean(group->tenants[i], buf);
    }
    if (group->count > group->tenant_count) {
        buf_printf(buf, " and %zu more", group->count - group->tenant_count);
    }
    watch_draw_more(group->example, style, buf);
    if (advice[0] != '\0') {
        buf_puts(buf, "\n         ");
        style_put(style, buf, TONE_DIM, advice);
    }
    buf_puts(buf, "\n");
}

/* Errors of the rollout's own hooks stand among those of tenants, as hooks/NAME. */
static size_t watch_draw_count_hooks(const json_t *errors)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *tenant = field_text(json_array_get(errors, i), "tenant");

        count += strncmp(tenant, "hooks/", strlen("hooks/")) == 0 ? 1 : 0;
    }
    return count;
}

void watch_draw_failures(const json_t *rollout, const struct style *style, size_t groups_max,
                         struct buf *buf)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const json_t *errors = field_get(rollout, "errors");
    const size_t listed = json_array_size(errors);
    const struct failure_groups groups = failure_group_make(errors, &arena);

    if (groups.count == 0) {
        return;
    }
    const size_t hooks = watch_draw_count_hooks(errors);
    buf_printf(buf, "\nfailures  ");
    if (listed > hooks) {
        buf_printf(buf, "%zu %s", listed - hooks, listed - hooks == 1 ? "tenant" : "tenants");
    }
    if (hooks > 0) {
        buf_printf(buf, "%s%zu hook%s", listed > hooks ? " and " : "", hooks,
                   hooks == 1 ? "" : "s");
    }
    buf_printf(buf, " of %zu cause%s\n", groups.count, groups.count == 1 ? "" : "s");
    for (size_t i = 0; i < groups.count && i < groups_max; i++) {
        watch_draw_group(&groups.items[i], style, buf);
    }
    if (groups.count > groups_max) {
        buf_printf(buf, "         %zu more causes: skein rollout report %s\n",
                   groups.count - groups_max, field_text(rollout, "id"));
    }
}

/* Which verbs make sense in a phase; %s is the id. */
static const struct {
    const char *phase;
    const char *verbs[4];
} watch_draw_verbs[] = {
    { "PENDING", { "pause", "abort" } },
    { "DRY_RUN", { "pause", "abort" } },
    { "RUNNING", { "pause", "abort" } },
    { "ROLLING_BACK", { "pause", "abort" } },
    { "PAUSED", { "resume", "retry", "abort", "report" } },
    { "DRY_RUN_FAILED", { "retry", "report" } },
    { "FAILED", { "retry", "rollback", "abort", "report" } },
    { "ABORTED", { "rollback", "report" } },
    { "ROLLED_BACK", { "report" } },
    { "SUCCEEDED", { "retry", "report" } },
};

void watch_draw_next(const json_t *rollout, const struct style *style, struct buf *buf)
{
    const char *lead = "\nnext      ";
    /* A rollback that failed may be tried again, or given up. */
    const bool back = field_text(rollout, "rollback")[0] != '\0';
    const bool failed = watch_draw_is(rollout, "FAILED");
    const bool again = watch_draw_count(rollout, "failed") > 0 ||
                       (watch_locks_skipped(rollout) > 0 && !field_flag(rollout, "dry_run_only"));

    for (size_t i = 0; i < COUNT_OF(watch_draw_verbs); i++) {
        if (!watch_draw_is(rollout, watch_draw_verbs[i].phase)) {
            continue;
        }
        for (size_t j = 0; j < COUNT_OF(watch_draw_verbs[i].verbs); j++) {
            const char *verb = watch_draw_verbs[i].verbs[j];
            if (verb == NULL || (strcmp(verb, "retry") == 0 && !again) ||
                (strcmp(verb, "abort") == 0 && failed && !back) ||
                (strcmp(verb, "rollback") == 0 && !back &&
                 watch_draw_count(rollout, "migrated") == 0)) {
                continue;
            }
            buf_printf(buf, "%sskein rollout %s %s", lead, verb, field_text(rollout, "id"));
            lead = style->utf8 ? "  ·  " : "  |  ";
        }
    }
    if (watch_draw_is(rollout, "ABORTED")) {
        buf_printf(buf, "%sskein rollout start %s --to %s", lead, field_text(rollout, "set"),
                   field_text(rollout, "target"));
        if (field_text(rollout, "selector")[0] != '\0') {
            buf_printf(buf, " --tenants '%s'", field_text(rollout, "selector"));
        }
    }
    buf_puts(buf, "\n");
}

static size_t watch_draw_line_count(const struct buf *buf)
{
    size_t count = 0;

    for (const char *c = buf_text(buf); *c != '\0'; c++) {
        count += *c == '\n' ? 1 : 0;
    }
    return count;
}

/* A very small terminal loses the end of the picture; its last line is the cursor's. */
static void watch_draw_clip(const struct style *style, struct buf *text)
{
    size_t lines = 0;

    for (size_t i = 0; style->height > 1 && i < text->size; i++) {
        lines += text->data[i] == '\n' ? 1 : 0;
        if (lines == style->height - 1) {
            text->size = i + 1;
            text->data[text->size] = '\0';
            return;
        }
    }
}

void watch_draw_status(const json_t *rollout, const struct style *style, int64_t now_ms,
                       struct buf *buf)
{
    CLEANUP(buf_release) struct buf text = { .size_max = WATCH_TEXT_BYTES };
    CLEANUP(buf_release) struct buf troubles = { .size_max = WATCH_TEXT_BYTES };
    size_t groups_max = WATCH_GROUPS_MAX;
    size_t shards_max = WATCH_SHARDS_SHOWN;

    watch_progress_draw(rollout, &troubles);
    watch_locks_draw(rollout, style, now_ms, &troubles);
    /* On a terminal the picture has to fit: causes get up to half of what is left, shards the rest,
     * since a picture that scrolls cannot be drawn again in its place. */
    if (style->height > 0) {
        size_t room = style->height > WATCH_FIXED_LINES ? style->height - WATCH_FIXED_LINES : 2;
        groups_max = room / 2 / 3 < 1 ? 1 : room / 2 / 3;
        groups_max = groups_max > WATCH_GROUPS_MAX ? WATCH_GROUPS_MAX : groups_max;
        watch_draw_failures(rollout, style, groups_max, &troubles);
        size_t used = watch_draw_line_count(&troubles);
        shards_max = room > used ? room - used : 1;
        shards_max = shards_max > WATCH_SHARDS_SHOWN ? WATCH_SHARDS_SHOWN : shards_max;
    } else {
        watch_draw_failures(rollout, style, groups_max, &troubles);
    }
    watch_draw_headline(rollout, style, now_ms, &text);
    buf_puts(&text, "\n");
    watch_facts_draw(rollout, style, now_ms, &text);
    if (style->height == 0) { /* it may scroll, so nothing of it has to be lost */
        style_fold_lines(style, buf_text(&text), WATCH_INDENT, buf);
        buf_clear(&text);
    }
    watch_shards_draw(rollout, style, shards_max, &text);
    if (style->height == 0) {
        style_cut_lines(style, buf_text(&text), buf);
        buf_clear(&text);
    }
    buf_puts(&text, buf_text(&troubles));
    watch_draw_next(rollout, style, &text);
    if (style->height == 0) {
        style_fold_lines(style, buf_text(&text), WATCH_INDENT, buf);
        return;
    }
    watch_draw_clip(style, &text);
    style_cut_lines(style, buf_text(&text), buf);
}

void watch_draw_line(const json_t *rollout, int64_t now_ms, struct buf *buf)
{
    static const char *const keys[] = { "total",    "queued",      "running",
                                        "migrated", "skipped",     "failed",
                                        "unknown",  "rolled_back", "dry_run_passed" };
    char time_text[CLOCK_TEXT_BYTES];

    clock_format_wall(now_ms, time_text);
    buf_printf(buf, "%s rollout=%s set=%s target=%s phase=%s", time_text, field_text(rollout, "id"),
               field_text(rollout, "set"), field_text(rollout, "target"),
               field_text(rollout, "phase"));
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        buf_printf(buf, " %s=%" PRIu64, keys[i], watch_draw_count(rollout, keys[i]));
    }
    buf_printf(buf, " rate=%.1f", field_real(rollout, "tasks_per_second"));
    if (field_u64(rollout, "left_max_ms") > 0) {
        buf_printf(buf, " left_s=%" PRIu64 "-%" PRIu64, field_u64(rollout, "left_min_ms") / 1000,
                   field_u64(rollout, "left_max_ms") / 1000);
    }
    if (field_text(rollout, "waiting_for")[0] != '\0') {
        buf_puts(buf, " waiting_for=\"");
        style_clean(field_text(rollout, "waiting_for"), buf);
        buf_puts(buf, "\"");
    }
    buf_puts(buf, "\n");
}
