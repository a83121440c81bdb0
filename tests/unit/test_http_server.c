/* LIBS: skein_http */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/http/http_server.h"

static bool always(void *context, char reason[256])
{
    (void)context;
    (void)reason;
    return true;
}

static bool never(void *context, char reason[256])
{
    snprintf(reason, 256, "not leading: %s leads", (const char *)context);
    return false;
}

/* Sends `request` and reads the answer to its end. */
static void ask(const struct http_server *server, const char *request, char *answer, size_t size)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)http_server_port(server)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t used = 0;

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    for (;;) {
        ssize_t count = read(fd, answer + used, size - 1 - used);
        if (count <= 0) {
            break;
        }
        used += (size_t)count;
    }
    answer[used] = '\0';
    close(fd);
}

static void check_answer(const struct http_server *server, const char *line, const char *status,
                         const char *body)
{
    char request[512];
    char answer[8192];

    snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
    ask(server, request, answer, sizeof(answer));
    if (strstr(answer, status) == NULL || strstr(answer, body) == NULL) {
        fail_msg("%s answered: %s", line, answer);
    }
}

static void probes_and_metrics_are_served(void **state)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new();
    CLEANUP(http_server_free) struct http_server *server = NULL;
    char leader[] = "c2";
    const struct http_server_options options = { .listen = "127.0.0.1:0",
                                                 .metrics = metrics,
                                                 .is_healthy = always,
                                                 .is_ready = never,
                                                 .context = leader };
    struct error err = { 0 };

    (void)state;
    metric_set(metrics_get(metrics, METRIC_GAUGE, "skein_up", "", "Whether it is up."), 1);
    assert_true(http_server_start(&options, &server, &err));
    assert_true(http_server_port(server) > 0);
    check_answer(server, "GET /healthz", "HTTP/1.1 200", "\r\n\r\nok\n");
    check_answer(server, "GET /readyz", "HTTP/1.1 503", "\r\n\r\nnot leading: c2 leads\n");
    check_answer(server, "GET /metrics", "text/plain; version=0.0.4", "\nskein_up 1\n");
    check_answer(server, "HEAD /metrics", "HTTP/1.1 200", "Content-Length: ");
    check_answer(server, "GET /", "HTTP/1.1 404", "/healthz");
    check_answer(server, "GET /healthz/../metrics", "HTTP/1.1 404", "");
    check_answer(server, "DELETE /metrics", "HTTP/1.1 405", "Allow: GET, HEAD");
    check_answer(server, "POST /metrics", "HTTP/1.1 405", "only GET and HEAD");
}

static void a_header_that_is_too_large_is_refused(void **state)
{
    CLEANUP(http_server_free) struct http_server *server = NULL;
    const struct http_server_options options = { .listen = "127.0.0.1:0" };
    struct error err = { 0 };
    char request[40000];
    char answer[4096];

    (void)state;
    assert_true(http_server_start(&options, &server, &err));
    size_t size = (size_t)snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\nX: ");
    memset(request + size, 'x', 30000);
    memcpy(request + size + 30000, "\r\n\r\n", 5);
    ask(server, request, answer, sizeof(answer));
    assert_null(strstr(answer, " 200 "));
    check_answer(server, "GET /healthz", "HTTP/1.1 200", "ok");
    check_answer(server, "GET /metrics", "HTTP/1.1 404", "");
}

static void an_address_in_use_or_malformed_is_said(void **state)
{
    CLEANUP(http_server_free) struct http_server *first = NULL;
    CLEANUP(http_server_free) struct http_server *second = NULL;
    struct http_server_options options = { .listen = "127.0.0.1:0" };
    char listen[32];
    struct error err = { 0 };

    (void)state;
    assert_true(http_server_start(&options, &first, &err));
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", http_server_port(first));
    options.listen = listen;
    assert_false(http_server_start(&options, &second, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "Address already in use"));
    options.listen = "7480";
    assert_false(http_server_start(&options, &second, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, "'7480' is not HOST:PORT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_and_metrics_are_served),
        cmocka_unit_test(a_header_that_is_too_large_is_refused),
        cmocka_unit_test(an_address_in_use_or_malformed_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
