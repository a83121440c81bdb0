/* LIBS: skein_lint skein_sql skein_model skein_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/lint/lint_page.h"
#include "common/lint/lint_rule.h"
#include "common/sql/sql_script.h"

extern const char lint_pages_text[];

enum { LINE_BYTES_MAX = 100 };

/* A page taken apart: prose in paragraphs, and the lines that are set in. */
struct page {
    size_t paragraphs;
    struct buf code;
};

static void read_page(const char *rule, struct page *page)
{
    const struct bytes text = lint_page(rule);
    const char *at = (const char *)text.data;
    const char *end = at + text.size;
    bool inside = false;

    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((line_end == NULL ? end : line_end) - at);

        assert_true(size <= LINE_BYTES_MAX);
        bool code = size > 4 && memcmp(at, "    ", 4) == 0;
        bool prose = size > 0 && !code;
        page->paragraphs += prose && !inside ? 1 : 0;
        if (code) {
            buf_printf(&page->code, "%.*s\n", (int)size - 4, at + 4);
        }
        inside = prose;
        at += size + 1;
    }
}

static bool is_sql(const char *code)
{
    return code[0] != '\0' && strncmp(code, "skein ", 6) != 0 && strncmp(code, "psql ", 5) != 0 &&
           strncmp(code, "pg_dump ", 8) != 0 && strstr(code, "skein.yaml") == NULL;
}

static void every_rule_has_a_page_of_two_paragraphs_with_sql_that_parses(void **state)
{
    struct sql_parser *parser = sql_parser_new();

    (void)state;
    for (size_t i = 0; i < LINT_RULE_COUNT; i++) {
        CLEANUP(buf_release) struct buf code = { .size_max = SCRIPT_BYTES_MAX };
        CLEANUP(sql_script_release) struct sql_script script = { 0 };
        struct sql_problem problem = { 0 };
        const char *rule = lint_rule_text((enum lint_rule)i)->id;
        struct page page = { .code = { .size_max = SCRIPT_BYTES_MAX } };

        read_page(rule, &page);
        code = page.code;
        if (page.paragraphs != 2) {
            fail_msg("the page of '%s' has %zu paragraphs", rule, page.paragraphs);
        }
        if (is_sql(buf_text(&code)) &&
            !sql_script_parse(parser, buf_view(&code), &script, &problem)) {
            fail_msg("the SQL of '%s': line %u: %s", rule, problem.line, problem.error.message);
        }
    }
    sql_parser_free(&parser);
}

static void every_page_belongs_to_a_rule(void **state)
{
    size_t count = 0;

    (void)state;
    for (const char *at = strstr(lint_pages_text, "\n## "); at != NULL;
         at = strstr(at + 1, "\n## ")) {
        char rule[64];

        assert_int_equal(sscanf(at, "\n## %63[^\n]", rule), 1);
        if (lint_rule_of(rule) == LINT_RULE_COUNT) {
            fail_msg("there is no rule '%s'", rule);
        }
        count++;
    }
    assert_int_equal(count, LINT_RULE_COUNT);
    assert_int_equal(lint_page("no-such-rule").size, 0);
    assert_int_equal(lint_page("create").size, 0); /* the beginning of a name is none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_a_page_of_two_paragraphs_with_sql_that_parses),
        cmocka_unit_test(every_page_belongs_to_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
