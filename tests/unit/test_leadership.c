/* LIBS: coordinator_store */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "coordinator/store/leadership.h"
#include "coordinator/store/loader.h"

enum { WAIT_MS = 15000 };

/* A real store in a file, with the test as the brain. */
struct fixture {
    char folder[64];
    struct store *store;
    struct mailbox *inbox;
    struct leadership *leadership;
    uint64_t terms[8];
    size_t won;
    size_t lost;
};

static void discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

static void on_won(void *context, uint64_t term)
{
    struct fixture *fixture = context;

    assert_true(fixture->won < COUNT_OF(fixture->terms));
    fixture->terms[fixture->won++] = term;
}

static void on_lost(void *context, const char *why)
{
    assert_true(why[0] != '\0');
    ((struct fixture *)context)->lost++;
}

static void on_leader_known(void *context, const char *address)
{
    (void)context;
    (void)address;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char location[128];
    struct error err = { 0 };

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/skein-leadership-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(location, sizeof(location), "sqlite:%s/s.db", fixture->folder);
    const struct store_options options = {
        .location = location,
        .tls_cert = "",
        .tls_key = "",
        .tls_ca = "",
        .user = "",
        .password = "",
    };
    assert_true(store_open(&options, &fixture->store, &err));
    fixture->inbox = mailbox_new(64, discard);
    const struct leadership_hooks hooks = {
        .won = on_won, .lost = on_lost, .leader_known = on_leader_known, .context = fixture
    };
    fixture->leadership =
        leadership_new(fixture->store, fixture->inbox, "/skein", "127.0.0.1:1", &hooks);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    static const char *const files[] = { "s.db", "s.db-wal", "s.db-shm", "s.db.lock" };
    char path[256];

    store_free(&fixture->store);
    leadership_free(&fixture->leadership);
    mailbox_free(&fixture->inbox);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->folder, files[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* Plays the brain until leadership was won and lost so often. */
static void pump(struct fixture *fixture, size_t won, size_t lost)
{
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    size_t rounds = 0;

    while (fixture->won < won || fixture->lost < lost) {
        void *message;
        uint64_t next_ms = leadership_next_ms(fixture->leadership);
        assert_true(clock_monotonic_ms() < until);
        assert_true(rounds++ < 1000); /* it waits, it does not spin */
        if (mailbox_take(fixture->inbox, &message, 1, next_ms < until ? next_ms : until) == 1) {
            struct event *event = message;
            leadership_on_answer(fixture->leadership, event, clock_monotonic_ms());
            event_free(&event);
        }
        leadership_on_tick(fixture->leadership, clock_monotonic_ms());
    }
}

static void a_free_key_is_taken_and_the_term_is_its_create_revision(void **state)
{
    struct fixture *fixture = *state;
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    pump(fixture, 1, 0);
    assert_int_equal(leadership_state(fixture->leadership), LEADER_LOADING);
    leadership_on_loaded(fixture->leadership);
    assert_int_equal(leadership_state(fixture->leadership), LEADER_LEADING);
    assert_string_equal(leadership_trouble(fixture->leadership), "");
    assert_true(store_range_wait(fixture->store, "/skein/leader", &list, &err));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.kvs[0].create_revision, fixture->terms[0]);
    assert_int_equal(list.kvs[0].lease_id, leadership_lease(fixture->leadership));
    store_kv_list_release(&list);
}

static void a_lease_that_is_gone_ends_the_term_and_a_later_one_follows(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };

    pump(fixture, 1, 0);
    leadership_on_loaded(fixture->leadership);
    assert_true(
        store_lease_revoke_wait(fixture->store, leadership_lease(fixture->leadership), &err));
    pump(fixture, 2, 1);
    assert_true(fixture->terms[1] > fixture->terms[0]);
}

static void who_steps_down_gives_the_key_back(void **state)
{
    struct fixture *fixture = *state;

    pump(fixture, 1, 0);
    leadership_step_down(fixture->leadership, "a test wants it");
    assert_int_equal(fixture->lost, 1);
    assert_int_equal(leadership_lease(fixture->leadership), 0);
    leadership_step_down(fixture->leadership, "again"); /* means nothing now */
    assert_int_equal(fixture->lost, 1);
    pump(fixture, 2, 1);
    assert_true(fixture->terms[1] > fixture->terms[0]);
}

