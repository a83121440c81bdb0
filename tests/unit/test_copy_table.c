/* LIBS: agent_shell */
/* Whose turn it is to try something on a copy, and what becomes of what he finds out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/run/copy_table.h"

static struct copy_key key_of(const char *rollout, unsigned number)
{
    struct copy_key key = { 0 };

    (void)snprintf(key.rollout, sizeof(key.rollout), "%s", rollout);
    (void)snprintf(key.text, sizeof(key.text), "%s-%u", rollout, number);
    return key;
}

static enum copy_answer ask(struct copy_table *table, const struct copy_key *key, uint64_t now_ms)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct copy_verdict verdict = { 0 };

    return copy_table_ask(table, key, now_ms, &arena, &verdict);
}

static void one_finds_out_and_all_know(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct copy_table *table = copy_table_new();
    const struct copy_key key = key_of("r1", 1);
    const struct copy_key other = key_of("r1", 2);
    char relation[] = "account";
    const struct clone_finding finding = {
        .does = "rewrites", .relation = relation, .lock = "ACCESS EXCLUSIVE", .file = "a.sql"
    };
    const struct copy_verdict found = { .kind = COPY_PASSED,
                                        .findings = &finding,
                                        .finding_count = 1 };
    struct copy_verdict verdict = { 0 };

    (void)state;
    assert_int_equal(ask(table, &key, 1), COPY_TURN);
    assert_int_equal(ask(table, &key, 1), COPY_BUSY);
    assert_int_equal(ask(table, &other, 1), COPY_TURN);
    assert_true(copy_table_is_busy(table, &key));
    copy_table_put(table, &key, 1, &found);
    relation[0] = '?'; /* the table has its own copy */
    assert_false(copy_table_is_busy(table, &key));
    assert_int_equal(copy_table_ask(table, &key, UINT64_MAX, &arena, &verdict), COPY_KNOWN);
    assert_int_equal(verdict.kind, COPY_PASSED);
    assert_int_equal(verdict.finding_count, 1);
    assert_string_equal(verdict.findings[0].relation, "account");
    /* Somebody was cancelled over it: the next one has his turn. */
    copy_table_give_up(table, &other);
    assert_false(copy_table_is_busy(table, &other));
    assert_int_equal(ask(table, &other, 1), COPY_TURN);
    copy_table_free(&table);
}

static void what_has_failed_is_not_believed_for_ever(void **state)
{
    struct copy_table *table = copy_table_new();
    const struct copy_key key = key_of("r1", 1);
    const struct copy_verdict refused = { .kind = COPY_REFUSED };
    const struct copy_verdict none = { .kind = COPY_NONE };

    (void)state;
    assert_int_equal(ask(table, &key, 0), COPY_TURN);
    copy_table_put(table, &key, 0, &refused);
    assert_int_equal(ask(table, &key, COPY_REFUSAL_MS), COPY_KNOWN);
    assert_int_equal(ask(table, &key, COPY_REFUSAL_MS + 1), COPY_TURN);
    copy_table_put(table, &key, 0, &none);
    assert_int_equal(ask(table, &key, COPY_NONE_MS), COPY_KNOWN);
    assert_int_equal(ask(table, &key, COPY_NONE_MS + 1), COPY_TURN);
    copy_table_free(&table);
}

static void a_rollout_has_so_many_copies_and_the_oldest_is_forgotten(void **state)
{
    struct copy_table *table = copy_table_new();
    const struct copy_verdict passed = { .kind = COPY_PASSED };
    const struct copy_key first = key_of("r0", 0);

    (void)state;
    for (unsigned r = 0; r * COPY_CLASSES_MAX <= COPY_VERDICTS_MAX; r++) {
        char rollout[16];

        (void)snprintf(rollout, sizeof(rollout), "r%u", r);
        for (unsigned i = 0; i < COPY_CLASSES_MAX; i++) {
            const struct copy_key key = key_of(rollout, i);

            assert_int_equal(ask(table, &key, 0), COPY_TURN);
            copy_table_put(table, &key, 0, &passed);
        }
        const struct copy_key more = key_of(rollout, COPY_CLASSES_MAX);
        assert_int_equal(ask(table, &more, 0), COPY_FULL);
    }
    assert_int_equal(ask(table, &first, 0), COPY_TURN); /* made room for a later one */
    copy_table_free(&table);
}

static void a_rollout_is_told_once(void **state)
{
    struct copy_table *table = copy_table_new();

    (void)state;
    assert_true(copy_table_is_news(table, "r1", "t_1", "no pg_dump"));
    assert_false(copy_table_is_news(table, "r1", "t_2", "no pg_dump"));
    assert_true(copy_table_is_news(table, "r1", "t_1", "no pg_dump")); /* its next try */
    assert_true(copy_table_is_news(table, "r1", "t_2", "another"));
    assert_true(copy_table_is_news(table, "r2", "t_2", "no pg_dump"));
    copy_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_finds_out_and_all_know),
        cmocka_unit_test(what_has_failed_is_not_believed_for_ever),
        cmocka_unit_test(a_rollout_has_so_many_copies_and_the_oldest_is_forgotten),
        cmocka_unit_test(a_rollout_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
