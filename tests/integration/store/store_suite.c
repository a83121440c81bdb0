/* What every backend must do. Each test has a key prefix of its own. */
#include "store_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_suite_state.h"

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

enum { MIB = 1 << 20, LEASE_MS = 2000 };

const char *suite_key(struct suite *suite, const char *name)
{
    char *key = suite->keys[suite->next_key++ % COUNT_OF(suite->keys)];

    snprintf(key, FIXTURE_KEY_BYTES, "%.64s%.48s", suite->prefix, name);
    return key;
}

static int suite_set_up(void **state)
{
    struct suite *suite = *state;

    suite->store = fixture_open(suite->location, 10000);
    snprintf(suite->prefix, sizeof(suite->prefix), "/t%u/", ++suite->number);
    return 0;
}

static int suite_tear_down(void **state)
{
    struct suite *suite = *state;

    store_free(&suite->store);
    return 0;
}

static struct store_txn_result suite_cas(struct suite *suite, const char *key, int64_t revision,
                                         const char *value)
{
    const struct store_compare compare = { .key = key, .create_revision = revision };
    const struct store_op op = fixture_op(STORE_PUT, key, value);
    struct store_txn_result result;
    struct error err = { 0 };

    if (!store_txn_wait(suite->store, &compare, 1, &op, 1, &result, &err)) {
        fail_msg("%s", err.message);
    }
    return result;
}

static enum err_code suite_txn(struct suite *suite, const struct store_op *ops, size_t count,
                               struct store_txn_result *ret_result)
{
    struct error err = { 0 };

    if (store_txn_wait(suite->store, NULL, 0, ops, count, ret_result, &err)) {
        return ERR_NONE;
    }
    print_message("    %s\n", err.message);
    return err.code;
}

static struct store_kv_list suite_list(struct suite *suite, const char *prefix)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    if (!store_range_wait(suite->store, prefix, &list, &err)) {
        fail_msg("%s", err.message);
    }
    return list;
}

static void a_compare_lets_one_win(void **state)
{
    struct suite *suite = *state;
    const char *key = suite_key(suite, "leader");

    struct store_txn_result first = suite_cas(suite, key, 0, "one");
    assert_true(first.succeeded);
    struct store_txn_result second = suite_cas(suite, key, 0, "two");
    assert_false(second.succeeded);
    assert_true(second.revision == first.revision);
    assert_true(suite_cas(suite, key, first.revision, "three").succeeded);

    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_int_equal(list.count, 1);
    assert_memory_equal(list.kvs[0].value.data, "three", 5);
    store_kv_list_release(&list);
}

static void revisions_are_those_of_etcd(void **state)
{
    struct suite *suite = *state;
    const char *key = suite_key(suite, "a");

    int64_t created = fixture_put(suite->store, key, "1");
    int64_t changed = fixture_put(suite->store, key, "2");
    assert_true(changed == created + 1);
    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_true(list.kvs[0].create_revision == created);
    assert_true(list.kvs[0].mod_revision == changed);
    assert_true(list.kvs[0].lease_id == 0);
    assert_true(list.revision == changed);
    store_kv_list_release(&list);

    assert_true(fixture_delete(suite->store, key) == changed + 1);
    assert_true(fixture_delete(suite->store, key) == changed + 1); /* nothing to do */
    int64_t again = fixture_put(suite->store, key, "");
    list = suite_list(suite, suite->prefix);
    assert_true(list.kvs[0].create_revision == again);
    assert_int_equal(list.kvs[0].value.size, 0);
    store_kv_list_release(&list);
}

static bool suite_change_at(struct suite *suite, const char *key, int64_t revision)
{
    const struct store_compare compare = { .key = key,
                                           .target = STORE_MOD_REVISION,
                                           .mod_revision = revision };
    const struct store_op op = fixture_op(STORE_PUT, key, "x");
    struct store_txn_result result;
    struct error err = { 0 };

    if (!store_txn_wait(suite->store, &compare, 1, &op, 1, &result, &err)) {
        fail_msg("%s", err.message);
    }
    return result.succeeded;
}

