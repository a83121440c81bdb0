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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_says_where_its_control_database_is),
        cmocka_unit_test(a_scope_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
