/* LIBS: coordinator_cli */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/cli/failure_group.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/rollout_shape.h"
#include "coordinator/cli/watch_draw.h"

static const struct style plain = { .utf8 = true };

/* 12:00:30 on the day on which the fixtures start at 12:00:00. */
static const int64_t now_ms = 1769860830000;

/* A rollout as the coordinator sends it, with its phase, counts and whatever else differs. */
static json_t *rollout_of(const char *phase, const char *counts, const char *more)
{
    char text[8192];
    json_error_t problem;

    snprintf(text, sizeof(text),
             "{\"id\": \"r7f3a\", \"set\": \"billing\", \"digest\": \"sha256:00\","
             " \"target\": \"0.4.3\", \"phase\": \"%s\", \"waiting_for\": \"\","
             " \"policy\": \"pause\", \"counts\": {%s}, \"errors\": [], \"warnings\": [],"
             " \"started_at\": \"2026-01-31T12:00:00Z\", \"finished_at\": null,"
             " \"spec\": {\"created_by\": \"cert:ana\", \"kind\": \"migrate\"},"
             " \"skips\": [], \"shards\": [] %s %s}",
             phase, counts, more[0] != '\0' ? "," : "", more);
    json_t *message = json_loads(text, 0, &problem);
    if (message == NULL) {
        fail_msg("fixture: %s", problem.text);
    }
    json_t *shaped = rollout_shape(message);
    json_decref(message);
    return shaped;
}

static void check_headline(const char *phase, const char *counts, const char *more,
                           const char *expected)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    json_t *rollout = rollout_of(phase, counts, more);

    watch_draw_headline(rollout, &plain, now_ms, &text);
    assert_string_equal(buf_text(&text), expected);
    json_decref(rollout);
}

static void the_first_line_says_whether_it_moves_waits_or_is_broken(void **state)
{
    (void)state;
    check_headline("PENDING", "\"total\": 0", "", "moving: about to start");
    check_headline("DRY_RUN", "\"total\": 100, \"dry_run_passed\": 40, \"skipped\": 3",
                   "\"tasks_per_second\": 41.25, \"left_min_ms\": 10000, \"left_max_ms\": 20000",
                   "moving: dry run, 43 of 100 tenants looked at, 41.2/s, 10s to 20s left");
    check_headline("RUNNING", "\"total\": 100, \"migrated\": 98, \"failed\": 1", "",
                   "moving: 99 of 100 tenants done, 1 failed");
    check_headline("RUNNING", "\"total\": 100, \"migrated\": 60",
                   "\"waiting_for\": \"agent-offline(eu-2)\"",
                   "waiting: agent-offline(eu-2); 60 of 100 tenants done");
    check_headline("RUNNING", "\"total\": 100, \"migrated\": 60, \"running\": 2",
                   "\"waiting_for\": \"locked(eu-1/t_2 by ana)\"",
                   "moving: 60 of 100 tenants done; waiting for locked(eu-1/t_2 by ana)");
    check_headline("RUNNING", "\"total\": 100, \"migrated\": 99",
                   "\"waiting_for\": \"locked(eu-1/t_2 by ana)\"",
                   "waiting: locked(eu-1/t_2 by ana); 99 of 100 tenants done");
    check_headline("PAUSED", "\"total\": 100, \"migrated\": 60, \"failed\": 1, \"queued\": 39",
                   "\"waiting_for\": \"operator(paused: failure budget 1/0)\"",
                   "paused: waiting for you: operator(paused: failure budget 1/0); 60 migrated, "
                   "1 failed, 39 not reached");
    check_headline("DRY_RUN_FAILED", "\"total\": 100, \"failed\": 1", "",
                   "stopped: the dry run failed on 1 of 100 tenants; nothing was changed");
    check_headline("SUCCEEDED", "\"total\": 100, \"migrated\": 98, \"skipped\": 2",
                   "\"finished_at\": \"2026-01-31T12:00:12Z\"",
                   "done: 98 migrated, 2 skipped in 12s");
    check_headline("SUCCEEDED", "\"total\": 0", "\"finished_at\": \"2026-01-31T12:00:01Z\"",
                   "done: no tenant is selected");
    check_headline("ABORTED", "\"total\": 0",
                   "\"finished_at\": \"2026-01-31T12:00:01Z\", \"phase_reason\": \"by ana\"",
                   "aborted: before any tenant was looked at (by ana)");
    check_headline("PAUSED", "\"total\": 0", "\"phase_reason\": \"by ana\"",
                   "paused: waiting for you: by ana");
    check_headline("SUCCEEDED", "\"total\": 3, \"migrated\": 1, \"skipped\": 2",
                   "\"finished_at\": \"2026-01-31T12:00:12Z\","
                   " \"skips\": [{\"code\": \"TENANT_LOCKED\", \"count\": 1}]",
                   "done: 1 migrated, 2 skipped (1 locked) in 12s");
    check_headline("ABORTED", "\"total\": 2, \"migrated\": 1, \"queued\": 1",
                   "\"finished_at\": \"2026-01-31T12:00:12Z\", \"phase_reason\": \"by ana\"",
                   "aborted: 1 migrated, 1 not reached in 12s (by ana)");
    check_headline("ROLLED_BACK", "\"total\": 2, \"skipped\": 2",
                   "\"phase_reason\": \"every tenant is where it was\"",
                   "nothing undone: 2 skipped (every tenant is where it was)");
}

