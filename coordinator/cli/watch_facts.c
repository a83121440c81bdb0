#include "coordinator/cli/watch_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/measure_view.h"

/* How the numbers of a phase are called; NULL: not worth showing in it. */
static const char *watch_facts_label(const json_t *rollout, const char *key, const char *label)
{
    const bool dry_run = strncmp(field_text(rollout, "phase"), "DRY_RUN", 7) == 0 ||
                         field_flag(rollout, "dry_run_only");

    if (strcmp(key, "dry_run_passed") == 0) {
        return dry_run ? label : NULL; /* later it is all of them */
    }
    if (strcmp(key, "queued") == 0 && exit_code_phase_is_final(field_text(rollout, "phase"))) {
        return dry_run ? NULL : "not reached";
    }
    return label;
}

static void watch_facts_numbers(const json_t *rollout, const struct style *style, struct buf *buf)
{
    static const char *const keys[][2] = { { "total", "total" },
                                           { "queued", "queued" },
                                           { "running", "running" },
                                           { "migrated", "migrated" },
                                           { "skipped", "skipped" },
                                           { "failed", "failed" },
                                           { "unknown", "unknown" },
                                           { "rolled_back", "rolled back" },
                                           { "dry_run_passed", "dry run passed" } };
    const char *lead = "tenants  ";
    const char *reason;
    json_t *count;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const uint64_t number = field_u64(field_get(rollout, "counts"), keys[i][0]);
        const char *label = watch_facts_label(rollout, keys[i][0], keys[i][1]);
        if (label != NULL && (i == 0 || number > 0)) {
            buf_printf(buf, "%s%" PRIu64 " %s", lead, number, label);
            lead = style->utf8 ? " · " : ", ";
        }
    }
    buf_puts(buf, "\n");
    lead = "skipped  ";
    json_object_foreach(field_get(rollout, "skips"), reason, count)
    {
        buf_printf(buf, "%s%" JSON_INTEGER_FORMAT " %s", lead, json_integer_value(count), reason);
        lead = ", ";
    }
    buf_puts(buf, lead[0] == ',' ? "\n" : "");
}

static void watch_facts_budget(const json_t *rollout, struct buf *buf)
{
    const uint64_t number = field_u64(rollout, "max_failures");
    const uint64_t percent = field_u64(rollout, "max_failures_percent");

    buf_printf(buf, "policy %s", field_text(rollout, "policy"));
    if (percent > 0) {
        buf_printf(buf, " beyond %" PRIu64 "%% failures", percent);
    } else if (number > 0) {
        buf_printf(buf, " beyond %" PRIu64 " failures", number);
    }
    if (field_flag(rollout, "dry_run_only")) {
        buf_puts(buf, ", dry run only");
    }
}

void watch_facts_draw(const json_t *rollout, const struct style *style, int64_t now_ms,
                      struct buf *buf)
{
    char ago[STYLE_DURATION_BYTES];
    const int64_t started_ms = field_time_ms(rollout, "started_at");

    buf_puts(buf, "rollout  ");
    style_put(style, buf, TONE_BOLD, field_text(rollout, "id"));
    buf_printf(buf, "  %s %s %s  %s  ", field_text(rollout, "set"), style_arrow(style),
               field_text(rollout, "target"), field_text(rollout, "phase"));
    watch_facts_budget(rollout, buf);
    buf_puts(buf, "\nasked    by ");
    style_clean(field_text(rollout, "created_by"), buf);
    if (started_ms > 0 && now_ms >= started_ms) {
        buf_printf(buf, ", started %s ago",
                   style_duration((uint64_t)(now_ms - started_ms) / 1000 * 1000, ago));
    }
    if (field_text(rollout, "selector")[0] != '\0') {
        buf_puts(buf, ", tenants ");
        style_clean(field_text(rollout, "selector"), buf);
    }
    if (field_text(rollout, "reason")[0] != '\0') {
        buf_puts(buf, ", because: ");
        style_clean(field_text(rollout, "reason"), buf);
    }
    buf_puts(buf, "\n");
    watch_facts_numbers(rollout, style, buf);
    measure_view_line(rollout, buf);
}
