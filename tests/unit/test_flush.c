/* LIBS: coordinator_store */
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
#include "coordinator/store/flush.h"

enum { PERFORMED_MAX = 512, WAIT_MS = 10000 };

/* A flush over a real store in a file, with the test as the brain. */
struct fixture {
    char folder[64];
    char location[128];
    struct store *store;
    struct mailbox *inbox;
    struct metrics *metrics;
    struct flush *flush;
    uint64_t tickets[PERFORMED_MAX]; /* in the order in which they were performed */
    uint64_t revisions[PERFORMED_MAX];
    size_t performed;
    int64_t gone;
    bool deposed;
    size_t lose; /* so many answers of transactions are lost, after the fact */
};

static void discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

static void on_perform(void *context, const struct effect *effect, uint64_t revision)
{
    struct fixture *fixture = context;

    assert_true(fixture->performed < PERFORMED_MAX);
    fixture->tickets[fixture->performed] = effect->ticket;
    fixture->revisions[fixture->performed++] = revision;
}

static void on_lease_gone(void *context, int64_t lease_id)
{
    ((struct fixture *)context)->gone = lease_id;
}

static void on_deposed(void *context)
{
    struct fixture *fixture = context;

    fixture->deposed = true;
    flush_set_term(fixture->flush, 0);
}

static uint64_t take_leader_key(struct fixture *fixture, const char *value)
{
    const struct store_op op = { .kind = STORE_PUT,
                                 .key = "/skein/leader",
                                 .value = bytes_of_text(value) };
    const struct store_op drop = { .kind = STORE_DELETE, .key = "/skein/leader" };
    struct store_txn_result result;
    struct error err = { 0 };

    assert_true(store_txn_wait(fixture->store, NULL, 0, &drop, 1, &result, &err));
    assert_true(store_txn_wait(fixture->store, NULL, 0, &op, 1, &result, &err));
    return (uint64_t)result.revision;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct error err = { 0 };

    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/skein-flush-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->location, sizeof(fixture->location), "sqlite:%s/s.db", fixture->folder);
    const struct store_options options = {
        .location = fixture->location,
        .tls_cert = "",
        .tls_key = "",
        .tls_ca = "",
        .user = "",
        .password = "",
    };
    assert_true(store_open(&options, &fixture->store, &err));
    fixture->inbox = mailbox_new(1024, discard);
    fixture->metrics = metrics_new();
    const struct flush_hooks hooks = { .perform = on_perform,
                                       .lease_gone = on_lease_gone,
                                       .deposed = on_deposed,
                                       .context = fixture };
    fixture->flush = flush_new(fixture->store, fixture->inbox, "/skein", fixture->metrics, &hooks);
    flush_set_term(fixture->flush, take_leader_key(fixture, "me"));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    static const char *const files[] = { "s.db", "s.db-wal", "s.db-shm", "s.db.lock" };
    char path[256];

    store_free(&fixture->store);
    flush_free(&fixture->flush);
    mailbox_free(&fixture->inbox);
    metrics_free(&fixture->metrics);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", fixture->folder, files[i]);
        unlink(path);
    }
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* Plays the brain until the flush has nothing left to do. */
static void pump(struct fixture *fixture)
{
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    void *message;

    while (!flush_is_idle(fixture->flush)) {
        uint64_t now_ms = clock_monotonic_ms();
        assert_true(now_ms < until);
        if (mailbox_take(fixture->inbox, &message, 1, now_ms + 20) == 1) {
            struct event *event = message;
            if (fixture->lose > 0 && event->answer.kind == STORE_ANSWER_FLUSH) {
                fixture->lose--;
                event->answer.succeeded = false;
                event->answer.error.code = ERR_UNCERTAIN;
            }
            flush_on_answer(fixture->flush, event, clock_monotonic_ms());
            event_free(&event);
        }
        flush_on_tick(fixture->flush, clock_monotonic_ms());
    }
}