static const char errors_text[] =
    "\"errors\": ["
    "{\"tenant\": \"eu-1/t_7\", \"mode\": \"run\", \"code\": \"SQL\", \"sqlstate\": \"42701\","
    " \"message\": \"column \\\"due\\\" of relation \\\"t_7\\\" exists, 3 rows\","
    " \"file\": \"0.4.0__x.sql\", \"statement\": 2, \"line\": 14},"
    "{\"tenant\": \"eu-1/t_8\", \"mode\": \"run\", \"code\": \"LOCK_TIMEOUT\", \"sqlstate\": "
    "\"55P03\","
    " \"message\": \"canceling statement\", \"file\": \"\", \"statement\": 0, \"line\": 0},"
    "{\"tenant\": \"eu-2/acme\", \"mode\": \"run\", \"code\": \"SQL\", \"sqlstate\": \"42701\","
    " \"message\": \"column \\\"due\\\" of relation \\\"acme\\\" exists, 88 rows\","
    " \"file\": \"0.4.0__x.sql\", \"statement\": 2, \"line\": 14}]";

static void failures_with_one_cause_are_one_group(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    json_t *rollout = rollout_of("RUNNING", "\"total\": 5, \"failed\": 3", errors_text);

    (void)state;
    const struct failure_groups groups = failure_group_make(field_get(rollout, "errors"), &arena);
    assert_int_equal(groups.count, 2);
    assert_int_equal(groups.items[0].count, 2);
    assert_string_equal(groups.items[0].tenants[0], "eu-1/t_7");
    assert_string_equal(groups.items[0].tenants[1], "eu-2/acme");
    assert_int_equal(groups.items[1].count, 1);
    assert_string_not_equal(failure_group_advice(&groups.items[0]), "");
    json_decref(rollout);
}

static const char shards_text[] =
    "\"shards\": ["
    "{\"shard\": \"eu-1\", \"counts\": {\"total\": 60, \"migrated\": 60}},"
    "{\"shard\": \"eu-2\", \"counts\": {\"total\": 40, \"migrated\": 10, \"running\": 8}},"
    "{\"shard\": \"us-1\", \"counts\": {\"total\": 10, \"migrated\": 9, \"failed\": 1}}]";

static void the_whole_picture(void **state)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    char more[4096];

    (void)state;
    snprintf(more, sizeof(more), "%s, %s", errors_text, shards_text);
    json_t *rollout = rollout_of(
        "PAUSED", "\"total\": 110, \"migrated\": 79, \"failed\": 3, \"queued\": 28", more);
    watch_draw_status(rollout, &plain, now_ms, &text);
    assert_string_equal(
        buf_text(&text),
        "paused: waiting for you; 79 migrated, 3 failed, 28 not reached\n"
        "rollout  r7f3a  billing → 0.4.3  PAUSED  policy pause\n"
        "asked    by cert:ana, started 30s ago\n"
        "tenants  110 total · 28 queued · 79 migrated · 3 failed\n"
        "\n"
        " shard     total   done   run  fail  skip  progress\n"
        " us-1         10     10     0     1     0  ████████████████████████ 100%\n"
        " eu-2         40     10     8     0     0  ██████··················  25%\n"
        " eu-1         60     60     0     0     0  ████████████████████████ 100%\n"
        "\n"
        "failures  3 tenants of 2 causes\n"
        "     2 x SQL 42701  column \"due\" of relation \"t_7\" exists, 3 rows  "
        "(0.4.0__x.sql:14, statement 2)\n"
        "         eu-1/t_7, eu-2/acme\n"
        "         it exists already: changed by hand? compare with a healthy tenant\n"
        "     1 x LOCK_TIMEOUT 55P03  canceling statement\n"
        "         eu-1/t_8\n"
        "         live traffic held the lock: retry at a quieter time\n"
        "\n"
        "next      skein rollout resume r7f3a  ·  skein rollout retry r7f3a  ·  "
        "skein rollout abort r7f3a  ·  skein rollout report r7f3a\n");
    json_decref(rollout);
}

