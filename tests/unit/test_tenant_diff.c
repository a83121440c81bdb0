/* LIBS: agent_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "agent/decide/tenant_diff.h"
#include "common/core/limits.h"

static struct tenant_info tenant(const char *name, const struct set_version *version)
{
    return (struct tenant_info){ .name = name,
                                 .versions = version,
                                 .version_count = version == NULL ? 0 : 1 };
}

static const struct set_version old_version = { "billing", "0.1.0", "r1", 4, "", 0 };
static const struct set_version new_version = { "billing", "0.2.0", "r2", 9, "", 0 };

static void only_what_changed_is_reported(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct tenant_info before[] = { tenant("a", &old_version), tenant("b", &old_version),
                                          tenant("d", NULL) };
    const struct tenant_info now[] = { tenant("a", &old_version), tenant("b", &new_version),
                                       tenant("c", NULL) };
    struct tenant_report *reports;

    (void)state;
    assert_int_equal(tenant_diff(before, 3, now, 3, false, 8, &arena, &reports), 1);
    assert_false(reports[0].full);
    assert_true(reports[0].last);
    assert_int_equal(reports[0].refresh, 8);
    assert_int_equal(reports[0].tenant_count, 2);
    assert_string_equal(reports[0].tenants[0].name, "b");
    assert_string_equal(reports[0].tenants[1].name, "c");
    assert_int_equal(reports[0].removed_count, 1);
    assert_string_equal(reports[0].removed[0], "d");
}

static void nothing_new_is_still_an_answer(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct tenant_info now[] = { tenant("a", &old_version) };
    struct tenant_report *reports;

    (void)state;
    assert_int_equal(tenant_diff(now, 1, now, 1, false, 3, &arena, &reports), 1);
    assert_int_equal(reports[0].tenant_count, 0);
    assert_true(reports[0].last);
    assert_int_equal(reports[0].refresh, 3);
}

static void a_full_report_is_cut_into_messages(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    enum { COUNT = 2 * TENANTS_PER_MESSAGE_MAX + 1 };
    struct tenant_info *now = arena_alloc_array(&arena, COUNT, sizeof(*now));
    struct tenant_report *reports;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        now[i] = tenant(arena_printf(&arena, "t%06d", i), NULL);
    }
    assert_int_equal(tenant_diff(NULL, 0, now, COUNT, true, 1, &arena, &reports), 3);
    assert_true(reports[0].full && !reports[1].full && !reports[2].full);
    assert_true(!reports[0].last && !reports[1].last && reports[2].last);
    assert_int_equal(reports[0].refresh, 0); /* only the whole report answers */
    assert_int_equal(reports[2].refresh, 1);
    assert_int_equal(reports[2].tenant_count, 1);
}

static void tenants_with_many_long_labels_are_cut_sooner(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    enum { COUNT = 400 };
    struct tenant_info *now = arena_alloc_array(&arena, COUNT, sizeof(*now));
    struct label *labels = arena_alloc_array(&arena, LABELS_MAX, sizeof(*labels));
    char *value = arena_alloc(&arena, TEXT_BYTES_MAX + 1);
    struct tenant_report *reports;
    size_t total = 0;

    (void)state;
    for (int i = 0; i < TEXT_BYTES_MAX; i++) {
        value[i] = 'x';
    }
    for (int i = 0; i < LABELS_MAX; i++) {
        labels[i] = (struct label){ arena_printf(&arena, "key-%02d", i), value };
    }
    for (int i = 0; i < COUNT; i++) {
        now[i] = tenant(arena_printf(&arena, "t%06d", i), NULL);
        now[i].labels = (struct labels){ .items = labels, .count = LABELS_MAX };
    }
    size_t count = tenant_diff(NULL, 0, now, COUNT, true, 1, &arena, &reports);
    for (size_t i = 0; i < count; i++) {
        assert_true(reports[i].tenant_count > 0);
        assert_true(reports[i].tenant_count * LABELS_MAX * TEXT_BYTES_MAX < MESSAGE_BYTES_MAX);
        assert_true(reports[i].last == (i + 1 == count));
        total += reports[i].tenant_count;
    }
    assert_int_equal(total, COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_changed_is_reported),
        cmocka_unit_test(nothing_new_is_still_an_answer),
        cmocka_unit_test(a_full_report_is_cut_into_messages),
        cmocka_unit_test(tenants_with_many_long_labels_are_cut_sooner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