static void a_change_may_depend_on_the_last_change(void **state)
{
    struct suite *suite = *state;
    const char *key = suite_key(suite, "a");

    assert_true(suite_change_at(suite, key, 0)); /* 0: there is none */
    assert_false(suite_change_at(suite, key, 0));
    int64_t changed = fixture_put(suite->store, key, "2");
    assert_false(suite_change_at(suite, key, changed - 1));
    assert_true(suite_change_at(suite, key, changed));
    assert_false(suite_change_at(suite, key, changed));
    fixture_delete(suite->store, key);
    assert_true(suite_change_at(suite, key, 0));
}

/* One page as a text like "k00 k01 more". */
struct suite_page {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool ready;
    char text[256];
    int64_t revision;
    enum err_code code;
};

static void suite_on_page(void *user, const struct store_range_result *result,
                          const struct error *err)
{
    struct suite_page *page = user;

    pthread_mutex_lock(&page->mutex);
    page->text[0] = '\0';
    page->code = err == NULL ? ERR_NONE : err->code;
    size_t size = 0;
    for (size_t i = 0; err == NULL && i < result->count; i++) {
        size +=
            (size_t)snprintf(page->text + size, sizeof(page->text) - size, "%s=%.*s ",
                             strrchr(result->kvs[i].key, '/') + 1, (int)result->kvs[i].value.size,
                             (const char *)result->kvs[i].value.data);
    }
    if (err == NULL) {
        page->revision = result->revision;
        snprintf(page->text + size, sizeof(page->text) - size, "%s", result->more ? "more" : "end");
    }
    page->ready = true;
    pthread_cond_signal(&page->answered);
    pthread_mutex_unlock(&page->mutex);
}

static void suite_read_page(struct suite *suite, struct suite_page *page, const char *after,
                            size_t limit, int64_t revision)
{
    store_range(suite->store, suite->prefix, after, limit, revision, suite_on_page, page);
    pthread_mutex_lock(&page->mutex);
    while (!page->ready) {
        pthread_cond_wait(&page->answered, &page->mutex);
    }
    page->ready = false;
    pthread_mutex_unlock(&page->mutex);
}

static void pages_of_a_range_show_one_moment(void **state)
{
    struct suite *suite = *state;
    struct suite_page page = { .mutex = PTHREAD_MUTEX_INITIALIZER,
                               .answered = PTHREAD_COND_INITIALIZER };

    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "k%d", i);
        fixture_put(suite->store, suite_key(suite, name), "old");
    }
    suite_read_page(suite, &page, "", 2, 0);
    assert_string_equal(page.text, "k0=old k1=old more");
    int64_t revision = page.revision;

    fixture_put(suite->store, suite_key(suite, "k2"), "new");
    fixture_delete(suite->store, suite_key(suite, "k3"));
    fixture_put(suite->store, suite_key(suite, "k35"), "new");
    suite_read_page(suite, &page, suite_key(suite, "k1"), 2, revision);
    assert_string_equal(page.text, "k2=old k3=old more");
    assert_true(page.revision == revision);
    suite_read_page(suite, &page, suite_key(suite, "k3"), 2, revision);
    assert_string_equal(page.text, "k4=old end");
    suite_read_page(suite, &page, "", 0, 0);
    assert_string_equal(page.text, "k0=old k1=old k2=new k35=new k4=old end");
    suite_read_page(suite, &page, suite_key(suite, "k4"), 0, 0);
    assert_string_equal(page.text, "end");
    suite_read_page(suite, &page, "", 0, page.revision + 1000);
    assert_int_equal(page.code, ERR_INVALID);
    suite_read_page(suite, &page, "/elsewhere", 0, 0);
    assert_int_equal(page.code, ERR_INVALID);
}