static void put_shard(struct effects *effects, const char *name, int64_t lease_id)
{
    struct effect *effect = effects_add(effects, EFFECT_PUT);

    effect->record = RECORD_SHARD;
    effect->key = arena_strdup(&effects->arena, name);
    effect->lease_id = lease_id;
    effect->shard.name = effect->key;
}

static void then(struct effects *effects, uint64_t ticket)
{
    effects_add(effects, EFFECT_AFTER_STORED)->ticket = ticket;
}

static size_t count_keys(struct fixture *fixture, const char *prefix)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    assert_true(store_range_wait(fixture->store, prefix, &list, &err));
    size_t count = list.count;
    store_kv_list_release(&list);
    return count;
}

static void what_needs_no_write_is_done_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };

    then(&effects, 1);
    flush_add(fixture->flush, &effects, 0);
    assert_int_equal(fixture->performed, 1);
    assert_true(flush_is_idle(fixture->flush));
}

static void nothing_is_done_before_what_stands_before_it_is_durable(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };
    char name[32];

    then(&effects, 1);
    for (int i = 0; i < 300; i++) { /* three transactions */
        snprintf(name, sizeof(name), "s%03d", i);
        put_shard(&effects, name, 0);
    }
    then(&effects, 2);
    flush_add(fixture->flush, &effects, 0);
    assert_int_equal(fixture->performed, 1);
    pump(fixture);
    assert_int_equal(fixture->performed, 2);
    assert_int_equal(fixture->tickets[1], 2);
    assert_true(fixture->revisions[1] > 0);
    assert_int_equal(count_keys(fixture, "/skein/shards/"), 300);
}

static void what_comes_while_a_write_is_under_way_shares_the_next_one(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };

    for (uint64_t i = 0; i < 50; i++) {
        put_shard(&effects, i % 2 == 0 ? "even" : "odd", 0); /* the same keys again and again */
        then(&effects, i);
        flush_add(fixture->flush, &effects, 0);
    }
    pump(fixture);
    assert_int_equal(fixture->performed, 50);
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(fixture->tickets[i], i);
        assert_true(i == 0 || fixture->revisions[i] >= fixture->revisions[i - 1]);
    }
    assert_true(fixture->revisions[49] - fixture->revisions[0] <= 2); /* two transactions in all */
}

static void a_coordinator_that_no_longer_leads_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };

    take_leader_key(fixture, "another");
    put_shard(&effects, "eu-1", 0);
    then(&effects, 1);
    flush_add(fixture->flush, &effects, 0);
    pump(fixture);
    assert_true(fixture->deposed);
    assert_int_equal(fixture->performed, 0);
    assert_int_equal(count_keys(fixture, "/skein/shards/"), 0);
}

static void a_lease_that_is_gone_takes_only_its_own_writes_along(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };
    struct store_lease_result lease;
    struct error err = { 0 };

    assert_true(store_lease_grant_wait(fixture->store, 10000, &lease, &err));
    assert_true(store_lease_revoke_wait(fixture->store, lease.lease_id, &err));
    put_shard(&effects, "of-the-dead", lease.lease_id);
    put_shard(&effects, "of-the-living", 0);
    then(&effects, 1);
    flush_add(fixture->flush, &effects, clock_monotonic_ms());
    pump(fixture);
    assert_int_equal(fixture->gone, lease.lease_id);
    assert_int_equal(fixture->performed, 1);
    assert_int_equal(count_keys(fixture, "/skein/shards/of-the-living"), 1);
    assert_int_equal(count_keys(fixture, "/skein/shards/of-the-dead"), 0);
}