/* Many shards, many causes: still no more lines than the terminal has, none wider. */
static void a_picture_fits_its_terminal(void **state)
{
    static const size_t heights[] = { 12, 24, 50 };
    json_t *rollout = rollout_of("RUNNING", "\"total\": 5000, \"failed\": 300, \"running\": 1",
                                 "\"waiting_for\": \"x\"");

    (void)state;
    for (int i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "shard-%d", i);
        json_array_append_new(field_get(rollout, "shards"),
                              json_pack("{s:s, s:{s:i, s:i}}", "shard", name, "counts", "total",
                                        100, "migrated", i % 101));
        snprintf(name, sizeof(name), "%c%c", 'a' + i % 26, 'a' + i / 26);
        json_array_append_new(
            field_get(rollout, "errors"),
            json_pack("{s:s, s:s, s:s}", "tenant", "s/t", "code", "SQL", "message", name));
    }
    for (size_t i = 0; i < COUNT_OF(heights); i++) {
        CLEANUP(buf_release) struct buf text = { .size_max = 1 << 20 };
        const struct style small = {
            .utf8 = true, .color = true, .width = 60, .height = heights[i]
        };
        size_t lines = 0;
        watch_draw_status(rollout, &small, now_ms, &text);
        for (char *line = text.data; *line != '\0'; lines++) {
            char *end = strchr(line, '\n');
            *end = '\0';
            assert_true(style_columns(line) <= 60);
            line = end + 1;
        }
        if (lines >= heights[i]) {
            fail_msg("%zu lines on a terminal of %zu", lines, heights[i]);
        }
    }
    json_decref(rollout);
}

/* What is printed once may scroll: nothing of it is cut, and it has what skein said besides. */
static void what_is_printed_once_loses_nothing_on_a_narrow_terminal(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    const struct style narrow = { .utf8 = true, .width = 60 };
    const struct style live = { .utf8 = true, .width = 60, .height = 24 };
    json_t *rollout =
        rollout_of("DRY_RUN_FAILED", "\"total\": 1, \"failed\": 1",
                   "\"errors\": [{\"tenant\": \"eu-1/t_1\", \"mode\": \"dry_run\","
                   " \"code\": \"LINT\", \"message\": \"orders (190 MB): every row is"
                   " looked at while nobody can read or write the table\","
                   " \"hint\": \"Safe: ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0) NOT"
                   " VALID;\", \"file\": \"0.2.0__x.sql\", \"line\": 1, \"statement\": 1}]");

    watch_draw_status(rollout, &narrow, now_ms, &text);
    assert_non_null(strstr(buf_text(&text),
                           "\n     1 x LINT  orders (190 MB): every row is looked at while\n"
                           "         nobody can read or write the table\n"
                           "         (0.2.0__x.sql:1, statement 1)\n"
                           "         eu-1/t_1\n"
                           "         Safe: ALTER TABLE orders ADD CONSTRAINT c CHECK (a\n"
                           "         > 0) NOT VALID;\n"));
    buf_clear(&text);
    watch_draw_status(rollout, &live, now_ms, &text);
    assert_null(strstr(buf_text(&text), "Safe:")); /* it is drawn again in its place */
    json_decref(rollout);
}

static void a_log_line_can_be_searched(void **state)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    json_t *rollout = rollout_of("RUNNING", "\"total\": 100, \"migrated\": 98, \"queued\": 2",
                                 "\"waiting_for\": \"agent-offline(eu-2)\", "
                                 "\"left_min_ms\": 1000, \"left_max_ms\": 9000");

    (void)state;
    watch_draw_line(rollout, now_ms, &text);
    assert_string_equal(buf_text(&text),
                        "2026-01-31T12:00:30Z rollout=r7f3a set=billing target=0.4.3 "
                        "phase=RUNNING total=100 queued=2 running=0 migrated=98 skipped=0 failed=0 "
                        "unknown=0 rolled_back=0 dry_run_passed=0 rate=0.0 left_s=1-9 "
                        "waiting_for=\"agent-offline(eu-2)\"\n");
    json_decref(rollout);
}