static void a_transaction_holds_128_operations_and_no_more(void **state)
{
    struct suite *suite = *state;
    char keys[STORE_TXN_OPS_MAX + 1][FIXTURE_KEY_BYTES];
    struct store_op ops[STORE_TXN_OPS_MAX + 1];
    struct store_compare compares[STORE_TXN_OPS_MAX + 1];
    struct store_txn_result result;
    struct error err = { 0 };

    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        snprintf(keys[i], sizeof(keys[i]), "%.64sk%03zu", suite->prefix, i);
        ops[i] = fixture_op(STORE_PUT, keys[i], "v");
        compares[i] = (struct store_compare){ .key = keys[i] };
    }
    assert_true(store_txn_wait(suite->store, compares, STORE_TXN_OPS_MAX, ops, STORE_TXN_OPS_MAX,
                               &result, &err));
    assert_true(result.succeeded);
    assert_int_equal(fixture_count(suite->store, suite->prefix), STORE_TXN_OPS_MAX);
    assert_int_equal(suite_txn(suite, ops, COUNT_OF(ops), &result), ERR_LIMIT);
    assert_false(store_txn_wait(suite->store, compares, COUNT_OF(compares), ops, 1, &result, &err));
    assert_int_equal(err.code, ERR_LIMIT);

    /* One compare of 128 fails: nothing is applied. */
    for (size_t i = 0; i < STORE_TXN_OPS_MAX; i++) {
        ops[i].kind = STORE_DELETE;
    }
    struct store_compare odd[2] = { { .key = keys[0], .create_revision = result.revision },
                                    { .key = keys[1], .create_revision = 1 } };
    assert_true(store_txn_wait(suite->store, odd, 2, ops, STORE_TXN_OPS_MAX, &result, &err));
    assert_false(result.succeeded);
    assert_int_equal(fixture_count(suite->store, suite->prefix), STORE_TXN_OPS_MAX);
}

static void what_is_wrong_with_a_transaction_is_said(void **state)
{
    struct suite *suite = *state;
    struct store_txn_result result;
    struct store_op ops[2] = { fixture_op(STORE_PUT, suite_key(suite, "a"), "1"),
                               fixture_op(STORE_PUT, suite_key(suite, "a"), "2") };

    assert_int_equal(suite_txn(suite, ops, 2, &result), ERR_INVALID);
    ops[0] = fixture_op(STORE_DELETE_PREFIX, suite->prefix, "");
    assert_int_equal(suite_txn(suite, ops, 2, &result), ERR_INVALID);
    ops[0] = fixture_op(STORE_PUT, "", "x");
    assert_int_equal(suite_txn(suite, ops, 1, &result), ERR_INVALID);
    char *large = memory_alloc(STORE_KEY_BYTES_MAX + 2);
    memset(large, 'x', STORE_KEY_BYTES_MAX + 1);
    ops[0] = fixture_op(STORE_PUT, large, "x");
    assert_int_equal(suite_txn(suite, ops, 1, &result), ERR_LIMIT);
    free(large);
    /* No operation at all is fine: the compares are a question. */
    assert_int_equal(suite_txn(suite, NULL, 0, &result), ERR_NONE);
    assert_true(result.succeeded);
    assert_int_equal(fixture_count(suite->store, suite->prefix), 0);
}

static void a_value_may_have_one_mebibyte(void **state)
{
    struct suite *suite = *state;
    struct store_txn_result result;
    uint8_t *value = memory_alloc(MIB + 1);

    for (size_t i = 0; i < MIB; i++) {
        value[i] = (uint8_t)(i * 31 + i / 251);
    }
    struct store_op op = { .kind = STORE_PUT,
                           .key = suite_key(suite, "large"),
                           .value = { .data = value, .size = MIB } };
    assert_int_equal(suite_txn(suite, &op, 1, &result), ERR_NONE);
    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.kvs[0].value.size, MIB);
    assert_memory_equal(list.kvs[0].value.data, value, MIB);
    store_kv_list_release(&list);
    op.value.size++;
    assert_int_equal(suite_txn(suite, &op, 1, &result), ERR_LIMIT);
    free(value);
}

