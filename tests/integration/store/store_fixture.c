#include "store_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

extern char **environ;

enum { SERVERS_MAX = 16, LOG_BYTES_MAX = 1 << 20 };

static struct {
    char dir[FIXTURE_PATH_BYTES];
    pid_t servers[SERVERS_MAX];
    size_t server_count;
} fixture;

/* ---- folder and processes ---- */

const char *fixture_dir(void)
{
    if (fixture.dir[0] == '\0') {
        snprintf(fixture.dir, sizeof(fixture.dir), "/tmp/skein-store-XXXXXX");
        assert_non_null(mkdtemp(fixture.dir));
    }
    return fixture.dir;
}

pid_t fixture_spawn(char *const argv[], const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

void fixture_keep(pid_t pid)
{
    assert_true(fixture.server_count < SERVERS_MAX);
    fixture.servers[fixture.server_count++] = pid;
}

void fixture_end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (size_t i = 0; i < fixture.server_count; i++) {
        if (fixture.servers[i] == pid) {
            fixture.servers[i] = fixture.servers[--fixture.server_count];
        }
    }
}

void fixture_clean_up(void)
{
    for (size_t i = 0; i < fixture.server_count; i++) {
        kill(fixture.servers[i], SIGKILL);
        waitpid(fixture.servers[i], NULL, 0);
    }
    fixture.server_count = 0;
    if (fixture.dir[0] != '\0' && getenv("SKEIN_TEST_KEEP") == NULL) {
        char disk[FIXTURE_PATH_BYTES];
        snprintf(disk, sizeof(disk), "%.200s/small", fixture.dir);
        umount2(disk, MNT_DETACH); /* if a test that failed has left it */
        char *argv[] = { (char[]){ "rm" }, (char[]){ "-rf" }, fixture.dir, NULL };
        pid_t pid = fixture_spawn(argv, "/dev/null");
        waitpid(pid, NULL, 0);
    }
}

void fixture_wait_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* ---- the store ---- */

struct store *fixture_open(const char *location, uint64_t timeout_ms)
{
    const struct store_options options = { .location = location, .request_timeout_ms = timeout_ms };
    struct store *store = NULL;
    struct error err = { 0 };

    if (!store_open(&options, &store, &err)) {
        fail_msg("%s", err.message);
    }
    return store;
}

struct store *fixture_open_tls(const char *location, const struct fixture_certificate *certificate,
                               bool with_client_certificate)
{
    const struct store_options options = {
        .location = location,
        .request_timeout_ms = 2000,
        .tls_ca = certificate == NULL ? "" : certificate->ca,
        .tls_cert = with_client_certificate ? certificate->cert : "",
        .tls_key = with_client_certificate ? certificate->key : "",
    };
    struct store *store = NULL;
    struct error err = { 0 };

    if (!store_open(&options, &store, &err)) {
        fail_msg("%s", err.message);
    }
    return store;
}

struct store *fixture_open_as(const char *location, const char *user, const char *password)
{
    const struct store_options options = { .location = location,
                                           .user = user,
                                           .password = password };
    struct store *store = NULL;
    struct error err = { 0 };

    if (!store_open(&options, &store, &err)) {
        fail_msg("%s", err.message);
    }
    return store;
}

struct store_op fixture_op(enum store_op_kind kind, const char *key, const char *value)
{
    return (struct store_op){ .kind = kind, .key = key, .value = bytes_of_text(value) };
}

static int64_t fixture_do(struct store *store, const struct store_op *op)
{
    struct store_txn_result result;
    struct error err = { 0 };

    if (!store_txn_wait(store, NULL, 0, op, 1, &result, &err)) {
        fail_msg("%s: %s", err_code_name(err.code), err.message);
    }
    assert_true(result.succeeded);
    return result.revision;
}

int64_t fixture_put(struct store *store, const char *key, const char *value)
{
    const struct store_op op = fixture_op(STORE_PUT, key, value);

    return fixture_do(store, &op);
}

int64_t fixture_put_leased(struct store *store, const char *key, int64_t lease_id)
{
    struct store_op op = fixture_op(STORE_PUT, key, "leased");

    op.lease_id = lease_id;
    return fixture_do(store, &op);
}

