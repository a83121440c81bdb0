/* LIBS: skein_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/error.h"

static void a_message_gains_one_phrase_per_layer(void **state)
{
    struct error err = { 0 };

    (void)state;
    assert_false(error_set(&err, ERR_INVALID, "line %d: unknown key '%s'", 12, "depends"));
    assert_false(error_wrap(&err, "load plan '%s'", "p.json"));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, "load plan 'p.json': line 12: unknown key 'depends'");
}

static void a_message_that_is_too_long_says_so(void **state)
{
    struct error err = { 0 };
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERR_LIMIT, "%s", text);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    assert_string_equal(err.message + ERROR_MESSAGE_BYTES - 4, "...");
    error_wrap(&err, "outer");
    assert_memory_equal(err.message, "outer: xxx", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_gains_one_phrase_per_layer),
        cmocka_unit_test(a_message_that_is_too_long_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
