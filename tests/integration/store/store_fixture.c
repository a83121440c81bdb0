#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

extern char **environ;

enum { SERVERS_MAX = 16, ANSWER_BYTES_MAX = 1 << 20 };

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

static pid_t fixture_spawn(char *const argv[], const char *log)
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

void fixture_clean_up(void)
{
    for (size_t i = 0; i < fixture.server_count; i++) {
        kill(fixture.servers[i], SIGKILL);
        waitpid(fixture.servers[i], NULL, 0);
    }
    fixture.server_count = 0;
    if (fixture.dir[0] != '\0' && getenv("SKEIN_TEST_KEEP") == NULL) {
        char *argv[] = { (char[]){ "rm" }, (char[]){ "-rf" }, fixture.dir, NULL };
        pid_t pid = fixture_spawn(argv, "/dev/null");
        waitpid(pid, NULL, 0);
    }
}

void fixture_wait_ms(int ms)
{
    poll(NULL, 0, ms);
}

/* ---- sockets ---- */

static int fixture_socket(unsigned port, bool listening)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    int rc = listening ? bind(fd, (struct sockaddr *)&address, sizeof(address))
                       : connect(fd, (struct sockaddr *)&address, sizeof(address));
    if (rc != 0 || (listening && listen(fd, 64) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static unsigned fixture_port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

unsigned fixture_free_port(void)
{
    int fd = fixture_socket(0, true);

    assert_true(fd >= 0);
    unsigned port = fixture_port_of(fd);
    close(fd);
    return port;
}

/* ---- etcd ---- */

static void etcd_server_spawn(struct etcd_server *server)
{
    char client[64];
    char peer[64];
    char cluster[96];
    char log[FIXTURE_PATH_BYTES + 8];

    snprintf(client, sizeof(client), "http://127.0.0.1:%u", server->port);
    snprintf(peer, sizeof(peer), "http://127.0.0.1:%u", server->peer_port);
    snprintf(cluster, sizeof(cluster), "default=%s", peer);
    snprintf(log, sizeof(log), "%s.log", server->dir);
    const char *const argv[] = { "etcd",
                                 "--data-dir",
                                 server->dir,
                                 "--listen-client-urls",
                                 client,
                                 "--advertise-client-urls",
                                 client,
                                 "--listen-peer-urls",
                                 peer,
                                 "--initial-advertise-peer-urls",
                                 peer,
                                 "--initial-cluster",
                                 cluster,
                                 "--pre-vote=true",
                                 "--heartbeat-interval=50",
                                 "--election-timeout=500",
                                 "--experimental-watch-progress-notify-interval=1s",
                                 "--quota-backend-bytes",
                                 server->quota,
                                 NULL };
    char *copy[COUNT_OF(argv)] = { NULL };
    memcpy(copy, argv, sizeof(argv));
    server->pid = fixture_spawn(copy, log);
    assert_true(fixture.server_count < SERVERS_MAX);
    fixture.servers[fixture.server_count++] = server->pid;
}

static void etcd_server_wait(const struct etcd_server *server)
{
    struct store *store = fixture_open(server->location, 1000);

    uint64_t until_ms = clock_monotonic_ms() + FIXTURE_PATIENCE_MS;
    struct store_kv_list list = { 0 };
    struct error err = { 0 };
    while (!store_range_wait(store, "/none/", &list, &err)) {
        if (err.code == ERR_REFUSED) {
            break; /* it is there, and wants to know who we are */
        }
        assert_true(clock_monotonic_ms() < until_ms);
        fixture_wait_ms(20);
    }
    store_kv_list_release(&list);
    store_free(&store);
}

void etcd_server_start(struct etcd_server *server, const char *quota)
{
    server->port = fixture_free_port();
    server->peer_port = fixture_free_port();
    server->quota = quota;
    snprintf(server->dir, sizeof(server->dir), "%s/etcd-%u", fixture_dir(), server->port);
    snprintf(server->location, sizeof(server->location), "etcd:http://127.0.0.1:%u", server->port);
    etcd_server_spawn(server);
    etcd_server_wait(server);
}

void etcd_server_kill(struct etcd_server *server)
{
    if (server->pid == 0) {
        return;
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    for (size_t i = 0; i < fixture.server_count; i++) {
        if (fixture.servers[i] == server->pid) {
            fixture.servers[i] = fixture.servers[--fixture.server_count];
        }
    }
    server->pid = 0;
}

void etcd_server_restart(struct etcd_server *server)
{
    etcd_server_kill(server);
    etcd_server_spawn(server);
    etcd_server_wait(server);
}

const char *etcd_server_post(const struct etcd_server *server, const char *path, const char *body)
{
    static char answer[ANSWER_BYTES_MAX];
    int fd = fixture_socket(server->port, false);
    size_t size = 0;
    ssize_t count;

    assert_true(fd >= 0);
    dprintf(fd, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            path, strlen(body), body);
    while (size < sizeof(answer) - 1 &&
           (count = read(fd, answer + size, sizeof(answer) - 1 - size)) > 0) {
        size += (size_t)count;
    }
    close(fd);
    answer[size] = '\0';
    const char *found = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || found == NULL) {
        fail_msg("%s %s: %s", path, body, answer);
    }
    return found + 4;
}

/* ---- a server that is not etcd ---- */

struct fake_connection {
    struct fake_server *server;
    int fd;
};

/* Reads one request; false at the connection's end. */
static bool fake_server_read(int fd)
{
    char text[8192];
    size_t size = 0;

    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        poll(&ready, 1, FIXTURE_PATIENCE_MS);
        ssize_t count = recv(fd, text + size, sizeof(text) - 1 - size, 0);
        if (count <= 0) {
            return false;
        }
        size += (size_t)count;
        text[size] = '\0';
        const char *body = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "Content-Length:");
        if (body != NULL && length != NULL &&
            strlen(body + 4) >= strtoul(length + strlen("Content-Length:"), NULL, 10)) {
            return true;
        }
    }
}

