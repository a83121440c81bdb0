/* The servers of the store's tests: etcd itself, and one that only looks like a server. */
#include "store_fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

enum { ANSWER_BYTES_MAX = 1 << 20 };

static void fixture_run(const char *const argv[], size_t count)
{
    char *copy[32] = { NULL };
    int status;

    assert_true(count < COUNT_OF(copy));
    memcpy(copy, argv, count * sizeof(argv[0]));
    pid_t pid = fixture_spawn(copy, "/dev/null");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* etcd's gateway dials its own server, so one certificate plays both parts; and it refuses those
 * of clients that have a common name. */
const struct fixture_certificate *fixture_certificate(void)
{
    static struct fixture_certificate made;
    char authority_key[FIXTURE_PATH_BYTES];

    if (made.ca[0] != '\0') {
        return &made;
    }
    snprintf(authority_key, sizeof(authority_key), "%.128s/ca.key", fixture_dir());
    snprintf(made.ca, sizeof(made.ca), "%.128s/ca.crt", fixture_dir());
    snprintf(made.cert, sizeof(made.cert), "%.128s/etcd.crt", fixture_dir());
    snprintf(made.key, sizeof(made.key), "%.128s/etcd.key", fixture_dir());
    const char *const authority[] = { "openssl", "req",         "-x509",     "-newkey", "rsa:2048",
                                      "-nodes",  "-subj",       "/CN=tests", "-days",   "2",
                                      "-keyout", authority_key, "-out",      made.ca };
    const char *const leaf[] = { "openssl",     "req",
                                 "-x509",       "-CA",
                                 made.ca,       "-CAkey",
                                 authority_key, "-newkey",
                                 "rsa:2048",    "-nodes",
                                 "-subj",       "/O=tests",
                                 "-days",       "2",
                                 "-addext",     "subjectAltName=IP:127.0.0.1",
                                 "-addext",     "extendedKeyUsage=serverAuth,clientAuth",
                                 "-keyout",     made.key,
                                 "-out",        made.cert };
    fixture_run(authority, COUNT_OF(authority));
    fixture_run(leaf, COUNT_OF(leaf));
    return &made;
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
    struct sockaddr_in address = { 0 };
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

    const char *scheme = server->tls ? "https" : "http";
    const struct fixture_certificate *certificate = server->tls ? fixture_certificate() : NULL;

    snprintf(client, sizeof(client), "%s://127.0.0.1:%u", scheme, server->port);
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
                                 server->tls ? "--client-cert-auth" : NULL,
                                 "--trusted-ca-file",
                                 server->tls ? certificate->ca : NULL,
                                 "--cert-file",
                                 server->tls ? certificate->cert : NULL,
                                 "--key-file",
                                 server->tls ? certificate->key : NULL,
                                 NULL };
    char *copy[COUNT_OF(argv)] = { NULL };
    memcpy(copy, argv, sizeof(argv));
    server->pid = fixture_spawn(copy, log);
    fixture_keep(server->pid);
}

static void etcd_server_wait(const struct etcd_server *server)
{
    struct store *store = server->tls
                              ? fixture_open_tls(server->location, fixture_certificate(), true)
                              : fixture_open(server->location, 1000);
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
    snprintf(server->location, sizeof(server->location), "etcd:%s://127.0.0.1:%u",
             server->tls ? "https" : "http", server->port);
    etcd_server_spawn(server);
    etcd_server_wait(server);
}

void etcd_server_kill(struct etcd_server *server)
{
    if (server->pid == 0) {
        return;
    }
    fixture_end(server->pid);
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
        char answer[sizeof(server->answer)];
        memcpy(answer, first && server->first[0] != '\0' ? server->first : server->answer,
               sizeof(answer));
        pthread_mutex_unlock(&server->mutex);
        first = false;
        if (answer[0] == '\0') {
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
    snprintf(server->answer, sizeof(server->answer), "%s", answer);
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
