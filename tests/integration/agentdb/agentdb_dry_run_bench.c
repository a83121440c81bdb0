/* agentdb_dry_run_bench.c - what a dry run costs with all its measuring, beside the bare
 * transaction.
 *
 * Not a test: `test_agentdb dry-run-bench TENANTS`, by tests/bench/dry_run.sh. Both do the same
 * statements on the same tenants, one after the other in turns, each in one round trip; the bare
 * one is BEGIN, the search_path, the statements and ROLLBACK. Beside the time that passes it counts
 * the processor time of the server's process and of the program, which other work disturbs less. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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
                 "CREATE SCHEMA b_%zu; INSERT INTO skein.tenant (tenant, set_name, version, "
                 "database_oid, schema_oid) SELECT 'b_%zu', 'bench', '0.0.1', d.oid, n.oid FROM "
                 "pg_database d, pg_namespace n WHERE datname = current_database() AND nspname = "
                 "'b_%zu'",
                 number, number, number);
    for (size_t t = 1; t <= BENCH_TABLES; t++) {
        agentdb_exec(db,
                     "CREATE TABLE b_%zu.t_%zu (id serial PRIMARY KEY, a int, b text);"
                     "INSERT INTO b_%zu.t_%zu (a, b) SELECT g, 'x' FROM generate_series(1, %d) g",
                     number, t, number, t, BENCH_ROWS);
    }
}

/* Processor time: of the server's process, and of this one. */
struct bench_cpu {
    uint32_t pid;
    uint64_t server_us;
    uint64_t client_us;
    uint64_t from_server_us; /* of what is being measured */
    uint64_t from_client_us;
};

/* False: that process has ended. */
static bool bench_cpu_server(uint32_t pid, uint64_t *ret_us)
{
    CLEANUP(buf_release) struct buf path = { .size_max = 64 };
    uint64_t ns = 0;

    buf_printf(&path, "/proc/%u/schedstat", pid);
    FILE *file = fopen(buf_text(&path), "r");
    if (file == NULL) {
        return false;
    }
    bool read = fscanf(file, "%" SCNu64, &ns) == 1;
    (void)fclose(file);
    *ret_us = ns / 1000;
    return read;
}

static uint64_t bench_cpu_client(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1000000 * (uint64_t)now.tv_sec + (uint64_t)now.tv_nsec / 1000;
}

static void bench_cpu_begin(struct bench_cpu *cpu)
{
    if (!bench_cpu_server(cpu->pid, &cpu->from_server_us)) {
        fail_msg("nothing is known of the process %u", cpu->pid);
    }
    cpu->from_client_us = bench_cpu_client();
}

static void bench_cpu_end(struct bench_cpu *cpu)
{
    uint64_t server_us = cpu->from_server_us;

    cpu->client_us += bench_cpu_client() - cpu->from_client_us;
    (void)bench_cpu_server(cpu->pid, &server_us); /* else its connection was one too old */
    cpu->server_us += server_us - cpu->from_server_us;
}

static double bench_cpu_ms(uint64_t us, size_t count)
{
    return (double)us / 1000 / (double)count;
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

/* A worker's connection does not live for ever. */
static uint32_t bench_worker(struct agentdb *db)
{
    return (uint32_t)agentdb_count(db, "SELECT max(pid) FROM pg_stat_activity WHERE "
                                       "application_name LIKE 'skein-agent worker%%'");
}

static void bench_round(struct agentdb *db, struct agentdb_pool *pool, struct prepared_set *set,
                        struct pg_batch *batch, struct bench_cpu cpu[2], size_t tenants)
{
    CLEANUP(memory_free) uint64_t *bare = memory_alloc_array(tenants, sizeof(*bare));
    CLEANUP(memory_free) uint64_t *dry = memory_alloc_array(tenants, sizeof(*dry));

    for (size_t i = 0; i < tenants; i++) {
        bench_cpu_begin(&cpu[0]);
        bare[i] = bench_bare(batch, i);
        bench_cpu_end(&cpu[0]);
        cpu[1].pid = bench_worker(db);
        bench_cpu_begin(&cpu[1]);
        dry[i] = bench_dry_run(pool, set, i);
        bench_cpu_end(&cpu[1]);
    }
    double bare_ms = bench_median(bare, tenants);
    double dry_ms = bench_median(dry, tenants);
    double bare_cpu = bench_cpu_ms(cpu[0].server_us + cpu[0].client_us, tenants);
    double dry_cpu = bench_cpu_ms(cpu[1].server_us + cpu[1].client_us, tenants);
    (void)printf("| %zu | %.2f | %.2f | %.2f | %.2f + %.2f | %.2f + %.2f | %.2f |\n", tenants,
                 bare_ms, dry_ms, dry_ms / bare_ms, bench_cpu_ms(cpu[0].server_us, tenants),
                 bench_cpu_ms(cpu[0].client_us, tenants), bench_cpu_ms(cpu[1].server_us, tenants),
                 bench_cpu_ms(cpu[1].client_us, tenants), dry_cpu / bare_cpu);
}

int agentdb_bench_dry_run(struct agentdb *db, size_t tenants)
{
    struct agentdb_pool *pool = agentdb_pool_new(db, &(struct executor_options){ .workers = 1 });
    struct prepared_set *set = bench_set(db);
    struct pg_conn *conn = NULL;
    struct error err = { 0 };

    if (!pg_conn_open(db->server.conninfo, "", "bench", &conn, &err)) {
        fail_msg("%s", err.message);
    }
    struct pg_batch *batch = pg_batch_new(conn);
    for (size_t i = 0; i < tenants; i++) {
        bench_tenant(db, i);
        (void)bench_dry_run(pool, set, i);
        (void)bench_bare(batch, i);
    }
    (void)printf(
        "| tenants | bare, ms | measured dry run, ms | ratio | bare: server + client, ms of "
        "processor | dry run | ratio |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (size_t round = 1; round <= BENCH_ROUNDS; round++) {
        struct bench_cpu cpu[2] = {
            { .pid = pg_conn_backend_pid(conn) },
            { .pid = 0 },
        };

        bench_round(db, pool, set, batch, cpu, tenants);
    }
    pg_batch_free(&batch);
    pg_conn_free(&conn);
    prepared_set_unref(&set);
    agentdb_pool_free(&pool);
    return 0;
}