static void a_large_archive_is_cut_into_chunks(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };
    const size_t size = 3 * SET_CHUNK_BYTES + 5;
    struct effect *effect = effects_add(&effects, EFFECT_PUT);

    effect->record = RECORD_SET_ARCHIVE;
    effect->key = "billing";
    effect->id = "sha256:ab";
    effect->archive.size = size;
    effect->archive.data = arena_alloc(&effects.arena, size);
    then(&effects, 1);
    flush_add(fixture->flush, &effects, 0);
    pump(fixture);
    assert_int_equal(fixture->performed, 1);
    assert_int_equal(count_keys(fixture, "/skein/sets/billing/sha256:ab/"), 4);
}

static void drop_rollout(struct effects *effects, const char *id)
{
    struct effect *effect = effects_add(effects, EFFECT_DELETE);

    effect->record = RECORD_ROLLOUT;
    effect->id = id;
    effect->key = "";
}

static void put_progress(struct effects *effects, const char *id, const char *shard)
{
    struct effect *effect = effects_add(effects, EFFECT_PUT);

    effect->record = RECORD_SHARD_PROGRESS;
    effect->id = id;
    effect->key = shard;
    effect->progress.shard = shard;
}

/* Such writes may meet in the queue while the store is away, and no store takes both at once. */
static void a_rollout_that_was_written_a_moment_ago_can_be_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };

    put_progress(&effects, "r1", "eu-1");
    put_progress(&effects, "r2", "eu-1");
    drop_rollout(&effects, "r1");
    put_progress(&effects, "r3", "eu-1");
    put_progress(&effects, "r1", "eu-2");
    then(&effects, 1);
    flush_add(fixture->flush, &effects, clock_monotonic_ms());
    pump(fixture);
    assert_int_equal(fixture->performed, 1);
    assert_int_equal(count_keys(fixture, "/skein/rollouts/r1/"), 1);
    assert_int_equal(count_keys(fixture, "/skein/rollouts/r1/shards/eu-2"), 1);
    assert_int_equal(count_keys(fixture, "/skein/rollouts/"), 3);
}

/* A leader of many weeks meets more dead leases than it can remember. */
static void dead_leases_are_noticed_however_many_there_were(void **state)
{
    struct fixture *fixture = *state;
    struct error err = { 0 };
    char name[32];

    for (int i = 0; i < 3; i++) {
        struct effects effects = { 0 };
        for (int j = 0; j < 120; j++) {
            struct store_lease_result lease;
            assert_true(store_lease_grant_wait(fixture->store, 60000, &lease, &err));
            assert_true(store_lease_revoke_wait(fixture->store, lease.lease_id, &err));
            snprintf(name, sizeof(name), "dead-%d-%d", i, j);
            put_shard(&effects, name, lease.lease_id);
        }
        then(&effects, (uint64_t)i);
        flush_add(fixture->flush, &effects, clock_monotonic_ms());
        pump(fixture);
    }
    assert_int_equal(fixture->performed, 3);
    assert_int_equal(flush_backlog(fixture->flush), 0);
    assert_int_equal(count_keys(fixture, "/skein/shards/"), 0);
}

static int64_t revision_of(struct fixture *fixture, const char *key)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    assert_true(store_range_wait(fixture->store, key, &list, &err));
    assert_int_equal(list.count, 1);
    int64_t revision = list.kvs[0].mod_revision;
    store_kv_list_release(&list);
    return revision;
}

static void write_one(struct fixture *fixture, const char *name, uint64_t ticket, size_t lose)
{
    struct effects effects = { 0 };

    fixture->lose = lose;
    put_shard(&effects, name, 0);
    then(&effects, ticket);
    flush_add(fixture->flush, &effects, clock_monotonic_ms());
    pump(fixture);
}

/* The revision is a lock's token: it has to be that of the try that took effect. */
static void a_write_whose_answer_was_lost_happens_once(void **state)
{
    struct fixture *fixture = *state;

    write_one(fixture, "a", 1, 3);
    assert_int_equal(fixture->performed, 1);
    assert_int_equal(fixture->revisions[0], revision_of(fixture, "/skein/shards/a"));
    assert_int_equal(fixture->revisions[0], revision_of(fixture, "/skein/writes"));
    write_one(fixture, "b", 2, 0);
    assert_int_equal(fixture->performed, 2);
    assert_int_equal(fixture->revisions[1], fixture->revisions[0] + 1); /* not written again */
    assert_false(fixture->deposed);
}

