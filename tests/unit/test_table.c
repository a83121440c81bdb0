/* LIBS: coordinator_cli */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/cli/table.h"

static const struct table_column columns[] = { { "NAME", false },
                                               { "COUNT", true },
                                               { "NOTE", false } };

static void check_table(const struct table *table, const struct style *style, const char *expected)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };

    table_print(table, style, &text);
    assert_string_equal(buf_text(&text), expected);
}

static void columns_are_aligned_by_characters_not_by_bytes(void **state)
{
    CLEANUP(table_release) struct table table = { 0 };
    const struct style plain = { .utf8 = true };

    (void)state;
    table_init(&table, columns, 3);
    table_cell(&table, "müller");
    table_cell_f(&table, "%d", 7);
    table_cell(&table, "x");
    table_cell(&table, "a");
    table_cell_f(&table, "%d", 123456);
    table_cell(&table, "");
    assert_int_equal(table_row_count(&table), 2);
    check_table(&table, &plain,
                "NAME     COUNT  NOTE\n"
                "müller       7  x\n"
                "a       123456  -\n");
}

/* The last column goes on below itself; where there is no room, below its row. */
static void words_go_on_and_titles_are_cut_at_a_terminals_width(void **state)
{
    CLEANUP(table_release) struct table table = { 0 };
    const struct style narrow = { .utf8 = true, .width = 38 };
    const struct style narrower = { .width = 16 };

    (void)state;
    table_init(&table, columns, 3);
    table_cell(&table, "a");
    table_cell(&table, "1");
    table_cell(&table, "programs that use the old name");
    check_table(&table, &narrow,
                "NAME  COUNT  NOTE\n"
                "a         1  programs that use the old\n"
                "             name\n");
    check_table(&table, &narrower,
                "NAME  COUNT  ...\n"
                "a         1\n"
                "        programs\n"
                "        that use\n"
                "        the old\n"
                "        name\n");
}

static void numbers_are_cut_at_a_terminals_width(void **state)
{
    CLEANUP(table_release) struct table table = { 0 };
    const struct style narrow = { .utf8 = true, .width = 9 };

    (void)state;
    table_init(&table, columns, 2);
    table_cell(&table, "a");
    table_cell(&table, "1234567");
    check_table(&table, &narrow,
                "NAME    …\n"
                "a     12…\n");
}

static void what_came_from_elsewhere_cannot_move_the_cursor(void **state)
{
    CLEANUP(table_release) struct table table = { 0 };
    const struct style plain = { 0 };

    (void)state;
    table_init(&table, columns, 3);
    table_cell(&table, "a\033[2Jb");
    table_cell(&table, "1\n2");
    table_cell(&table, "\xff\xc2\x9b!");
    check_table(&table, &plain,
                "NAME    COUNT  NOTE\n"
                "a [2Jb    1 2  ? !\n");
}

static void colours_take_no_room(void **state)
{
    CLEANUP(table_release) struct table table = { 0 };
    const struct style color = { .color = true, .width = 40 };

    (void)state;
    table_init(&table, columns, 3);
    check_table(&table, &color, "\033[1mNAME  COUNT  NOTE\033[0m\n");
    assert_int_equal(style_columns("\033[31mab\033[0mé"), 3);
}

static void check_bar(const struct style *style, uint64_t done, uint64_t failed, uint64_t total,
                      const char *expected)
{
    CLEANUP(buf_release) struct buf bar = { .size_max = 4096 };

    style_bar(style, done, failed, total, 8, &bar);
    assert_string_equal(buf_text(&bar), expected);
}

static void a_bar_shows_parts_of_a_cell_and_never_hides_a_failure(void **state)
{
    const struct style utf8 = { .utf8 = true };
    const struct style ascii = { 0 };

    (void)state;
    check_bar(&utf8, 0, 0, 0, "········");
    check_bar(&utf8, 1, 0, 16, "▌·······");
    check_bar(&utf8, 8, 0, 16, "████····");
    check_bar(&utf8, 16, 0, 16, "████████");
    check_bar(&ascii, 8, 0, 16, "####....");
    check_bar(&ascii, 5000, 1, 10000, "!###....");
    check_bar(&ascii, 10000, 1, 10000, "!#######");
    check_bar(&ascii, 99, 0, 16, "########");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_by_characters_not_by_bytes),
        cmocka_unit_test(words_go_on_and_titles_are_cut_at_a_terminals_width),
        cmocka_unit_test(numbers_are_cut_at_a_terminals_width),
        cmocka_unit_test(what_came_from_elsewhere_cannot_move_the_cursor),
        cmocka_unit_test(colours_take_no_room),
        cmocka_unit_test(a_bar_shows_parts_of_a_cell_and_never_hides_a_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
