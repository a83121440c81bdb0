/* LIBS: skein_model */
#include "common/core/limits.h"
#include "common/model/set_scope.h"
#include "tests/unit/set_fixture.h"

#define CONTROL_YAML "control: eu-2/registry\n"

static void a_set_says_where_its_control_database_is(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    char shard[NAME_BYTES_MAX + 1];

    (void)state;
    parse_well(FILES("skein.yaml", CONTROL_YAML, "1.0.0__a/1_a.sql", "SELECT 1", "1.0.0__a/2_b.sql",
                     "-- skein:scope control\nSELECT 1", "1.0.0__a/2_b.down.sql",
                     "-- skein:scope control\nSELECT 1"),
               &set);
    assert_false(set.migrations[0].operations[0].settings.control_scope);
    assert_true(set.migrations[0].operations[1].settings.control_scope);
    assert_string_equal(set_scope_control(&set, shard), "registry");
    assert_string_equal(shard, "eu-2");
}

static void a_scope_that_cannot_be_is_refused(void **state)
{
    const struct refusal refusals[] = {
        { FILES("1.0.0__a.sql", "-- skein:scope control\nSELECT 1"),
          "file '1.0.0__a.sql': skein:scope control needs to know the database: expected "
          "control:" },
        { FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql",
                "-- skein:scope control\n-- skein:transaction none\nSELECT 1"),
          "is for SQL scripts in a transaction" },
        { FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql", "-- skein:scope control\nSELECT 1",
                "1.0.0__a.down.sql", "SELECT 1"),
          "1.0.0__a.down.sql': expected -- skein:scope control at its head" },
        { FILES("skein.yaml", "control: registry\n", "1.0.0__a.sql", "SELECT 1"),
          "expected a database as SHARD/DATABASE" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void hooks_are_known_by_their_names(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };

    (void)state;
    parse_well(FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql", "SELECT 1", "R__v.sql", "SELECT 1",
                     "hooks/before_rollout.sql", "SELECT 1", "hooks/after_tenant.exec.yaml",
                     "program: /bin/true", "hooks/before_tenant.sql",
                     "-- skein:lock_timeout 1s\nSELECT 1", "hooks/README.md", "about them"),
               &set);
    assert_int_equal(set.migration_count, 1);
    assert_int_equal(set.repeatable_count, 1);
    assert_null(set.hooks[SET_HOOK_AFTER_ROLLOUT]);
    const struct operation *before = &set.hooks[SET_HOOK_BEFORE_TENANT]->operations[0];
    assert_string_equal(before->path, "hooks/before_tenant.sql");
    assert_string_equal(before->stem, "before_tenant");
    assert_int_equal(before->settings.lock_timeout_ms, 1000);
    assert_true(operation_is_hook(before));
    assert_false(operation_is_hook(&set.migrations[0].operations[0]));
    assert_string_equal(set.hooks[SET_HOOK_BEFORE_ROLLOUT]->script, "hooks/before_rollout");
    assert_int_equal(set.hooks[SET_HOOK_AFTER_TENANT]->operations[0].kind, OPERATION_EXEC);
}

static void a_hook_that_cannot_be_is_refused(void **state)
{
    const struct refusal refusals[] = {
        { FILES("1.0.0__a.sql", "", "hooks/before_lunch.sql", ""),
          "unknown file 'hooks/before_lunch.sql': expected one of the hooks before_rollout, "
          "after_rollout, before_tenant and after_tenant" },
        { FILES("1.0.0__a.sql", "", "hooks/before_tenant.txt", ""), "expected skein.yaml" },
        { FILES("1.0.0__a.sql", "", "hooks/before_tenant.down.sql", ""), "a hook has no rollback" },
        { FILES("1.0.0__a.sql", "", "hooks/before_tenant.batch.sql", ""), "a hook ends in .sql, " },
        { FILES("1.0.0__a.sql", "", "hooks/a/before_tenant.sql", ""), "no further folder" },
        { FILES("1.0.0__a.sql", "", "hooks/before_tenant.sql", "", "hooks/before_tenant.exec.yaml",
                "program: /bin/true"),
          "is the same hook, expected one" },
        { FILES("hooks/before_tenant.sql", ""), "the set holds no script" },
        { FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql", "", "hooks/before_tenant.sql",
                "-- skein:scope control\nSELECT 1"),
          "expected no skein:scope" },
        { FILES("1.0.0__a.sql", "", "hooks/after_rollout.sql", ""),
          "'hooks/after_rollout.sql': a hook of a rollout runs in the control database: expected "
          "control: SHARD/DATABASE in skein.yaml" },
        { FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql", "", "hooks/after_rollout.exec.yaml",
                "program: /bin/true"),
          "a hook of a rollout is a SQL script in a transaction" },
        { FILES("skein.yaml", CONTROL_YAML, "1.0.0__a.sql", "", "hooks/after_rollout.sql",
                "-- skein:transaction none\nSELECT 1"),
          "this one is outside of one" },
    };

    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_says_where_its_control_database_is),
        cmocka_unit_test(a_scope_that_cannot_be_is_refused),
        cmocka_unit_test(hooks_are_known_by_their_names),
        cmocka_unit_test(a_hook_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
