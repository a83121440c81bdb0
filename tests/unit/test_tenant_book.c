/* LIBS: agent_shell */
/* What an agent knows of its tenants, and what it tells of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/tenant_book.h"

/* ---- a line that only listens ---- */

enum { HEARD_MAX = 16 };
static struct {
    size_t reports, tenants;
    bool full;
    char versions[HEARD_MAX][32]; /* of the tenants in the last report */
} heard;

void line_send(struct line *line, const struct agent_message *message)
{
    (void)line;
    assert_int_equal(message->kind, AGENT_MESSAGE_TENANTS);
    heard.reports++;
    heard.full = message->tenants.full;
    heard.tenants = message->tenants.tenant_count;
    for (size_t i = 0; i < heard.tenants; i++) {
        const struct tenant_info *tenant = &message->tenants.tenants[i];
        assert_true(tenant->version_count <= 1);
        snprintf(heard.versions[i], sizeof(heard.versions[i]), "%s=%s", tenant->name,
                 tenant->version_count == 0 ? "" : tenant->versions[0].version);
    }
}

static struct line *const the_line = (struct line *)(uintptr_t)&heard; /* never looked into */

/* ---- */

/* Tenants "a" and "b", both at `version`. */
static void read_at(struct tenant_book *book, const char *version, uint64_t number,
                    uint64_t started_ms, struct line *line)
{
    struct tenants_snapshot snapshot = { 0 };
    struct tenant_info *items = arena_alloc_array(&snapshot.arena, 2, sizeof(*items));

    for (size_t i = 0; i < 2; i++) {
        struct set_version *row = arena_alloc(&snapshot.arena, sizeof(*row));
        *row = (struct set_version){
            .set = "billing", .version = version, .rollout = "r0", .undone = ""
        };
        items[i] =
            (struct tenant_info){ .name = i == 0 ? "a" : "b", .versions = row, .version_count = 1 };
    }
    snapshot.items = items;
    snapshot.count = 2;
    const struct tenant_reading reading = { .snapshot = &snapshot,
                                            .number = number,
                                            .started_ms = started_ms };
    tenant_book_put(book, &reading, line);
}

static void note(struct tenant_book *book, const char *tenant, const char *version, uint64_t now_ms)
{
    const struct task_result result = { .rollout = "r1",
                                        .mode = TASK_RUN,
                                        .tenant = tenant,
                                        .token = 9,
                                        .outcome = TASK_SUCCEEDED,
                                        .version = version };

    tenant_book_note(book, &result, "billing", now_ms);
}

static void a_new_leader_hears_what_was_done_since_the_tenants_were_read(void **state)
{
    struct tenant_book *book = tenant_book_new();

    (void)state;
    read_at(book, "0.1.0", 0, 100, NULL);
    note(book, "b", "0.2.0", 200);
    tenant_book_welcome(book, the_line);
    assert_true(heard.full);
    assert_int_equal(heard.tenants, 2);
    assert_string_equal(heard.versions[0], "a=0.1.0");
    assert_string_equal(heard.versions[1], "b=0.2.0");
    tenant_book_free(&book);
}

static void a_reading_that_began_before_does_not_take_it_back(void **state)
{
    struct tenant_book *book = tenant_book_new();

    (void)state;
    read_at(book, "0.1.0", 0, 100, NULL);
    tenant_book_welcome(book, the_line);
    note(book, "b", "0.2.0", 200);
    read_at(book, "0.1.0", 0, 150, the_line); /* it may have looked before the commit */
    assert_false(heard.full);
    assert_int_equal(heard.tenants, 0);
    read_at(book, "0.1.0", 0, 300, the_line); /* it looked after it: somebody has restored it */
    assert_int_equal(heard.tenants, 1);
    assert_string_equal(heard.versions[0], "b=0.1.0");
    tenant_book_free(&book);
}

static void after_another_agent_only_a_new_reading_counts(void **state)
{
    struct tenant_book *book = tenant_book_new();

    (void)state;
    read_at(book, "0.1.0", 0, 100, NULL);
    tenant_book_distrust(book, 1);
    heard.reports = 0;
    tenant_book_welcome(book, the_line);
    read_at(book, "0.1.0", 0, 150, the_line); /* begun before the session */
    assert_int_equal(heard.reports, 0);
    read_at(book, "0.2.0", 1, 250, the_line);
    assert_int_equal(heard.reports, 1);
    assert_true(heard.full);
    assert_string_equal(heard.versions[0], "a=0.2.0");
    tenant_book_free(&book);
}

static void dry_runs_failures_and_dropped_tenants_change_nothing(void **state)
{
    struct tenant_book *book = tenant_book_new();
    struct task_result result = { .rollout = "r1",
                                  .mode = TASK_DRY_RUN,
                                  .tenant = "a",
                                  .outcome = TASK_SUCCEEDED,
                                  .version = "0.2.0" };

    (void)state;
    read_at(book, "0.1.0", 0, 100, NULL);
    tenant_book_note(book, &result, "billing", 200);
    result.mode = TASK_RUN;
    result.outcome = TASK_FAILED;
    tenant_book_note(book, &result, "billing", 200);
    note(book, "gone", "0.2.0", 200);
    tenant_book_welcome(book, the_line);
    assert_string_equal(heard.versions[0], "a=0.1.0");
    assert_int_equal(tenant_book_count(book), 2);
    tenant_book_free(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_leader_hears_what_was_done_since_the_tenants_were_read),
        cmocka_unit_test(a_reading_that_began_before_does_not_take_it_back),
        cmocka_unit_test(after_another_agent_only_a_new_reading_counts),
        cmocka_unit_test(dry_runs_failures_and_dropped_tenants_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
