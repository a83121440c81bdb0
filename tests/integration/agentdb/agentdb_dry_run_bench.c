/* agentdb_dry_run_bench.c - what a dry run costs with all its measuring, beside the bare
 * transaction.
 *
 * Not a test: `test_agentdb dry-run-bench TENANTS`, by tests/bench/dry_run.sh. Both do the same
 * statements on the same tenants, one after the other in turns, each in one round trip; the bare
 * one is BEGIN, the search_path, the statements and ROLLBACK. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agentdb_fixture.h"
#include "common/core/clock.h"
#include "common/core/memory.h"
#include "common/pg/pg_batch.h"

static const char *const bench_statements[] = {
    "ALTER TABLE t_1 ADD COLUMN note text DEFAULT 'none'",
    "CREATE INDEX t_2_a ON t_2 (a)",
    "ALTER TABLE t_3 ADD CONSTRAINT positive CHECK (a > 0) NOT VALID",
    "CREATE TABLE t_new (id bigserial PRIMARY KEY, a int REFERENCES t_4, b text)",
    "CREATE INDEX t_new_b ON t_new (b)",
    "INSERT INTO t_new (a) VALUES (1)",
    "INSERT INTO t_new (a) VALUES (2)",
    "UPDATE t_5 SET b = 'y' WHERE id <= 50",
    "ALTER TABLE t_6 ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE t_7 ALTER COLUMN a TYPE bigint",
    "CREATE VIEW v_new AS SELECT a, b FROM t_8",
    "ALTER TABLE t_9 DROP COLUMN b",
    "COMMENT ON TABLE t_9 IS 'smaller now'",
    "ALTER TABLE t_10 RENAME TO t_ten",
};

enum { BENCH_TABLES = 20, BENCH_ROWS = 200, BENCH_ROUNDS = 3 };

static struct prepared_set *bench_set(struct agentdb *db)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 16 };

    for (size_t i = 0; i < COUNT_OF(bench_statements); i++) {
        buf_printf(&text, "%s;\n", bench_statements[i]);
    }
    return AGENTDB_SET(db, "bench", { "1.0.0__a.sql", buf_text(&text) });
}

static void bench_tenant(struct agentdb *db, size_t number)
{
    agentdb_exec(db,
                 "CREATE SCHEMA b_%zu; INSERT INTO skein.tenant VALUES ('b_%zu', 'bench', '0.0.1')",
                 number, number);
    for (size_t t = 1; t <= BENCH_TABLES; t++) {
        agentdb_exec(db,
                     "CREATE TABLE b_%zu.t_%zu (id serial PRIMARY KEY, a int, b text);"
                     "INSERT INTO b_%zu.t_%zu (a, b) SELECT g, 'x' FROM generate_series(1, %d) g",
                     number, t, number, t, BENCH_ROWS);
    }
}

static uint64_t bench_bare(struct pg_batch *batch, size_t number)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct pg_batch_report *report = NULL;
    uint64_t started_us = clock_monotonic_us();

    pg_batch_add(batch, "BEGIN", NULL, 0, 0);
    pg_batch_add(batch, arena_printf(&arena, "SET LOCAL search_path = b_%zu", number), NULL, 0, 0);
    for (size_t i = 0; i < COUNT_OF(bench_statements); i++) {
        pg_batch_add(batch, bench_statements[i], NULL, 0, 0);
    }
    pg_batch_end_segment(batch);
    pg_batch_add(batch, "ROLLBACK", NULL, 0, 0);
    pg_batch_run(batch, &report);
    if (report->failed || report->lost) {
        fail_msg("%s", report->error.message);
    }
    return clock_monotonic_us() - started_us;
}

static uint64_t bench_dry_run(struct agentdb_pool *pool, struct prepared_set *set, size_t number)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct task_result *result =
        agentdb_run(pool, &(struct agentdb_order){ .mode = TASK_DRY_RUN,
                                                   .tenant = arena_printf(&arena, "b_%zu", number),
                                                   .from = "0.0.1",
                                                   .lock_timeout_ms = 5000,
                                                   .set = set });

    agentdb_assert_succeeded(result);
    assert_non_null(result->measure);
    return result->duration_us;
}

static int bench_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static double bench_median(uint64_t *times, size_t count)
{
    qsort(times, count, sizeof(*times), bench_compare);
    size_t middle = count / 2;

    return (double)times[middle] / 1000;
}

int agentdb_bench_dry_run(struct agentdb *db, size_t tenants)
{
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = bench_set(db);
    CLEANUP(memory_free) uint64_t *bare = memory_alloc_array(tenants, sizeof(*bare));
    CLEANUP(memory_free) uint64_t *dry = memory_alloc_array(tenants, sizeof(*dry));
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    if (!pg_conn_open(db->server.conninfo, "", "bench", &conn, &err)) {
        fail_msg("%s", err.message);
    }
    struct pg_batch *batch = pg_batch_new(conn);
    for (size_t i = 0; i < tenants; i++) {
        bench_tenant(db, i);
    }
    (void)printf("| round | tenants | bare, ms | measured dry run, ms | ratio |\n"
                 "| ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t round = 1; round <= BENCH_ROUNDS; round++) {
        for (size_t i = 0; i < tenants; i++) {
            bare[i] = bench_bare(batch, i);
            dry[i] = bench_dry_run(pool, set, i);
        }
        double bare_ms = bench_median(bare, tenants);
        double dry_ms = bench_median(dry, tenants);
        (void)printf("| %zu | %zu | %.2f | %.2f | %.2f |\n", round, tenants, bare_ms, dry_ms,
                     dry_ms / bare_ms);
    }
    pg_batch_free(&batch);
    pg_conn_free(&conn);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    return 0;
}