/* More than one answer may hold: pages shrink, nothing is lost. */
static void a_range_of_many_large_values_comes_whole(void **state)
{
    enum { LARGE = 30 };
    struct suite *suite = *state;
    struct store_txn_result result;
    uint8_t *value = memory_alloc(MIB);

    for (int i = 0; i < LARGE; i++) {
        char name[8];
        snprintf(name, sizeof(name), "k%02d", i);
        memset(value, i, MIB);
        struct store_op op = { .kind = STORE_PUT,
                               .key = suite_key(suite, name),
                               .value = { .data = value, .size = MIB } };
        assert_int_equal(suite_txn(suite, &op, 1, &result), ERR_NONE);
    }
    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_int_equal(list.count, LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        assert_int_equal(list.kvs[i].value.size, MIB);
        assert_int_equal(list.kvs[i].value.data[MIB - 1], i);
    }
    store_kv_list_release(&list);
    struct store_op delete = fixture_op(STORE_DELETE_PREFIX, suite->prefix, "");
    assert_int_equal(suite_txn(suite, &delete, 1, &result), ERR_NONE);
    free(value);
}

static void a_prefix_is_deleted_and_its_neighbours_stay(void **state)
{
    struct suite *suite = *state;
    struct store_txn_result result;

    fixture_put(suite->store, suite_key(suite, "a/1"), "x");
    fixture_put(suite->store, suite_key(suite, "a/2"), "x");
    fixture_put(suite->store, suite_key(suite, "a/\xc3\xbf"), "x");
    fixture_put(suite->store, suite_key(suite, "a0"), "x");
    fixture_put(suite->store, suite_key(suite, "a"), "x");
    struct store_op op = fixture_op(STORE_DELETE_PREFIX, suite_key(suite, "a/"), "");
    assert_int_equal(suite_txn(suite, &op, 1, &result), ERR_NONE);
    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.kvs[0].key, suite_key(suite, "a"));
    assert_string_equal(list.kvs[1].key, suite_key(suite, "a0"));
    store_kv_list_release(&list);
}

static int64_t suite_grant(struct suite *suite, uint64_t ttl_ms)
{
    struct store_lease_result lease;
    struct error err = { 0 };

    if (!store_lease_grant_wait(suite->store, ttl_ms, &lease, &err)) {
        fail_msg("%s", err.message);
    }
    assert_true(lease.lease_id > 0);
    assert_true(lease.ttl_ms >= ttl_ms);
    return lease.lease_id;
}

static uint64_t suite_keep_alive(struct suite *suite, int64_t id)
{
    struct store_lease_result lease;
    struct error err = { 0 };

    if (!store_lease_keep_alive_wait(suite->store, id, &lease, &err)) {
        fail_msg("%s", err.message);
    }
    assert_true(lease.lease_id == id);
    return lease.ttl_ms;
}

static void a_lease_that_expires_takes_its_keys_along(void **state)
{
    struct suite *suite = *state;
    struct watch_log log;
    struct error err;

    watch_log_init(&log);
    const struct store_watch_handler handler = watch_log_handler(&log);
    int64_t lost = suite_grant(suite, LEASE_MS);
    int64_t kept = suite_grant(suite, LEASE_MS);
    int64_t from = fixture_put_leased(suite->store, suite_key(suite, "lost"), lost);
    fixture_put_leased(suite->store, suite_key(suite, "kept"), kept);
    fixture_put(suite->store, suite_key(suite, "own"), "x");
    struct store_watch *watch = store_watch_start(suite->store, suite->prefix, from, &handler);
    for (int i = 0; i < 30; i++) {
        fixture_wait_ms(100);
        assert_true(suite_keep_alive(suite, kept) >= LEASE_MS);
    }
    fixture_wait_count(suite->store, suite->prefix, 2);
    watch_log_wait(&log, 4);
    assert_string_equal(buf_text(&log.text), "+lost=leased |+kept=leased |+own=x |-lost |");
    assert_true(suite_keep_alive(suite, lost) == 0);
    struct store_op op = fixture_op(STORE_PUT, suite_key(suite, "late"), "x");
    struct store_txn_result result;
    op.lease_id = lost;
    assert_int_equal(suite_txn(suite, &op, 1, &result), ERR_CONFLICT);
    store_watch_stop(&watch);
    watch_log_release(&log);
    assert_true(store_lease_revoke_wait(suite->store, kept, &err));
}

