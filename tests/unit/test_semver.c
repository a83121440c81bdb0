/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/semver.h"

static int compare(const char *a, const char *b)
{
    struct semver x;
    struct semver y;
    struct error err = { 0 };

    if (!semver_parse(a, &x, &err) || !semver_parse(b, &y, &err)) {
        fail_msg("%s", err.message);
    }
    return semver_compare(&x, &y);
}

static void versions_have_the_precedence_of_semver_org(void **state)
{
    static const char *const ascending[] = {
        "0.0.0-0",
        "0.0.0",
        "0.0.1",
        "0.2.0-alpha.0",
        "0.2.0-alpha.2",
        "0.2.0-alpha.10",
        "0.2.0",
        "0.10.0",
        "1.0.0--",
        "1.0.0-A",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.1.1",
        "1.0.0-alpha.beta",
        "1.0.0-alpha-1",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-beta.99999999999999999999999999",
        "1.0.0-beta.100000000000000000000000000",
        "1.0.0-rc.1",
        "1.0.0",
        "18446744073709551615.0.0",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ascending); i++) {
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int order = compare(ascending[i], ascending[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j)) {
                fail_msg("%s and %s: %d", ascending[i], ascending[j], order);
            }
        }
    }
}

static void build_metadata_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(compare("1.2.3+a", "1.2.3"), 0);
    assert_int_equal(compare("1.2.3+001.-.b", "1.2.3+z"), 0);
    assert_int_equal(compare("1.2.3-rc.1+b", "1.2.3-rc.1"), 0);
}

static void a_prerelease_is_told_from_a_release(void **state)
{
    struct semver version;
    struct error err = { 0 };

    (void)state;
    assert_true(semver_parse("1.2.3-rc.1+x", &version, &err));
    assert_true(semver_is_prerelease(&version));
    assert_string_equal(version.prerelease, "rc.1");
    assert_int_equal(version.major, 1);
    assert_int_equal(version.minor, 2);
    assert_int_equal(version.patch, 3);
    assert_true(semver_parse("1.2.3+rc", &version, &err));
    assert_false(semver_is_prerelease(&version));
}

static void a_malformed_version_is_refused_with_its_position(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        { "", "'', position 1: expected a digit" },
        { "v1.2.3", "'v1.2.3', position 1: expected a digit" },
        { "1", "position 2: expected '.'" },
        { "1.2", "position 4: expected '.'" },
        { "1.2.", "position 5: expected a digit" },
        { "1..3", "position 3: expected a digit" },
        { "01.2.3", "position 1: expected a number without leading zeros" },
        { "1.2.03", "position 5: expected a number without leading zeros" },
        { "1.2.3.4", "position 6: expected the end" },
        { "1.2.3 ", "position 6: expected the end" },
        { "1.2.3-", "position 7: expected a letter, digit or '-'" },
        { "1.2.3-a..b", "position 9: expected a letter, digit or '-'" },
        { "1.2.3-a.01", "position 9: expected a number without leading zeros" },
        { "1.2.3-a_b", "position 8: expected the end" },
        { "1.2.3+", "position 7: expected a letter, digit or '-'" },
        { "1.2.3+a+b", "position 8: expected the end" },
        { "-1.2.3", "position 1: expected a digit" },
        { "1.18446744073709551616.0", "position 3: expected a number of at most 64 bits" },
        { "1.\x1b[31m", "'1.\\x1B[31m', position 3" },
    };
    struct semver version;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = { 0 };
        assert_false(semver_parse(rows[i].text, &version, &err));
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.message, rows[i].part) == NULL) {
            fail_msg("'%s': %s", rows[i].text, err.message);
        }
    }
}

static void a_version_of_endless_length_is_refused(void **state)
{
    char text[300] = "1.2.3-";
    struct semver version;
    struct error err = { 0 };

    (void)state;
    memset(text + 6, 'a', sizeof(text) - 7);
    assert_false(semver_parse(text, &version, &err));
    assert_non_null(strstr(err.message, "at most 127 characters"));
    text[SEMVER_BYTES_MAX] = '\0';
    assert_true(semver_parse(text, &version, &err));
    assert_int_equal(strlen(version.prerelease), SEMVER_BYTES_MAX - 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_have_the_precedence_of_semver_org),
        cmocka_unit_test(build_metadata_does_not_count),
        cmocka_unit_test(a_prerelease_is_told_from_a_release),
        cmocka_unit_test(a_malformed_version_is_refused_with_its_position),
        cmocka_unit_test(a_version_of_endless_length_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
