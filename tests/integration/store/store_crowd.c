/* Many threads, many requests, and callbacks that ask again. */
#include "store_suite_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"

enum { WRITERS = 8, INCREMENTS = 25, OPEN_REQUESTS = 500, CHAIN = 20 };

void suite_count_answer(void *user, const struct store_txn_result *result, const struct error *err)
{
    struct suite_tally *tally = user;

    atomic_fetch_add(&tally->answered, 1);
    if (err == NULL && result->succeeded) {
        atomic_fetch_add(&tally->succeeded, 1);
    } else if (err != NULL && err->code != ERR_UNAVAILABLE && err->code != ERR_UNCERTAIN) {
        abort();
    }
}

struct suite_writer {
    struct suite *suite;
    pthread_t thread;
    char counter[FIXTURE_KEY_BYTES];
};

static int64_t suite_read_counter(struct store *store, const char *key, int64_t *ret_value)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };
    int64_t revision = 0;

    *ret_value = 0;
    if (store_range_wait(store, key, &list, &err) && list.count == 1) {
        *ret_value = strtol((const char *)list.kvs[0].value.data, NULL, 10);
        revision = list.kvs[0].create_revision;
    }
    store_kv_list_release(&list);
    return revision;
}

/* The counter is deleted and created anew each time, so that its create revision moves: what a
 * compare sees is what a lock's token is made of. Two transactions per step, as no key may stand
 * twice in one. */
static void *suite_increment(void *argument)
{
    struct suite_writer *writer = argument;
    struct store *store = writer->suite->store;
    char claim[FIXTURE_KEY_BYTES + 8];

    snprintf(claim, sizeof(claim), "%s.claim", writer->counter);
    for (int i = 0; i < INCREMENTS;) {
        struct store_compare free_claim = { .key = claim };
        struct store_op take = fixture_op(STORE_PUT, claim, "mine");
        struct store_txn_result result;
        struct error err = { 0 };
        if (!store_txn_wait(store, &free_claim, 1, &take, 1, &result, &err) || !result.succeeded) {
            fixture_wait_ms(1);
            continue;
        }
        int64_t value;
        char text[32];
        char key[FIXTURE_KEY_BYTES + 8];
        snprintf(key, sizeof(key), "%s.value", writer->counter);
        suite_read_counter(store, key, &value);
        snprintf(text, sizeof(text), "%" PRId64, value + 1);
        struct store_compare mine = { .key = claim, .create_revision = result.revision };
        struct store_op ops[2] = { fixture_op(STORE_PUT, key, text),
                                   fixture_op(STORE_DELETE, claim, "") };
        if (store_txn_wait(store, &mine, 1, ops, 2, &result, &err) && result.succeeded) {
            i++;
        }
    }
    return NULL;
}

void concurrent_writers_lose_nothing(void **state)
{
    struct suite *suite = *state;
    struct suite_writer writers[WRITERS];
    int64_t value;

    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].suite = suite;
        snprintf(writers[i].counter, sizeof(writers[i].counter), "%.64scounter", suite->prefix);
        pthread_create(&writers[i].thread, NULL, suite_increment, &writers[i]);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
    }
    suite_read_counter(suite->store, suite_key(suite, "counter.value"), &value);
    assert_int_equal(value, WRITERS * INCREMENTS);
}

void what_is_open_is_answered_once_when_the_store_is_freed(void **state)
{
    struct suite *suite = *state;
    struct suite_tally tally = { 0 };
    char key[FIXTURE_KEY_BYTES];

    for (unsigned i = 0; i < OPEN_REQUESTS; i++) {
        snprintf(key, sizeof(key), "%.64sk%u", suite->prefix, i);
        struct store_op op = fixture_op(STORE_PUT, key, "x");
        store_txn(suite->store, NULL, 0, &op, 1, suite_count_answer, &tally);
    }
    store_free(&suite->store);
    assert_int_equal(atomic_load(&tally.answered), OPEN_REQUESTS);
    suite->store = fixture_open(suite->location, 10000);
    assert_true(fixture_count(suite->store, suite->prefix) >= atomic_load(&tally.succeeded));
}

static void suite_chain(void *user, const struct store_txn_result *result, const struct error *err)
{
    struct suite_tally *tally = user;

    suite_count_answer(user, result, err);
    if (atomic_fetch_add(&tally->chained, 1) < CHAIN) {
        struct store_op op = fixture_op(STORE_PUT, tally->key, "again");
        store_txn(tally->store, NULL, 0, &op, 1, suite_chain, tally);
    }
}

void a_callback_may_call_the_store(void **state)
{
    struct suite *suite = *state;
    struct suite_tally tally = { .store = suite->store };
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;

    snprintf(tally.key, sizeof(tally.key), "%s", suite_key(suite, "chain"));
    struct store_op op = fixture_op(STORE_PUT, tally.key, "first");
    store_txn(suite->store, NULL, 0, &op, 1, suite_chain, &tally);
    while (atomic_load(&tally.answered) < CHAIN + 1 && clock_monotonic_ms() < until_ms) {
        fixture_wait_ms(5);
    }
    assert_int_equal(atomic_load(&tally.answered), CHAIN + 1);
    assert_int_equal(atomic_load(&tally.succeeded), CHAIN + 1);
    assert_true(store_is_healthy(suite->store));
    assert_string_equal(store_location(suite->store), suite->location);
}
