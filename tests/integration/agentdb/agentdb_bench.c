#include "agentdb_bench.h"

#include <stdio.h>
#include <time.h>

static bool bench_is_cancelled(void *context)
{
    struct batch_bench *bench = context;

    return bench->cancel_after > 0 && bench->calls >= bench->cancel_after;
}

static enum task_code bench_why(void *context)
{
    return bench_is_cancelled(context) ? TASK_CODE_CANCELLED : TASK_CODE_NONE;
}

static bool bench_pause(void *context, uint64_t milliseconds)
{
    const struct batch_bench *bench = context;
    uint64_t ms = bench->hurry == 0 ? milliseconds : milliseconds / bench->hurry;
    struct timespec pause = { .tv_sec = (time_t)(ms / 1000),
                              .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&pause, NULL);
    return !bench_is_cancelled(context);
}

static void bench_progress(void *context, uint64_t done, uint64_t total, const char *words)
{
    struct batch_bench *bench = context;

    bench->calls++;
    bench->done = done;
    bench->total = total;
    (void)snprintf(bench->words, sizeof(bench->words), "%s", words);
    if (strstr(words, "waits for standby") != NULL) {
        bench->waits++;
        if (bench->waits == 3) {
            agentdb_server_thaw(bench->frozen);
        }
    }
}

void bench_connect(struct batch_bench *bench, const char *conninfo)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };

    pg_batch_free(&bench->batch);
    pg_conn_free(&bench->conn);
    if (!pg_conn_open(conninfo, "", "bench", &bench->conn, &err) ||
        !pg_script(bench->conn, arena_printf(&arena, "SET search_path = %s", bench->task->tenant),
                   NULL, &err)) {
        fail_msg("%s", err.message);
    }
    bench->batch = pg_batch_new(bench->conn);
    bench->call.conn = bench->conn;
    bench->call.batch = bench->batch;
}

void bench_open(struct batch_bench *bench, struct agentdb *db, const char *tenant, int rows,
                const char *script)
{
    *bench = (struct batch_bench){ .db = db };
    agentdb_exec(db,
                 "CREATE SCHEMA %s; CREATE TABLE %s.accounts (id bigint PRIMARY KEY, region text "
                 "NOT NULL DEFAULT 'eu', n int NOT NULL DEFAULT 0, note text);"
                 "INSERT INTO %s.accounts SELECT i * 3, CASE i %% 3 WHEN 0 THEN 'eu' WHEN 1 THEN "
                 "'us' ELSE 'Österreich' END FROM generate_series(1, %d) i; ANALYZE %s.accounts;"
                 "INSERT INTO skein.tenant (tenant, set_name, version, fence) "
                 "VALUES ('%s', '%s', '1.0.0', 1);"
                 "INSERT INTO skein.operation (tenant, set_name, script, operation, direction, "
                 "state, rollout, fence) "
                 "VALUES ('%s', '%s', '2.0.0__b', '2.0.0__b', 'up', 'started', 'r1', 1)",
                 tenant, tenant, tenant, rows, tenant, tenant, tenant, tenant, tenant);
    bench->set =
        AGENTDB_SET(db, tenant, { "1.0.0__a.sql", "SELECT 1" }, { "2.0.0__b.batch.sql", script });
    const struct task_assignment assignment = {
        .rollout = "r1", .mode = TASK_RUN, .target = "2.0.0", .token = 1, .lock_timeout_ms = 500
    };
    const struct task_item item = { .tenant = tenant, .from = "1.0.0" };
    bench->task = executor_task_new(&assignment, &item, bench->set);
    const struct prepared_operation *operation = prepared_set_operation(bench->set, 1, 0);
    if (operation->up.problem.kind != SQL_PROBLEM_NONE) {
        fail_msg("%s", operation->up.problem.error.message);
    }
    bench->call = (struct runner_call){ .options = &bench->options,
                                        .task = bench->task,
                                        .migration = &prepared_set_model(bench->set)->migrations[1],
                                        .operation = operation,
                                        .from = "1.0.0",
                                        .position = "",
                                        .arena = &bench->arena,
                                        .is_cancelled = bench_is_cancelled,
                                        .why = bench_why,
                                        .pause = bench_pause,
                                        .progress = bench_progress,
                                        .context = bench };
    bench_connect(bench, db->server.conninfo);
}

void bench_close(struct batch_bench *bench)
{
    pg_batch_free(&bench->batch);
    pg_conn_free(&bench->conn);
    executor_task_free(&bench->task);
    prepared_set_unref(&bench->set);
    arena_release(&bench->arena);
}

bool bench_try(struct batch_bench *bench)
{
    bench->report = (struct runner_report){ 0 };
    return runner_batch.setup(&bench->call, &bench->report) &&
           runner_batch.execute(&bench->call, &bench->report);
}

void bench_run(struct batch_bench *bench)
{
    if (!bench_try(bench)) {
        fail_msg("%s %s (statement %u, line %u)", bench->report.problem.sqlstate,
                 bench->report.problem.message, bench->report.problem.statement,
                 bench->report.problem.line);
    }
}

void bench_refuses(struct batch_bench *bench, const char *part)
{
    assert_false(bench_try(bench));
    if (strstr(bench->report.problem.message, part) == NULL) {
        fail_msg("%s", bench->report.problem.message);
    }
}

void bench_assert_each_once(struct batch_bench *bench, int rows)
{
    assert_int_equal(agentdb_count(bench->db, "SELECT count(*) FROM %s.accounts WHERE n = 1",
                                   bench->task->tenant),
                     rows);
    assert_int_equal(
        agentdb_count(bench->db, "SELECT count(*) FROM %s.accounts", bench->task->tenant), rows);
}