static void a_lease_that_is_revoked_takes_its_keys_along(void **state)
{
    struct suite *suite = *state;
    struct error err = { 0 };
    int64_t lease = suite_grant(suite, 60000);

    fixture_put_leased(suite->store, suite_key(suite, "a"), lease);
    fixture_put_leased(suite->store, suite_key(suite, "b"), lease);
    struct store_kv_list list = suite_list(suite, suite->prefix);
    assert_true(list.kvs[0].lease_id == lease);
    store_kv_list_release(&list);
    /* A key that is put without the lease leaves it. */
    fixture_put(suite->store, suite_key(suite, "b"), "free");
    assert_true(store_lease_revoke_wait(suite->store, lease, &err));
    assert_int_equal(fixture_count(suite->store, suite->prefix), 1);
    assert_true(store_lease_revoke_wait(suite->store, lease, &err)); /* gone is gone */
    assert_true(suite_keep_alive(suite, lease) == 0);
}

static void a_watch_sees_each_transaction_once_and_in_order(void **state)
{
    struct suite *suite = *state;
    struct store_txn_result result;
    struct watch_log past;
    struct watch_log now;
    struct watch_log later;

    watch_log_init(&past);
    watch_log_init(&now);
    watch_log_init(&later);
    int64_t from = fixture_put(suite->store, suite_key(suite, "a"), "1");
    fixture_put(suite->store, suite_key(suite, "a"), "2");
    fixture_delete(suite->store, suite_key(suite, "a"));
    const struct store_watch_handler handlers[] = { watch_log_handler(&past),
                                                    watch_log_handler(&now),
                                                    watch_log_handler(&later) };
    struct store_watch *watches[3] = {
        store_watch_start(suite->store, suite->prefix, from, &handlers[0]),
        store_watch_start(suite->store, suite->prefix, 0, &handlers[1]),
        store_watch_start(suite->store, suite->prefix, from + 5, &handlers[2]),
    };
    watch_log_wait(&past, 3);
    assert_string_equal(buf_text(&past.text), "+a=1 |+a=2 |-a |");
    /* "From now on" begins when the watch is there: go on until it sees something. */
    for (int i = 0; !watch_log_contains(&now, "+tick") && i < 100; i++) {
        fixture_put(suite->store, suite_key(suite, "tick"), "x");
        fixture_wait_ms(20);
    }
    fixture_put(suite->store, "/unseen/x", "x");
    struct store_op ops[3] = { fixture_op(STORE_PUT, suite_key(suite, "b"), "1"),
                               fixture_op(STORE_PUT, suite_key(suite, "c"), "1"),
                               fixture_op(STORE_DELETE, suite_key(suite, "tick"), "") };
    assert_int_equal(suite_txn(suite, ops, 3, &result), ERR_NONE);
    fixture_put(suite->store, suite_key(suite, "end"), "");
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;
    while ((!watch_log_contains(&past, "+end") || !watch_log_contains(&now, "+end") ||
            !watch_log_contains(&later, "+end")) &&
           clock_monotonic_ms() < until_ms) {
        fixture_wait_ms(20);
    }
    for (size_t i = 0; i < COUNT_OF(watches); i++) {
        store_watch_stop(&watches[i]);
    }
    /* The events of one transaction come together, in any order among themselves. */
    const char *end = strstr(buf_text(&past.text), "|+end= |");
    assert_non_null(end);
    assert_true(strstr(buf_text(&past.text), "+b=1 ") != NULL);
    assert_true(strstr(buf_text(&now.text), "unseen") == NULL);
    assert_true(strstr(buf_text(&now.text), "-tick ") != NULL);
    assert_true(strstr(buf_text(&later.text), "+a=") == NULL);
    assert_false(past.disordered || now.disordered || later.disordered);
    watch_log_release(&past);
    watch_log_release(&now);
    watch_log_release(&later);
}