static void *fake_server_serve(void *argument)
{
    struct fake_connection *connection = argument;
    struct fake_server *server = connection->server;
    bool first = true;

    while (fake_server_read(connection->fd)) {
        pthread_mutex_lock(&server->mutex);
        server->requests++;
        const char *answer = first && server->answer_first ? server->first : server->answer;
        pthread_mutex_unlock(&server->mutex);
        first = false;
        if (answer == NULL) {
            break;
        }
        if (send(connection->fd, answer, strlen(answer), MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    close(connection->fd);
    free(connection);
    return NULL;
}

static void *fake_server_run(void *argument)
{
    struct fake_server *server = argument;
    pthread_t threads[256];
    size_t count = 0;

    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        pthread_mutex_lock(&server->mutex);
        bool stopping = server->stopping;
        pthread_mutex_unlock(&server->mutex);
        if (stopping || fd < 0 || count == COUNT_OF(threads)) {
            if (fd >= 0) {
                close(fd);
            }
            break;
        }
        struct fake_connection *connection = memory_alloc(sizeof(*connection));
        connection->server = server;
        connection->fd = fd;
        pthread_create(&threads[count++], NULL, fake_server_serve, connection);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    return NULL;
}

void fake_server_start(struct fake_server *server)
{
    server->fd = fixture_socket(0, true);
    assert_true(server->fd >= 0);
    server->port = fixture_port_of(server->fd);
    pthread_mutex_init(&server->mutex, NULL);
    snprintf(server->location, sizeof(server->location), "etcd:http://127.0.0.1:%u", server->port);
    pthread_create(&server->thread, NULL, fake_server_run, server);
}

void fake_server_say(struct fake_server *server, const char *answer)
{
    pthread_mutex_lock(&server->mutex);
    server->answer = answer;
    pthread_mutex_unlock(&server->mutex);
}

unsigned fake_server_requests(struct fake_server *server)
{
    pthread_mutex_lock(&server->mutex);
    unsigned requests = server->requests;
    pthread_mutex_unlock(&server->mutex);
    return requests;
}

/* The stores that use it must be closed before. */
void fake_server_stop(struct fake_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    pthread_mutex_unlock(&server->mutex);
    int fd = fixture_socket(server->port, false); /* wakes accept */
    pthread_join(server->thread, NULL);
    close(fd);
    close(server->fd);
    pthread_mutex_destroy(&server->mutex);
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
    *log = (struct watch_log){ .text = { .size_max = ANSWER_BYTES_MAX } };
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