int64_t fixture_delete(struct store *store, const char *key)
{
    const struct store_op op = fixture_op(STORE_DELETE, key, "");

    return fixture_do(store, &op);
}

enum err_code fixture_try_put(struct store *store, const char *key, const char *value,
                              struct error *err)
{
    const struct store_op op = fixture_op(STORE_PUT, key, value);
    struct store_txn_result result;

    *err = (struct error){ 0 };
    return store_txn_wait(store, NULL, 0, &op, 1, &result, err) ? ERR_NONE : err->code;
}

void fixture_put_soon(struct store *store, const char *key, const char *value)
{
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;
    struct error err = { 0 };

    while (fixture_try_put(store, key, value, &err) != ERR_NONE) {
        if (clock_monotonic_ms() > until_ms) {
            fail_msg("%s", err.message);
        }
        fixture_wait_ms(20);
    }
}

size_t fixture_count(struct store *store, const char *prefix)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    if (!store_range_wait(store, prefix, &list, &err)) {
        fail_msg("%s", err.message);
    }
    size_t count = list.count;
    store_kv_list_release(&list);
    return count;
}

void fixture_wait_count(struct store *store, const char *prefix, size_t count)
{
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;

    while (fixture_count(store, prefix) != count) {
        assert_true(clock_monotonic_ms() < until_ms);
        fixture_wait_ms(20);
    }
}

/* ---- watches ---- */

void watch_log_init(struct watch_log *log)
{
    *log = (struct watch_log){ .text = { .size_max = LOG_BYTES_MAX } };
    pthread_mutex_init(&log->mutex, NULL);
    clock_cond_init(&log->changed);
}

void watch_log_release(struct watch_log *log)
{
    buf_release(&log->text);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->mutex);
}

static void watch_log_on_events(void *user, const struct store_event *events, size_t count,
                                int64_t revision)
{
    struct watch_log *log = user;

    pthread_mutex_lock(&log->mutex);
    if (revision <= log->revision) {
        log->disordered = true;
    }
    log->revision = revision;
    for (size_t i = 0; i < count; i++) {
        const struct store_kv *kv = &events[i].kv;
        if (kv->mod_revision != revision) {
            log->disordered = true;
        }
        const char *name = strrchr(kv->key, '/') + 1;
        if (events[i].kind == STORE_EVENT_DELETE) {
            buf_printf(&log->text, "-%s ", name);
        } else {
            buf_printf(&log->text, "+%s=%.*s ", name, (int)kv->value.size,
                       (const char *)kv->value.data);
        }
    }
    buf_puts(&log->text, "|");
    log->events += count;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
}

static void watch_log_on_lost(void *user, const struct error *err)
{
    struct watch_log *log = user;

    pthread_mutex_lock(&log->mutex);
    log->lost = err->code;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
}

struct store_watch_handler watch_log_handler(struct watch_log *log)
{
    return (struct store_watch_handler){ .on_events = watch_log_on_events,
                                         .on_lost = watch_log_on_lost,
                                         .user = log };
}

void watch_log_wait(struct watch_log *log, size_t events)
{
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;
    bool in_time = true;

    pthread_mutex_lock(&log->mutex);
    while (log->events < events && in_time) {
        in_time = clock_cond_wait_until(&log->changed, &log->mutex, until_ms);
    }
    pthread_mutex_unlock(&log->mutex);
    if (!in_time) {
        fail_msg("%zu of %zu events: %s", log->events, events, buf_text(&log->text));
    }
    assert_false(log->disordered);
}

bool watch_log_contains(struct watch_log *log, const char *text)
{
    pthread_mutex_lock(&log->mutex);
    bool found = strstr(buf_text(&log->text), text) != NULL;
    pthread_mutex_unlock(&log->mutex);
    return found;
}

void watch_log_wait_lost(struct watch_log *log)
{
    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;
    bool in_time = true;

    pthread_mutex_lock(&log->mutex);
    while (log->lost == ERR_NONE && in_time) {
        in_time = clock_cond_wait_until(&log->changed, &log->mutex, until_ms);
    }
    pthread_mutex_unlock(&log->mutex);
    assert_true(in_time);
}