static void foreign_text_cannot_move_the_cursor(void **state)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    json_t *rollout = rollout_of("RUNNING", "\"total\": 1, \"failed\": 1",
                                 "\"waiting_for\": \"\\u001b[2J\", \"errors\": [{\"tenant\": "
                                 "\"a\\u001b]0;x\", \"code\": \"SQL\", \"message\": \"m\\r\\n\"}]");

    (void)state;
    watch_draw_status(rollout, &plain, now_ms, &text);
    assert_null(strchr(buf_text(&text), '\033'));
    assert_null(strchr(buf_text(&text), '\r'));
    json_decref(rollout);
}

static void who_holds_a_tenant_is_told_with_the_reason_and_the_time_left(void **state)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    json_t *rollout = rollout_of(
        "RUNNING", "\"total\": 9",
        "\"waiting_for\": \"locked(eu-1/t_2 by ana, eu-1/t_3 by r2)\", \"locked_total\": 6,"
        " \"locked\": [{\"tenant\": \"eu-1/t_2\", \"owner\": \"ana\", \"reason\": \"a restore\","
        " \"rollout\": \"\", \"locked_at\": \"2026-01-31T11:56:25Z\","
        " \"skip_at\": \"2026-01-31T12:00:37Z\"},"
        " {\"tenant\": \"eu-1/t_3\", \"owner\": \"rollout\", \"reason\": \"\","
        " \"rollout\": \"r2\", \"locked_at\": \"2026-01-31T12:00:28Z\", \"skip_at\": null}]");

    (void)state;
    watch_draw_status(rollout, &plain, now_ms, &text);
    assert_non_null(strstr(buf_text(&text),
                           "\nlocked    6 tenants are waited for\n"
                           "         eu-1/t_2  by ana for 4m 05s: a restore  (skipped in 7s)\n"
                           "         eu-1/t_3  at work in rollout r2 for 2s\n"
                           "         and 4 more: skein lock list\n"));
    json_decref(rollout);
}

static void how_far_a_long_operation_is_is_told(void **state)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    json_t *rollout =
        rollout_of("RUNNING", "\"total\": 9",
                   "\"progress\": [{\"tenant\": \"eu-1/t_2\", \"done\": 50, \"total\": 200,"
                   " \"words\": \"20_fill: 10 rows/s, about 15s left\"},"
                   " {\"tenant\": \"eu-1/t_3\", \"done\": 7, \"total\": 0, \"words\": \"x\"}]");

    (void)state;
    watch_draw_status(rollout, &plain, now_ms, &text);
    assert_non_null(strstr(buf_text(&text),
                           "\nrunning   2 long operations\n"
                           "         eu-1/t_2  25%  50 of about 200  20_fill: 10 rows/s, about 15s "
                           "left\n"
                           "         eu-1/t_3  7  x\n"));
    json_decref(rollout);
}

static void the_shape_is_the_one_that_is_promised(void **state)
{
    static const char *const keys[] = { "id",       "set",         "digest",     "target",
                                        "phase",    "policy",      "counts",     "errors",
                                        "warnings", "waiting_for", "started_at", "finished_at" };
    static const char *const counts[] = { "total",   "queued", "running", "migrated",
                                          "skipped", "failed", "unknown", "rolled_back" };
    json_t *rollout = rollout_of("RUNNING", "\"total\": 1", errors_text);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        assert_non_null(field_get(rollout, keys[i]));
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        assert_true(json_is_integer(field_get(field_get(rollout, "counts"), counts[i])));
    }
    assert_true(json_is_null(field_get(rollout, "finished_at")));
    const json_t *error = json_array_get(field_get(rollout, "errors"), 0);
    assert_string_equal(field_text(error, "mode"), "run");
    assert_int_equal(field_u64(error, "line"), 14);
    json_decref(rollout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_says_whether_it_moves_waits_or_is_broken),
        cmocka_unit_test(failures_with_one_cause_are_one_group),
        cmocka_unit_test(the_whole_picture),
        cmocka_unit_test(who_holds_a_tenant_is_told_with_the_reason_and_the_time_left),
        cmocka_unit_test(a_picture_fits_its_terminal),
        cmocka_unit_test(what_is_printed_once_loses_nothing_on_a_narrow_terminal),
        cmocka_unit_test(a_log_line_can_be_searched),
        cmocka_unit_test(foreign_text_cannot_move_the_cursor),
        cmocka_unit_test(how_far_a_long_operation_is_is_told),
        cmocka_unit_test(the_shape_is_the_one_that_is_promised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
