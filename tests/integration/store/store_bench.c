/* How fast the backends are: puts one after the other, many at once, and transactions of 64. */
#include "store_suite.h"

#include <stdatomic.h>
#include <stdio.h>

#include "store_fixture.h"

#include "common/core/clock.h"

enum { BENCH_ALONE = 1000, BENCH_MANY = 10000, BENCH_TXNS = 500, BENCH_TXN_OPS = 64 };

static void bench_on_done(void *user, const struct store_txn_result *result,
                          const struct error *err)
{
    atomic_uint *answered = user;

    (void)result;
    if (err != NULL) {
        printf("failed: %s\n", err->message);
    }
    atomic_fetch_add(answered, 1);
}

static void bench_wait(atomic_uint *answered, unsigned count)
{
    while (atomic_load(answered) < count) {
        fixture_wait_ms(1);
    }
}

static double bench_puts(struct store *store, unsigned count, unsigned at_once, unsigned op_count)
{
    atomic_uint answered = 0;
    char keys[BENCH_TXN_OPS][FIXTURE_KEY_BYTES];
    struct store_op ops[BENCH_TXN_OPS];
    uint64_t begin_us = clock_monotonic_us();

    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = 0; j < op_count; j++) {
            snprintf(keys[j], sizeof(keys[j]), "/bench/locks/shard-%u/tenant-%06u", j, i);
            ops[j] = fixture_op(STORE_PUT, keys[j],
                                "a value of about one hundred bytes, as the coordinator writes them"
                                " for a lock or for a rollout.");
        }
        store_txn(store, NULL, 0, ops, op_count, bench_on_done, &answered);
        if (i + 1 >= at_once) {
            bench_wait(&answered, i + 1 - at_once + (at_once == 1 ? 1 : 0));
        }
    }
    bench_wait(&answered, count);
    return count * 1e6 / (double)(clock_monotonic_us() - begin_us);
}

static double bench_alone(struct store *store)
{
    const struct store_op op = fixture_op(STORE_PUT, "/bench/alone", "one hundred bytes or so");
    uint64_t begin_us = clock_monotonic_us();
    struct store_txn_result result;
    struct error err = { 0 };

    for (unsigned i = 0; i < BENCH_ALONE; i++) {
        if (!store_txn_wait(store, NULL, 0, &op, 1, &result, &err)) {
            printf("failed: %s\n", err.message);
        }
    }
    return BENCH_ALONE * 1e6 / (double)(clock_monotonic_us() - begin_us);
}

int store_bench_run(const char *name, const char *location)
{
    struct store *store = fixture_open(location, 60000);

    printf("%-8s put, one at a time %8.0f/s", name, bench_alone(store));
    printf("   put, 64 at a time %8.0f/s", bench_puts(store, BENCH_MANY, 64, 1));
    double one = bench_puts(store, BENCH_TXNS, 2, BENCH_TXN_OPS);
    double many = bench_puts(store, BENCH_TXNS, 8, BENCH_TXN_OPS);
    printf("   txn of 64: 2 at a time %6.0f/s (%.0f keys/s), 8 %6.0f/s (%.0f keys/s)\n", one,
           one * BENCH_TXN_OPS, many, many * BENCH_TXN_OPS);
    store_free(&store);
    return 0;
}
