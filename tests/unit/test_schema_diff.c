/* LIBS: coordinator_cli */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/cli/field.h"
#include "coordinator/cli/schema_diff.h"

static void check(const json_t *difference, const char *what, const char *object, const char *is,
                  const char *usual)
{
    assert_string_equal(field_text(difference, "what"), what);
    assert_string_equal(field_text(difference, "object"), object);
    assert_string_equal(field_text(difference, "is"), is);
    assert_string_equal(field_text(difference, "usual"), usual);
}

static void what_is_missing_extra_and_changed_is_told_apart(void **state)
{
    json_t *usual = json_pack("[s, s, s, s]", "column a.id bigint", "column a.n text",
                              "index a_n x", "table a");
    json_t *odd = json_pack("[s, s, s, s]", "column a.id int", "column a.n text",
                            "materialized view m as SELECT", "table a");
    json_t *differences = schema_diff(usual, odd);

    (void)state;
    assert_int_equal(json_array_size(differences), 3);
    check(json_array_get(differences, 0), "changed", "column a.id", "int", "bigint");
    check(json_array_get(differences, 1), "missing", "index a_n", "", "x");
    check(json_array_get(differences, 2), "extra", "materialized view m", "as SELECT", "");
    json_decref(differences);
    differences = schema_diff(usual, usual);
    assert_int_equal(json_array_size(differences), 0);
    json_decref(differences);
    json_decref(usual);
    json_decref(odd);
}

static void lines_without_a_rest_and_of_one_name_are_no_trouble(void **state)
{
    json_t *usual = json_pack("[s, s]", "function f(a int) returns int", "table a");
    json_t *odd = json_pack("[s, s, s]", "function f(a int) returns text",
                            "function f(a int) returns x", "word");
    json_t *differences = schema_diff(usual, odd);

    (void)state;
    assert_int_equal(json_array_size(differences), 4);
    check(json_array_get(differences, 0), "changed", "function f(a int)", "returns text",
          "returns int");
    check(json_array_get(differences, 1), "missing", "table a", "", "");
    check(json_array_get(differences, 3), "extra", "word", "", "");
    json_decref(differences);
    json_decref(usual);
    json_decref(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_extra_and_changed_is_told_apart),
        cmocka_unit_test(lines_without_a_rest_and_of_one_name_are_no_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
