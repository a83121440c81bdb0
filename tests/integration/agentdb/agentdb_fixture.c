#include "agentdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/core/clock.h"
#include "common/model/set.h"

enum { WAIT_MS = 60000, SQL_BYTES = 16384 };

static void agentdb_admin(struct agentdb *db)
{
    struct error err = { 0 };

    if (db->admin != NULL && pg_conn_is_lost(db->admin)) {
        pg_conn_free(&db->admin);
    }
    if (db->admin == NULL && !pg_conn_open(db->server.conninfo, "", "agentdb", &db->admin, &err)) {
        fail_msg("%s", err.message);
    }
}

void agentdb_exec(struct agentdb *db, const char *format, ...)
{
    char sql[SQL_BYTES];
    struct error err = { 0 };
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    assert_true(length > 0 && length < SQL_BYTES);
    agentdb_admin(db);
    if (!pg_script(db->admin, sql, NULL, &err)) {
        fail_msg("%s: %s", sql, err.message);
    }
}

static struct pg_result *agentdb_query(struct agentdb *db, const char *sql)
{
    struct pg_result *rows = NULL;
    struct error err = { 0 };

    agentdb_admin(db);
    if (!pg_query(db->admin, sql, NULL, 0, &rows, NULL, &err)) {
        fail_msg("%s: %s", sql, err.message);
    }
    assert_int_equal(pg_result_row_count(rows), 1);
    return rows;
}

uint64_t agentdb_count(struct agentdb *db, const char *format, ...)
{
    char sql[SQL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    assert_true(length > 0 && length < SQL_BYTES);
    CLEANUP(pg_result_free) struct pg_result *rows = agentdb_query(db, sql);
    return pg_result_u64(rows, 0, 0);
}

char *agentdb_text(struct agentdb *db, const char *format, ...)
{
    char sql[SQL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    assert_true(length > 0 && length < SQL_BYTES);
    CLEANUP(pg_result_free) struct pg_result *rows = agentdb_query(db, sql);
    return memory_strdup(pg_result_text(rows, 0, 0));
}

void agentdb_wait_until(struct agentdb *db, uint64_t least, const char *query)
{
    uint64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;

    while (agentdb_count(db, "%s", query) < least) {
        struct timespec pause = { .tv_nsec = 5000000 };

        assert_true(clock_monotonic_ms() < deadline_ms);
        (void)nanosleep(&pause, NULL);
    }
}

struct prepared_set *agentdb_set(struct agentdb *db, const char *name,
                                 const struct agentdb_file *files, size_t count)
{
    struct set_file *copies = memory_alloc_array(count, sizeof(*copies));
    struct prepared_set *prepared = NULL;
    struct set set = { 0 };
    struct error err = { 0 };

    for (size_t i = 0; i < count; i++) {
        copies[i] =
            (struct set_file){ .path = files[i].path, .content = bytes_of_text(files[i].text) };
    }
    if (!set_parse(copies, count, name, &set, &err) ||
        !prepared_set_new(db->parser, name, set.digest, copies, count, &prepared, &err)) {
        fail_msg("%s", err.message);
    }
    set_release(&set);
    free(copies);
    return prepared;
}

static void agentdb_on_result(void *context, struct arena *arena, const struct task_result *result)
{
    struct agentdb_pool *pool = context;

    pthread_mutex_lock(&pool->mutex);
    pool->results =
        memory_reserve(pool->results, pool->count, &pool->capacity, sizeof(*pool->results));
    pool->results[pool->count].arena = TAKE(*arena);
    pool->results[pool->count].result = result;
    pool->count++;
    pthread_cond_broadcast(&pool->came);
    pthread_mutex_unlock(&pool->mutex);
}

struct agentdb_pool *agentdb_pool_new(struct agentdb *db, const struct executor_options *options)
{
    struct agentdb_pool *pool = memory_alloc(sizeof(*pool));
    struct executor_options own = *options;
    struct error err = { 0 };

    pthread_mutex_init(&pool->mutex, NULL);
    clock_cond_init(&pool->came);
    if (own.conninfo == NULL) {
        own.conninfo = db->server.conninfo;
    }
    own.shard = "eu-1";
    own.agent = "agent-1";
    own.workers = own.workers == 0 ? 1 : own.workers;
    own.on_result = agentdb_on_result;
    own.context = pool;
    if (!executor_start(&own, &pool->executor, &err)) {
        fail_msg("%s", err.message);
    }
    return pool;
}

void agentdb_pool_free(struct agentdb_pool **pool)
{
    struct agentdb_pool *p = *pool;

    *pool = NULL;
    if (p == NULL) {
        return;
    }
    executor_free(&p->executor);
    for (size_t i = 0; i < p->count; i++) {
        arena_release(&p->results[i].arena);
    }
    free(p->results);
    pthread_cond_destroy(&p->came);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void agentdb_pool_wait(struct agentdb_pool *pool, size_t count)
{
    uint64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    bool in_time = true;

    pthread_mutex_lock(&pool->mutex);
    while (pool->count < count && in_time) {
        in_time = clock_cond_wait_until(&pool->came, &pool->mutex, deadline_ms);
    }
    pthread_mutex_unlock(&pool->mutex);
    assert_true(in_time);
}

size_t agentdb_pool_count(struct agentdb_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    size_t count = pool->count;
    pthread_mutex_unlock(&pool->mutex);
    return count;
}

void agentdb_submit(struct agentdb_pool *pool, const struct agentdb_order *order)
{
    struct executor_task *task = memory_alloc(sizeof(*task));
    struct arena *arena = &task->arena;
    const char *latest = prepared_set_model(order->set)->latest_text;

    prepared_set_ref(order->set);
    task->rollout = arena_strdup(arena, order->rollout != NULL ? order->rollout : "r1");
    task->mode = order->mode;
    task->tenant = arena_strdup(arena, order->tenant);
    task->from = arena_strdup(arena, order->from != NULL ? order->from : "");
    task->target = arena_strdup(arena, order->target != NULL ? order->target : latest);
    task->baseline = "";
    task->from_ledger = "";
    task->token = order->token != 0 ? order->token : 1;
    task->lock_timeout_ms = order->lock_timeout_ms;
    task->lock_budget_ms = order->lock_budget_ms;
    task->awaits_copy = order->awaited_copy ? "k" : NULL;
    task->set = order->set;
    executor_submit(pool->executor, task);
}

const struct task_result *agentdb_run(struct agentdb_pool *pool, const struct agentdb_order *order)
{
    size_t before = agentdb_pool_count(pool);

    agentdb_submit(pool, order);
    agentdb_pool_wait(pool, before + 1);
    pthread_mutex_lock(&pool->mutex);
    const struct task_result *result = pool->results[before].result;
    pthread_mutex_unlock(&pool->mutex);
    return result;
}

void agentdb_assert_code(const struct task_result *result, enum task_outcome outcome,
                         enum task_code code)
{
    if (result->outcome != outcome || result->error.code != code) {
        fail_msg("%s: expected %s %s, got %s %s (%s: %s)", result->tenant,
                 task_outcome_name(outcome), task_code_name(code),
                 task_outcome_name(result->outcome), task_code_name(result->error.code),
                 result->error.sqlstate, result->error.message);
    }
}

void agentdb_assert_succeeded(const struct task_result *result)
{
    agentdb_assert_code(result, TASK_SUCCEEDED, TASK_CODE_NONE);
}
