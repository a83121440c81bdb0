/* LIBS: coordinator_cli */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/cli/field.h"
#include "coordinator/cli/plan_group.h"

static void tenant(json_t *tenants, const char *name, const char *from, json_t *scripts,
                   const char *code)
{
    json_t *error =
        code == NULL ? json_null() : json_pack("{s:s, s:s}", "code", code, "message", "m");

    json_array_append_new(tenants,
                          json_pack("{s:s, s:s, s:s, s:o, s:o}", "tenant", name, "from", from, "to",
                                    "2.0.0", "scripts", scripts, "error", error));
}

static void tenants_that_go_the_same_way_are_one_line(void **state)
{
    struct arena arena = { 0 };
    json_t *tenants = json_array();

    (void)state;
    tenant(tenants, "eu/a", "1.0.0", json_pack("[s, s]", "1.5.0__x", "2.0.0__y"), NULL);
    tenant(tenants, "eu/b", "1.5.0", json_pack("[s]", "2.0.0__y"), NULL);
    tenant(tenants, "eu/c", "2.0.0", json_array(), NULL); /* is there */
    tenant(tenants, "eu/d", "1.5.0", json_pack("[s]", "2.0.0__y"), NULL);
    tenant(tenants, "eu/e", "1.5.0", json_array(), NULL); /* the version moves */
    tenant(tenants, "eu/f", "1.5.0", json_array(), "UNMANAGED");
    tenant(tenants, "eu/g", "1.5.0", json_pack("[s]", "2.0.0__y"), NULL);
    tenant(tenants, "eu/h", "1.5.0", json_pack("[s]", "2.0.0__y"), NULL);

    struct plan_groups groups = plan_group_make(tenants, &arena);
    assert_int_equal(groups.count, 4);
    assert_int_equal(groups.items[0].count, 4);
    assert_string_equal(groups.items[0].tenants[0], "eu/b");
    assert_string_equal(groups.items[0].tenants[1], "eu/d");
    assert_string_equal(groups.items[0].tenants[2], "eu/g");
    assert_string_equal(groups.items[1].tenants[0], "eu/a");
    assert_string_equal(groups.items[2].tenants[0], "eu/e");
    assert_string_equal(groups.items[3].tenants[0], "eu/f");
    json_decref(tenants);
    arena_release(&arena);
}

static void a_plan_without_tenants_has_no_lines(void **state)
{
    struct arena arena = { 0 };
    json_t *tenants = json_array();

    (void)state;
    assert_int_equal(plan_group_make(tenants, &arena).count, 0);
    json_decref(tenants);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tenants_that_go_the_same_way_are_one_line),
        cmocka_unit_test(a_plan_without_tenants_has_no_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
