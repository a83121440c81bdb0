/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/size_text.h"

static uint64_t parsed(const char *text)
{
    struct error err = { 0 };
    uint64_t bytes = 0;

    assert_true(size_text_parse(text, &bytes, &err));
    return bytes;
}

static void a_size_is_a_number_and_a_unit(void **state)
{
    (void)state;
    assert_int_equal(parsed("0"), 0);
    assert_int_equal(parsed("1MB"), 1 << 20);
    assert_int_equal(parsed("8 kB"), 8192);
    assert_int_equal(parsed("10gb"), 10737418240);
    assert_int_equal(parsed("17B"), 17);
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const texts[] = { "",    "12",   "MB",   "1.5GB",
                                         "-1B", "1 XB", "1GBs", "99999999999999999TB" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error err = { 0 };
        uint64_t bytes = 0;

        assert_false(size_text_parse(texts[i], &bytes, &err));
        assert_non_null(strstr(err.message, "such as 500MB"));
    }
}

static void sizes_are_written_for_people(void **state)
{
    char text[SIZE_TEXT_BYTES];

    (void)state;
    assert_string_equal(size_text_format(0, text), "0 bytes");
    assert_string_equal(size_text_format(8192, text), "8 kB");
    assert_string_equal(size_text_format(5452595, text), "5.2 MB");
    assert_string_equal(size_text_format(44023414784, text), "41 GB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_a_number_and_a_unit),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(sizes_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
