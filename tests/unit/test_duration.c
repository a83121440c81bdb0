/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/duration.h"

static void durations_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        { "0", 0 },         { "0s", 0 },           { "500ms", 500 },  { "2s", 2000 },
        { "5min", 300000 }, { "5m", 300000 },      { "1h", 3600000 }, { "1h30m", 5400000 },
        { "1d", 86400000 }, { "1m30s5ms", 90005 }, { "007s", 7000 },  { "90s", 90000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = { 0 };
        uint64_t ms = 1;
        if (!duration_parse(rows[i].text, &ms, &err)) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(ms, rows[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const texts[] = { "",
                                         "5",
                                         "s",
                                         "-1s",
                                         "1.5s",
                                         "2 s",
                                         " 2s",
                                         "2s ",
                                         "1x",
                                         "1ms1s",
                                         "1s1s",
                                         "1m2min",
                                         "1h30",
                                         "2S",
                                         "99999999999999999999s",
                                         "9999999999999999999d",
                                         "18446744073709551615ms1ms" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error err = { 0 };
        uint64_t ms = 42;
        if (duration_parse(texts[i], &ms, &err)) {
            fail_msg("'%s' was read as %llu ms", texts[i], (unsigned long long)ms);
        }
        assert_int_equal(ms, 42);
        assert_non_null(strstr(err.message, "such as 500ms"));
    }
}

static void durations_are_printed_short(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        { 0, "0ms" },          { 850, "850ms" },      { 999, "999ms" },        { 1000, "1.0s" },
        { 12345, "12.3s" },    { 59999, "59.9s" },    { 60000, "1m 00s" },     { 245000, "4m 05s" },
        { 7800000, "2h 10m" }, { 7500000, "2h 05m" }, { 360000000, "4d 04h" },
    };
    char text[DURATION_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_string_equal(duration_format(rows[i].ms, text), rows[i].text);
    }
    assert_string_equal(duration_format_whole(0, text), "0s");
    assert_string_equal(duration_format_whole(4001, text), "5s");
    assert_string_equal(duration_format_whole(60000, text), "1m 00s");
    duration_format_whole(UINT64_MAX, text);
    duration_format(UINT64_MAX, text);
    assert_true(strlen(text) < DURATION_TEXT_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_printed_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
