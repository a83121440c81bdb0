#include "common/http/http_server.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    int port;
};

enum { HTTP_REASON_BYTES = 256, HTTP_HOST_BYTES = 256 };

/* "127.0.0.1:80", "[::1]:80", ":80" (every address). */
static bool http_split_address(const char *address, char host[HTTP_HOST_BYTES],
                               const char **ret_port, struct error *err)
{
    const char *colon = strrchr(address, ':');

    if (colon == NULL || colon[1] == '\0' || colon - address >= HTTP_HOST_BYTES) {
        return error_set(err, ERR_INVALID, "'%s' is not HOST:PORT", address);
    }
    size_t size = (size_t)(colon - address);
    if (size >= 2 && address[0] == '[' && address[size - 1] == ']') {
        address++;
        size -= 2;
    }
    memcpy(host, address, size);
    host[size] = '\0';
    *ret_port = colon + 1;
    return true;
}

static void http_close(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static bool http_bind(const struct addrinfo *info, int *ret_fd)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, info->ai_protocol);
    const int yes = 1;

    if (fd < 0) {
        return false;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, HTTP_BACKLOG) != 0) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

/* The socket is made here rather than by the library, which could not say why it failed. */
static bool http_listen(const char *address, int *ret_fd, struct error *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char host[HTTP_HOST_BYTES] = "";
    const char *port = NULL;

    if (!http_split_address(address, host, &port, err)) {
        return false;
    }
    int failure = getaddrinfo(host[0] == '\0' ? NULL : host, port, &hints, &found);
    if (failure != 0) {
        return error_set(err, ERR_INVALID, "listen on '%s': %s", address, gai_strerror(failure));
    }
    errno = 0;
    bool bound = false;
    for (const struct addrinfo *info = found; info != NULL && !bound; info = info->ai_next) {
        bound = http_bind(info, ret_fd);
    }
    int reason = errno;
    freeaddrinfo(found);
    if (!bound) {
        return error_set(err, ERR_UNAVAILABLE, "listen on '%s': %s", address, strerror(reason));
    }
    return true;
}

static int http_port_of(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);
    char port[16];

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof(port),
                    NI_NUMERICSERV) != 0) {
        return 0;
    }
    return (int)strtol(port, NULL, 10);
}

static enum MHD_Result http_answer(struct MHD_Connection *connection, unsigned status,
                                   const char *type, struct bytes body)
{
    /* The library copies; it never writes to what it was given. */
    union {
        const void *in;
        void *out;
    } data = { .in = body.data };
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.size, data.out, MHD_RESPMEM_MUST_COPY);

    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result http_answer_text(struct MHD_Connection *connection, unsigned status,
                                        const char *text)
{
    char line[HTTP_REASON_BYTES + 2];

    snprintf(line, sizeof(line), "%.*s\n", HTTP_REASON_BYTES, text);
    return http_answer(connection, status, "text/plain; charset=utf-8", bytes_of_text(line));
}

static enum MHD_Result http_answer_check(struct MHD_Connection *connection,
                                         bool (*check)(void *context, char reason[256]),
                                         void *context)
{
    char reason[HTTP_REASON_BYTES] = "";

    if (check == NULL || check(context, reason)) {
        return http_answer_text(connection, MHD_HTTP_OK, "ok");
    }
    return http_answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, reason);
}

static enum MHD_Result http_answer_metrics(struct MHD_Connection *connection,
                                           struct metrics *metrics)
{
    CLEANUP(buf_release) struct buf text = { .size_max = METRICS_TEXT_BYTES_MAX };
    struct error err = { 0 };

    metrics_print(metrics, &text);
    if (!buf_check(&text, &err)) {
        return http_answer_text(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, err.message);
    }
    return http_answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8",
                       buf_view(&text));
}

/* The library demands a mutable *request_state and an int per connection; skein keeps nothing. */
static enum MHD_Result http_on_request(void *user, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload, size_t *upload_size,
                                       void **request_state)
{
    const struct http_server *server = user;

    (void)version;
    (void)upload;
    (void)upload_size;
    (void)request_state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return http_answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    }
    if (strcmp(url, "/healthz") == 0) {
        return http_answer_check(connection, server->options.is_healthy, server->options.context);
    }
    if (strcmp(url, "/readyz") == 0) {
        return http_answer_check(connection, server->options.is_ready, server->options.context);
    }
    if (strcmp(url, "/metrics") == 0 && server->options.metrics != NULL) {
        return http_answer_metrics(connection, server->options.metrics);
    }
    return http_answer_text(connection, MHD_HTTP_NOT_FOUND,
                            "not found; there are /healthz, /readyz and /metrics");
}

bool http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                       struct error *err)
{
    CLEANUP(http_server_free) struct http_server *server = memory_alloc(sizeof(*server));
    CLEANUP(http_close) int fd = -1;

    server->options = *options;
    if (!http_listen(options->listen, &fd, err)) {
        return false;
    }
    server->port = http_port_of(fd);
    server->options.listen = NULL; /* borrowed only until here */
    server->daemon = MHD_start_daemon(
        MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC, 0, NULL, NULL,
        http_on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_TIMEOUT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_BYTES_MAX, MHD_OPTION_END);
    if (server->daemon == NULL) {
        return error_set(err, ERR_INTERNAL, "start the HTTP server: %s", strerror(errno));
    }
    fd = -1; /* the daemon closes it */
    *ret_server = TAKE(server);
    return true;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_free(struct http_server **server)
{
    if (*server == NULL) {
        return;
    }
    if ((*server)->daemon != NULL) {
        MHD_stop_daemon((*server)->daemon);
    }
    free(*server);
    *server = NULL;
}