static void a_leader_that_was_paused_steps_down_by_its_own_clock(void **state)
{
    struct fixture *fixture = *state;

    pump(fixture, 1, 0);
    leadership_on_loaded(fixture->leadership);
    leadership_on_tick(fixture->leadership, clock_monotonic_ms() + LEADER_LEASE_TTL_MS);
    assert_int_equal(fixture->lost, 1);
    assert_int_not_equal(leadership_state(fixture->leadership), LEADER_LEADING);
}

static void put(struct fixture *fixture, enum store_op_kind kind, const char *key,
                const char *value)
{
    const struct store_op op = { .kind = kind, .key = key, .value = bytes_of_text(value) };
    struct store_txn_result result;
    struct error err = { 0 };

    assert_true(store_txn_wait(fixture->store, NULL, 0, &op, 1, &result, &err));
}

static void wait_for_trouble(struct loader *loader, const char *what)
{
    char trouble[256] = "";
    uint64_t until = clock_monotonic_ms() + WAIT_MS;

    while (strstr(trouble, what) == NULL) {
        assert_true(clock_monotonic_ms() < until);
        (void)poll(NULL, 0, 1);
        loader_trouble(loader, trouble);
    }
}

static void bytes_that_are_not_ours_are_named_until_they_are_gone(void **state)
{
    static const char *const keys[] = { "/skein/rollouts/r1/spec",
                                        "/skein/locks/eu-1/t_1",
                                        "/skein/sessions/eu-1",
                                        "/skein/shards/eu-1",
                                        "/skein/sets/billing/head",
                                        "/skein/events/0001",
                                        "/skein/tokens" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        put(fixture, STORE_PUT, keys[i], "junk\x01\xff");
        struct loader *loader = loader_start(fixture->store, fixture->inbox, "/skein", 7);
        wait_for_trouble(loader, keys[i]);
        put(fixture, STORE_DELETE, keys[i], "");
        if (i == 0) { /* it finds out by itself */
            void *message;
            assert_int_equal(
                mailbox_take(fixture->inbox, &message, 1, clock_monotonic_ms() + WAIT_MS), 1);
            struct event *event = message;
            assert_int_equal(event->type, EVENT_LEADING);
            assert_int_equal(event->loaded.term, 7);
            assert_int_equal(event->loaded.rollout_count, 0);
            event_free(&event);
        }
        loader_stop(&loader); /* or it is stopped while it waits */
        assert_null(loader);
    }
}

/* One look at the mailbox and the clock; the first `lose` answers are lost. */
static void pump_once(struct fixture *fixture, size_t *lose)
{
    void *message;

    if (mailbox_take(fixture->inbox, &message, 1, clock_monotonic_ms() + 50) == 1) {
        struct event *event = message;
        if (*lose > 0) {
            (*lose)--;
            event->answer.error.code = ERR_UNCERTAIN;
        }
        leadership_on_answer(fixture->leadership, event, clock_monotonic_ms());
        event_free(&event);
    }
    leadership_on_tick(fixture->leadership, clock_monotonic_ms());
}

static void who_resigns_gives_the_key_back_until_that_is_certain_and_takes_it_no_more(void **state)
{
    struct fixture *fixture = *state;
    struct store_kv_list list = { 0 };
    struct error err = { 0 };
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    size_t lose = 2;

    pump(fixture, 1, 0);
    leadership_on_loaded(fixture->leadership);
    leadership_resign(fixture->leadership, clock_monotonic_ms());
    assert_false(leadership_is_given_back(fixture->leadership));
    while (!leadership_is_given_back(fixture->leadership)) {
        assert_true(clock_monotonic_ms() < until);
        pump_once(fixture, &lose);
    }
    assert_int_equal(lose, 0);
    lose = 0;
    for (int i = 0; i < 20; i++) { /* the key is free, and it knows */
        pump_once(fixture, &lose);
    }
    assert_true(store_range_wait(fixture->store, "/skein/leader", &list, &err));
    assert_int_equal(list.count, 0);
    assert_int_equal(leadership_state(fixture->leadership), LEADER_FOLLOWER);
    assert_int_equal(fixture->won, 1);
    assert_int_equal(fixture->lost, 0);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(a_free_key_is_taken_and_the_term_is_its_create_revision),
        WITH_FIXTURE(a_lease_that_is_gone_ends_the_term_and_a_later_one_follows),
        WITH_FIXTURE(who_steps_down_gives_the_key_back),
        WITH_FIXTURE(a_leader_that_was_paused_steps_down_by_its_own_clock),
        WITH_FIXTURE(who_resigns_gives_the_key_back_until_that_is_certain_and_takes_it_no_more),
        WITH_FIXTURE(bytes_that_are_not_ours_are_named_until_they_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
