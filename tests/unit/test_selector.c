/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/model/selector.h"

static const struct label shard_items[] = { { "region", "eu" }, { "tier", "paid" } };
static const struct labels shard_labels = { shard_items, COUNT_OF(shard_items) };
static const struct label tenant_items[] = { { "empty", "" },
                                             { "plan", "gold" },
                                             { "tier", "free" } };
static const struct labels tenant_labels = { tenant_items, COUNT_OF(tenant_items) };

/* The tenant eu-1/t_17. */
static bool matches(const char *text)
{
    CLEANUP(selector_free) struct selector *selector = NULL;
    struct error err = { 0 };

    if (!selector_parse(text, &selector, &err)) {
        fail_msg("'%s': %s", text, err.message);
    }
    bool matched = selector_matches(selector, "eu-1", &shard_labels, "t_17", &tenant_labels);
    if (matched) {
        assert_true(selector_may_match_shard(selector, "eu-1", &shard_labels));
    }
    return matched;
}

static bool may_match(const char *text, const char *shard)
{
    CLEANUP(selector_free) struct selector *selector = NULL;
    struct error err = { 0 };

    assert_true(selector_parse(text, &selector, &err));
    return selector_may_match_shard(selector, shard, &shard_labels);
}

static void each_operator_selects(void **state)
{
    static const struct {
        const char *text;
        bool matched;
    } rows[] = {
        { "", true },
        { "  ", true },
        { "region=eu", true },
        { "region==eu", true },
        { " region = eu ", true },
        { "region=us", false },
        { "region!=us", true },
        { "region!=eu", false },
        { "region in (us,eu)", true },
        { "region in(us , eu)", true },
        { "region in (us)", false },
        { "region notin (us)", true },
        { "region notin (us,eu)", false },
        { "region", true },
        { "!region", false },
        { "frozen", false },
        { "!frozen", true },
        { "! frozen", true },
        { "frozen!=yes", true },
        { "frozen notin (yes)", true },
        { "frozen=yes", false },
        { "frozen in (yes)", false },
        { "region=eu,plan=gold", true },
        { "region=eu,plan=iron", false },
        { "region=eu,plan!=iron,tenant in (t_1*,t_2*),!frozen", true },
        { "empty=", true },
        { "plan=", false },
        { "in", false },
        { "app.kubernetes.io/name=x", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (matches(rows[i].text) != rows[i].matched) {
            fail_msg("'%s' should %smatch", rows[i].text, rows[i].matched ? "" : "not ");
        }
    }
}

static void a_tenants_label_wins_over_its_shards(void **state)
{
    (void)state;
    assert_true(matches("tier=free"));
    assert_false(matches("tier=paid"));
}

static void shard_and_tenant_are_keys(void **state)
{
    (void)state;
    assert_true(matches("shard=eu-1"));
    assert_true(matches("shard=eu-*"));
    assert_false(matches("shard=us-*"));
    assert_true(matches("tenant=t_17"));
    assert_true(matches("tenant=eu-1/t_17"));
    assert_true(matches("tenant=eu-?/t_*"));
    assert_false(matches("tenant=eu-2/t_17"));
    assert_false(matches("tenant!=eu-1/t_17"));
    assert_true(matches("tenant in (nobody,eu-1/t_17)"));
    assert_true(matches("tenant,shard"));
    assert_false(matches("!tenant"));
}

static void globs_match_whole_texts(void **state)
{
    (void)state;
    assert_true(selector_glob("*", ""));
    assert_true(selector_glob("t_*", "t_"));
    assert_true(selector_glob("*_17", "t_17"));
    assert_true(selector_glob("a*b*c", "a-b-b-c"));
    assert_false(selector_glob("a*b*c", "a-b-b"));
    assert_false(selector_glob("t_1", "t_17"));
    assert_false(selector_glob("t_17", "t_1"));
    assert_true(selector_glob("t_?7", "t_17"));
    assert_false(selector_glob("?", ""));
    assert_true(selector_glob("stra?e", "stra\xC3\x9F"
                                        "e"));
    assert_false(selector_glob("stra??e", "stra\xC3\x9F"
                                          "e"));
    assert_true(selector_glob("**a**", "xax"));
    assert_true(selector_glob("a/*", "a/b/c"));
}

static void a_hostile_glob_ends_soon(void **state)
{
    char pattern[2001];
    char text[2001];

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
        text[i] = 'a';
    }
    pattern[1999] = 'b';
    pattern[2000] = text[2000] = '\0';
    assert_false(selector_glob(pattern, text));
}