static void a_compaction_ends_what_looks_behind_it(void **state)
{
    struct suite *suite = *state;
    struct suite_page page = { .mutex = PTHREAD_MUTEX_INITIALIZER,
                               .answered = PTHREAD_COND_INITIALIZER };
    struct watch_log log;
    struct suite_tally tally = { 0 };

    watch_log_init(&log);
    const struct store_watch_handler handler = watch_log_handler(&log);
    int64_t old = fixture_put(suite->store, suite_key(suite, "a"), "1");
    int64_t new = fixture_put(suite->store, suite_key(suite, "a"), "2");
    for (unsigned i = 1; i <= 2; i++) { /* a second time is success too */
        store_compact(suite->store, new, suite_count_answer, &tally);
        while (atomic_load(&tally.answered) < i) {
            fixture_wait_ms(2);
        }
        assert_int_equal(atomic_load(&tally.succeeded), i);
    }
    suite_read_page(suite, &page, "", 0, old);
    assert_int_equal(page.code, ERR_NOT_FOUND);
    suite_read_page(suite, &page, "", 0, new);
    assert_string_equal(page.text, "a=2 end");
    struct store_watch *watch = store_watch_start(suite->store, suite->prefix, old, &handler);
    watch_log_wait_lost(&log);
    assert_int_equal(log.lost, ERR_NOT_FOUND);
    assert_int_equal(log.events, 0);
    store_watch_stop(&watch);
    watch_log_release(&log);
}

#define SUITE_TEST(test) cmocka_unit_test_setup_teardown(test, suite_set_up, suite_tear_down)

static struct suite suite_current;

static int suite_begin(void **state)
{
    *state = &suite_current;
    return 0;
}

int store_suite_run(const char *name, const char *location)
{
    const struct CMUnitTest tests[] = {
        SUITE_TEST(a_compare_lets_one_win),
        SUITE_TEST(revisions_are_those_of_etcd),
        SUITE_TEST(a_change_may_depend_on_the_last_change),
        SUITE_TEST(pages_of_a_range_show_one_moment),
        SUITE_TEST(a_transaction_holds_128_operations_and_no_more),
        SUITE_TEST(what_is_wrong_with_a_transaction_is_said),
        SUITE_TEST(a_value_may_have_one_mebibyte),
        SUITE_TEST(a_range_of_many_large_values_comes_whole),
        SUITE_TEST(a_prefix_is_deleted_and_its_neighbours_stay),
        SUITE_TEST(a_lease_that_expires_takes_its_keys_along),
        SUITE_TEST(a_lease_that_is_revoked_takes_its_keys_along),
        SUITE_TEST(a_watch_sees_each_transaction_once_and_in_order),
        SUITE_TEST(a_compaction_ends_what_looks_behind_it),
        SUITE_TEST(concurrent_writers_lose_nothing),
        SUITE_TEST(what_is_open_is_answered_once_when_the_store_is_freed),
        SUITE_TEST(a_callback_may_call_the_store),
    };

    suite_current = (struct suite){ .location = location };
    print_message("store conformance: %s\n", name);
    return cmocka_run_group_tests_name(name, tests, suite_begin, NULL);
}
