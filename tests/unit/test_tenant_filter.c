/* LIBS: agent_decide skein_wire */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/decide/tenant_filter.h"
#include "common/core/limits.h"
#include "common/wire/wire.h"

/* What the coordinator's side of the wire says to a report of these. */
static bool wire_takes(const struct tenant_info *tenants, size_t count)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct agent_message message = {
        .kind = AGENT_MESSAGE_TENANTS,
        .tenants = { .full = true, .last = true, .tenants = tenants, .tenant_count = count }
    };
    struct agent_message decoded;
    struct error err = { 0 };

    return wire_decode_agent_message(wire_encode_agent_message(&message, &arena), &arena, &decoded,
                                     &err);
}

static void what_the_wire_refuses_is_left_out(void **state)
{
    static const struct label bad_key[] = { { "a\nb", "c" } };
    static const struct label empty_key[] = { { "", "c" } };
    static const struct set_version bad_set[] = { { "a/b", "0.1.0", "r1", 1, "", 0 } };
    static const struct set_version bad_version[] = { { "billing", "0.1\n0", "r1", 1, "", 0 } };
    char long_name[NAME_BYTES_MAX + 2] = "";
    const struct tenant_info bad[] = {
        { .name = "a/b" },
        { .name = "line\nbreak" },
        { .name = "bell\a" },
        { .name = "" },
        { .name = long_name },
        { .name = "\xff\xfe" },
        { .name = "key", .labels = { bad_key, 1 } },
        { .name = "no-key", .labels = { empty_key, 1 } },
        { .name = "set", .versions = bad_set, .version_count = 1 },
        { .name = "version", .versions = bad_version, .version_count = 1 },
    };

    (void)state;
    memset(long_name, 'x', NAME_BYTES_MAX + 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        const struct tenant_info *kept;
        const char *trouble;
        assert_false(wire_takes(&bad[i], 1));
        assert_int_equal(tenant_filter(&bad[i], 1, &arena, &kept, &trouble), 0);
        assert_non_null(strstr(trouble, "is left out"));
    }
}

/* Its first migration is half done, or was taken back. */
static void a_tenant_may_be_known_without_a_version(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    static const struct set_version versions[] = { { "billing", "", "r1", 1, "", 0 } };
    const struct tenant_info tenant = { .name = "t", .versions = versions, .version_count = 1 };
    const struct tenant_info *kept;
    const char *trouble;

    (void)state;
    assert_true(wire_takes(&tenant, 1));
    assert_int_equal(tenant_filter(&tenant, 1, &arena, &kept, &trouble), 1);
}

static void the_others_are_kept_in_their_order_and_the_first_is_named(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    static const struct label labels[] = { { "tier", "fr\xc3\xa9\xc3\xa9" } };
    const struct tenant_info tenants[] = { { .name = "T 1 \"x\"", .labels = { labels, 1 } },
                                           { .name = "a/b" },
                                           { .name = "c/d" },
                                           { .name = "\xc3\xa9t\xc3\xa9" } };
    const struct tenant_info *kept;
    const char *trouble;

    (void)state;
    assert_int_equal(tenant_filter(tenants, 4, &arena, &kept, &trouble), 2);
    assert_string_equal(kept[0].name, tenants[0].name);
    assert_string_equal(kept[1].name, tenants[3].name);
    assert_true(wire_takes(kept, 2));
    assert_non_null(strstr(trouble, "'a/b'"));
    assert_non_null(strstr(trouble, "2 tenants"));
    assert_int_equal(tenant_filter(tenants, 1, &arena, &kept, &trouble), 1);
    assert_string_equal(trouble, "");
    assert_int_equal(tenant_filter(NULL, 0, &arena, &kept, &trouble), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_wire_refuses_is_left_out),
        cmocka_unit_test(a_tenant_may_be_known_without_a_version),
        cmocka_unit_test(the_others_are_kept_in_their_order_and_the_first_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