/* As if a network had kept the first try back until much later. */
static void a_try_that_comes_late_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t term = take_leader_key(fixture, "me again");
    struct store_txn_result result;
    struct error err = { 0 };

    flush_set_term(fixture->flush, term);
    write_one(fixture, "a", 1, 0);
    const struct store_compare compares[] = {
        { .key = "/skein/leader", .create_revision = (int64_t)term },
        { .key = "/skein/writes",
          .target = STORE_MOD_REVISION,
          .mod_revision = revision_of(fixture, "/skein/writes") },
    };
    const struct store_op late = { .kind = STORE_PUT, .key = "/skein/shards/late" };
    write_one(fixture, "b", 2, 0);
    assert_true(store_txn_wait(fixture->store, compares, 2, &late, 1, &result, &err));
    assert_false(result.succeeded);
    write_one(fixture, "c", 3, 1);
    assert_int_equal(fixture->performed, 3);
    assert_false(fixture->deposed);
}

static void a_lost_answer_and_another_leader(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };
    const struct store_op write = { .kind = STORE_PUT,
                                    .key = "/skein/writes",
                                    .value = bytes_of_text("77") };
    struct store_txn_result result;
    struct error err = { 0 };

    fixture->lose = 1;
    put_shard(&effects, "a", 0);
    then(&effects, 1);
    flush_add(fixture->flush, &effects, clock_monotonic_ms());
    take_leader_key(fixture, "another");
    assert_true(store_txn_wait(fixture->store, NULL, 0, &write, 1, &result, &err));
    pump(fixture);
    assert_true(fixture->deposed);
    assert_int_equal(fixture->performed, 0);
}

static void a_lost_answer_and_a_lease_that_ends(void **state)
{
    struct fixture *fixture = *state;
    struct effects effects = { 0 };
    struct store_lease_result lease;
    struct error err = { 0 };

    assert_true(store_lease_grant_wait(fixture->store, 10000, &lease, &err));
    fixture->lose = 1;
    put_shard(&effects, "of-the-dead", lease.lease_id);
    put_shard(&effects, "of-the-living", 0);
    then(&effects, 1);
    flush_add(fixture->flush, &effects, clock_monotonic_ms());
    while (count_keys(fixture, "/skein/writes") == 0) {
    }
    assert_true(store_lease_revoke_wait(fixture->store, lease.lease_id, &err));
    pump(fixture);
    assert_int_equal(fixture->performed, 1);
    assert_int_equal(fixture->revisions[0], revision_of(fixture, "/skein/shards/of-the-living"));
    assert_int_equal(count_keys(fixture, "/skein/shards/"), 1);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(what_needs_no_write_is_done_at_once),
        WITH_FIXTURE(nothing_is_done_before_what_stands_before_it_is_durable),
        WITH_FIXTURE(what_comes_while_a_write_is_under_way_shares_the_next_one),
        WITH_FIXTURE(a_coordinator_that_no_longer_leads_writes_nothing),
        WITH_FIXTURE(a_lease_that_is_gone_takes_only_its_own_writes_along),
        WITH_FIXTURE(a_large_archive_is_cut_into_chunks),
        WITH_FIXTURE(a_rollout_that_was_written_a_moment_ago_can_be_deleted),
        WITH_FIXTURE(dead_leases_are_noticed_however_many_there_were),
        WITH_FIXTURE(a_write_whose_answer_was_lost_happens_once),
        WITH_FIXTURE(a_try_that_comes_late_changes_nothing),
        WITH_FIXTURE(a_lost_answer_and_another_leader),
        WITH_FIXTURE(a_lost_answer_and_a_lease_that_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
