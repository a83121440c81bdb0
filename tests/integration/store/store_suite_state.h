/* store_suite_state.h - what the files of the conformance suite share. */
#ifndef SKEIN_TESTS_INTEGRATION_STORE_STORE_SUITE_STATE_H
#define SKEIN_TESTS_INTEGRATION_STORE_STORE_SUITE_STATE_H

#include <stdatomic.h>

#include "store_fixture.h"

/* cmocka hands the group's state to each test. */
struct suite {
    const char *location;
    struct store *store; /* of the test that runs */
    unsigned number;
    char prefix[FIXTURE_KEY_BYTES];
    char keys[4][FIXTURE_KEY_BYTES];
    size_t next_key;
};

/* The test's prefix and a name; valid for the next three calls. */
const char *suite_key(struct suite *suite, const char *name);

/* Counts answers; unavailable and uncertain are the only failures that it takes. */
struct suite_tally {
    atomic_uint answered;
    atomic_uint succeeded;
    struct store *store;
    struct suite *suite;
    atomic_uint chained;
    char key[FIXTURE_KEY_BYTES];
};

void suite_count_answer(void *user, const struct store_txn_result *result, const struct error *err);

/* ---- tests of store_crowd.c ---- */
void concurrent_writers_lose_nothing(void **state);
void what_is_open_is_answered_once_when_the_store_is_freed(void **state);
void a_callback_may_call_the_store(void **state);

#endif