static void a_shard_is_left_out_only_when_no_tenant_can_match(void **state)
{
    (void)state;
    assert_true(may_match("", "eu-1"));
    assert_true(may_match("shard=eu-*", "eu-1"));
    assert_false(may_match("shard=eu-*", "us-1"));
    assert_false(may_match("shard!=eu-1", "eu-1"));
    assert_false(may_match("!shard", "eu-1"));
    assert_true(may_match("region=us", "eu-1")); /* a tenant may say so itself */
    assert_true(may_match("tenant=t_1", "eu-1"));
    assert_true(may_match("tenant=eu-1/t_1", "eu-1"));
    assert_false(may_match("tenant=eu-1/t_1", "eu-2"));
    assert_false(may_match("tenant=eu-1/t_1", "eu-11"));
    assert_true(may_match("tenant=*1/t_1", "eu-1"));
    assert_true(may_match("tenant in (eu-1/a,eu-2/b)", "eu-2"));
    assert_true(may_match("tenant!=eu-1/t_1", "eu-1"));
    assert_false(may_match("!tenant", "eu-1"));
}

static void a_wrong_selector_is_refused_with_its_position(void **state)
{
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        { "=eu", "position 1: expected a key" },
        { ",", "position 1: expected a key" },
        { "region=eu,", "position 11: ends where a key" },
        { "region=eu tier=x", "position 11: expected ',' or the end instead of 'tier=x'" },
        { "region eu", "position 8: expected one of =" },
        { "region in eu", "position 11: expected '(' and values instead of 'eu'" },
        { "region in (", "position 12: ends where a value is expected" },
        { "region in ()", "position 12: expected a value" },
        { "region in (a,)", "position 14: expected a value" },
        { "region in (a", "position 13: ends where ',' or ')' is expected" },
        { "!", "position 2: ends where a key" },
        { "!a=b", "position 3: expected ',' or the end" },
        { "reg*=eu", "position 1: expected a key" },
        { "region='eu'", "position 8: expected ',' or the end" },
        { "a=b=c", "position 4: expected ',' or the end" },
        { "a>1", "position 4" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CLEANUP(selector_free) struct selector *selector = NULL;
        struct error err = { 0 };
        if (selector_parse(rows[i].text, &selector, &err)
                ? strcmp(rows[i].text, "a>1") != 0
                : strstr(err.message, rows[i].part) == NULL) {
            fail_msg("'%s': %s", rows[i].text, err.message);
        }
    }
}

static void a_selector_of_endless_length_is_refused(void **state)
{
    char text[SELECTOR_BYTES_MAX + 2];
    struct selector *selector = NULL;
    struct error err = { 0 };

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(selector_parse(text, &selector, &err));
    text[SELECTOR_BYTES_MAX] = '\0';
    assert_true(selector_parse(text, &selector, &err));
    selector_free(&selector);
    assert_null(selector);
}

static void labels_are_found_by_key(void **state)
{
    (void)state;
    assert_string_equal(labels_find(&tenant_labels, "plan"), "gold");
    assert_null(labels_find(&tenant_labels, "pla"));
    assert_null(labels_find(&(struct labels){ 0 }, "plan"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operator_selects),
        cmocka_unit_test(a_tenants_label_wins_over_its_shards),
        cmocka_unit_test(shard_and_tenant_are_keys),
        cmocka_unit_test(globs_match_whole_texts),
        cmocka_unit_test(a_hostile_glob_ends_soon),
        cmocka_unit_test(a_shard_is_left_out_only_when_no_tenant_can_match),
        cmocka_unit_test(a_wrong_selector_is_refused_with_its_position),
        cmocka_unit_test(a_selector_of_endless_length_is_refused),
        cmocka_unit_test(labels_are_found_by_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
