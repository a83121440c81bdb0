/* agentdb_proxy.c - loses answers on purpose; declared in agentdb_server.h. */
#include "agentdb_server.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/core/memory.h"

enum { PROXY_CONNECTIONS_MAX = 256, PROXY_BYTES = 64 << 10 };

struct agentdb_proxy {
    char folder[PATH_MAX];
    char conninfo[PATH_MAX + 128];
    struct sockaddr_un server;
    struct sockaddr_un own;
    int listener;
    pthread_t thread;
    pthread_t connections[PROXY_CONNECTIONS_MAX];
    size_t connection_count;
    pthread_mutex_t mutex; /* guards what follows */
    char words[64];
    int to_swallow;
    int swallowed;
    bool ends;
};

struct proxy_connection {
    struct agentdb_proxy *proxy;
    int client;
};

static bool proxy_write(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t written = send(fd, bytes, count, MSG_NOSIGNAL);
        if (written <= 0) {
            return false;
        }
        bytes += written;
        count -= (size_t)written;
    }
    return true;
}

static bool proxy_swallows(struct agentdb_proxy *proxy, const char *bytes, size_t count)
{
    pthread_mutex_lock(&proxy->mutex);
    bool swallows =
        proxy->to_swallow > 0 && memmem(bytes, count, proxy->words, strlen(proxy->words)) != NULL;
    if (swallows) {
        proxy->to_swallow--;
        proxy->swallowed++;
    }
    pthread_mutex_unlock(&proxy->mutex);
    return swallows;
}

static bool proxy_ends(struct agentdb_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    bool ends = proxy->ends;
    pthread_mutex_unlock(&proxy->mutex);
    return ends;
}

static void *proxy_connection_run(void *argument)
{
    struct proxy_connection *connection = argument;
    struct agentdb_proxy *proxy = connection->proxy;
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct pollfd sockets[2] = { { .fd = connection->client, .events = POLLIN },
                                 { .fd = server, .events = POLLIN } };
    bool open = connect(server, (struct sockaddr *)&proxy->server, sizeof(proxy->server)) == 0;
    char *bytes = memory_alloc(PROXY_BYTES);

    while (open && !proxy_ends(proxy)) {
        if (poll(sockets, 2, 100) <= 0) {
            continue;
        }
        for (size_t i = 0; i < 2 && open; i++) {
            if (sockets[i].revents == 0) {
                continue;
            }
            ssize_t count = recv(sockets[i].fd, bytes, PROXY_BYTES, 0);
            open = count > 0 && !(i == 1 && proxy_swallows(proxy, bytes, (size_t)count)) &&
                   proxy_write(sockets[1 - i].fd, bytes, (size_t)count);
        }
    }
    free(bytes);
    close(server);
    close(connection->client);
    free(connection);
    return NULL;
}

static void *proxy_run(void *argument)
{
    struct agentdb_proxy *proxy = argument;
    struct pollfd listener = { .fd = proxy->listener, .events = POLLIN };

    while (!proxy_ends(proxy)) {
        if (poll(&listener, 1, 100) <= 0) {
            continue;
        }
        struct proxy_connection *connection = memory_alloc(sizeof(*connection));
        connection->proxy = proxy;
        connection->client = accept(proxy->listener, NULL, NULL);
        assert(proxy->connection_count < PROXY_CONNECTIONS_MAX);
        pthread_create(&proxy->connections[proxy->connection_count++], NULL, proxy_connection_run,
                       connection);
    }
    return NULL;
}

static void proxy_address(struct sockaddr_un *address, const char *folder)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/.s.PGSQL.5432", folder);
    assert(length > 0 && (size_t)length < sizeof(address->sun_path));
    (void)length;
}

struct agentdb_proxy *agentdb_proxy_new(const struct agentdb_server *server)
{
    struct agentdb_proxy *proxy = memory_alloc(sizeof(*proxy));

    (void)snprintf(proxy->folder, sizeof(proxy->folder), "%s/proxy", server->folder);
    (void)mkdir(proxy->folder, 0755);
    proxy_address(&proxy->server, server->folder);
    proxy_address(&proxy->own, proxy->folder);
    (void)snprintf(proxy->conninfo, sizeof(proxy->conninfo),
                   "host=%s port=5432 user=postgres dbname=postgres", proxy->folder);
    pthread_mutex_init(&proxy->mutex, NULL);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(proxy->own.sun_path);
    if (bind(proxy->listener, (struct sockaddr *)&proxy->own, sizeof(proxy->own)) != 0 ||
        listen(proxy->listener, 64) != 0) {
        abort();
    }
    pthread_create(&proxy->thread, NULL, proxy_run, proxy);
    return proxy;
}

void agentdb_proxy_free(struct agentdb_proxy **proxy)
{
    struct agentdb_proxy *p = *proxy;

    *proxy = NULL;
    pthread_mutex_lock(&p->mutex);
    p->ends = true;
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < p->connection_count; i++) {
        pthread_join(p->connections[i], NULL);
    }
    close(p->listener);
    (void)unlink(p->own.sun_path);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

const char *agentdb_proxy_conninfo(const struct agentdb_proxy *proxy)
{
    return proxy->conninfo;
}

void agentdb_proxy_swallow(struct agentdb_proxy *proxy, const char *words, int count)
{
    pthread_mutex_lock(&proxy->mutex);
    (void)snprintf(proxy->words, sizeof(proxy->words), "%s", words);
    proxy->to_swallow = count;
    proxy->swallowed = 0;
    pthread_mutex_unlock(&proxy->mutex);
}

int agentdb_proxy_swallowed(struct agentdb_proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    int swallowed = proxy->swallowed;
    pthread_mutex_unlock(&proxy->mutex);
    return swallowed;
}
