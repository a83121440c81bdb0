/* agentdb_fixture.h - what the tests of the agent's database side share.
 *
 * One server for all tests; each test uses schemas, sets or databases with names of its own. */
#ifndef SKEIN_TESTS_AGENTDB_FIXTURE_H
#define SKEIN_TESTS_AGENTDB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "agent/run/executor.h"
#include "agentdb_server.h"
#include "common/core/memory.h"
#include "common/pg/pg_conn.h"
#include "common/sql/sql_script.h"

struct agentdb {
    struct agentdb_server server;
    struct sql_parser *parser;
    struct pg_conn *admin;
    const char *program; /* this test binary, to be run as a child */
};

/* One script of a set. */
struct agentdb_file {
    const char *path;
    const char *text;
};

/* Statements that have to succeed; `format` as printf. */
void agentdb_exec(struct agentdb *db, const char *format, ...) PRINTF(2, 3);
uint64_t agentdb_count(struct agentdb *db, const char *format, ...) PRINTF(2, 3);
/* The single value of a query; the caller frees it. */
char *agentdb_text(struct agentdb *db, const char *format, ...) PRINTF(2, 3);

struct prepared_set *agentdb_set(struct agentdb *db, const char *name,
                                 const struct agentdb_file *files, size_t count);
#define AGENTDB_SET(db, name, ...)                                                                 \
    agentdb_set(db, name, (const struct agentdb_file[]){ __VA_ARGS__ },                            \
                COUNT_OF(((const struct agentdb_file[]){ __VA_ARGS__ })))

/* Results as they came; owned by the pool. */
struct agentdb_result {
    struct arena arena;
    const struct task_result *result;
};

struct agentdb_pool {
    struct executor *executor;
    pthread_mutex_t mutex;
    pthread_cond_t came;
    struct agentdb_result *results;
    size_t count;
    size_t capacity;
};

struct agentdb_pool *agentdb_pool_new(struct agentdb *db, const struct executor_options *options);
void agentdb_pool_free(struct agentdb_pool **pool);
/* Waits until there are `count` results; fails the test after a minute. */
void agentdb_pool_wait(struct agentdb_pool *pool, size_t count);
size_t agentdb_pool_count(struct agentdb_pool *pool);

struct agentdb_order {
    enum task_mode mode;
    const char *rollout; /* NULL: "r1" */
    const char *tenant;
    const char *from;   /* NULL: none */
    const char *target; /* NULL: the set's latest */
    uint64_t token;     /* 0: 1 */
    uint64_t lock_timeout_ms;
    uint64_t lock_budget_ms;
    bool awaited_copy;        /* it has rested until a copy was tried, and is tried again */
    struct prepared_set *set; /* borrowed */
};
void agentdb_submit(struct agentdb_pool *pool, const struct agentdb_order *order);
/* Submits and waits for its result. */
const struct task_result *agentdb_run(struct agentdb_pool *pool, const struct agentdb_order *order);

void agentdb_assert_succeeded(const struct task_result *result);
void agentdb_assert_code(const struct task_result *result, enum task_outcome outcome,
                         enum task_code code);

/* A second of sleep is never needed: waits until the query counts at least `least`. */
void agentdb_wait_until(struct agentdb *db, uint64_t least, const char *query);

/* The groups of tests. */
int agentdb_test_pg(struct agentdb *db);
int agentdb_test_tenants(struct agentdb *db);
int agentdb_test_fingerprint(struct agentdb *db);
int agentdb_test_tasks(struct agentdb *db);
int agentdb_test_sessions(struct agentdb *db);
int agentdb_test_faults(struct agentdb *db);
int agentdb_test_outages(struct agentdb *db);
int agentdb_test_batches(struct agentdb *db);
int agentdb_test_batch_load(struct agentdb *db);
int agentdb_test_measure(struct agentdb *db);
int agentdb_test_walk(struct agentdb *db);
int agentdb_test_unwind(struct agentdb *db);
int agentdb_test_runners(struct agentdb *db);
/* No test: prints what a dry run costs, for tests/bench/dry_run.sh. */
int agentdb_bench_dry_run(struct agentdb *db, size_t tenants);
/* A set with a batch, for the child. */
struct prepared_set *agentdb_batch_set(struct agentdb *db);
/* The child of the crash-point tests: runs one task, then ends. */
int agentdb_crash_child(int argc, char *argv[]);
int agentdb_walk_child(int argc, char *argv[]);
int agentdb_unwind_child(int argc, char *argv[]);

#endif
