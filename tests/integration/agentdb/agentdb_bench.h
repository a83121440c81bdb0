/* agentdb_bench.h - one batch of one tenant, called as the walk would call it.
 *
 * Used by the tests of batches, on the test's thread. */
#ifndef SKEIN_TESTS_AGENTDB_BENCH_H
#define SKEIN_TESTS_AGENTDB_BENCH_H

#include "agent/run/runner_batch.h"
#include "agentdb_fixture.h"

#define COUNT_UP                                                                                   \
    "SELECT id FROM accounts;\n"                                                                   \
    "UPDATE accounts a SET n = n + 1 FROM chunk WHERE a.id = chunk.id;\n"

struct batch_bench {
    struct agentdb *db;
    struct prepared_set *set;
    struct executor_task *task;
    struct pg_conn *conn;
    struct pg_batch *batch;
    struct arena arena;
    struct executor_options options;
    struct runner_call call;
    struct runner_report report;
    uint64_t cancel_after; /* progress calls; 0: never */
    uint64_t calls;
    uint64_t done;
    uint64_t total;
    uint64_t hurry; /* pauses are so many times shorter; 0: as they are */
    uint64_t waits; /* progress calls that said what is waited for */
    char words[256];
    struct agentdb_server *frozen; /* a standby: thawed after it has been waited for a while */
};

/* A tenant with a table of `rows` accounts, at version 1.0.0, whose operation has been started. */
void bench_open(struct batch_bench *bench, struct agentdb *db, const char *tenant, int rows,
                const char *script);
void bench_close(struct batch_bench *bench);
/* Another connection than the one at hand. */
void bench_connect(struct batch_bench *bench, const char *conninfo);
/* Setup and execute, as one try. */
bool bench_try(struct batch_bench *bench);
/* One that has to succeed; one that has to fail with these words. */
void bench_run(struct batch_bench *bench);
void bench_refuses(struct batch_bench *bench, const char *part);
/* Each account has been counted up once. */
void bench_assert_each_once(struct batch_bench *bench, int rows);

#endif
