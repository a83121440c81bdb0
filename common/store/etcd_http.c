#include "common/store/etcd_http.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

enum {
    ETCD_URL_BYTES = 512,
    ETCD_CONNECTIONS_KEPT_MAX = ETCD_REQUESTS_IN_FLIGHT_MAX,
    ETCD_POLL_MS_MAX = 60000,
    ETCD_CA_CACHE_S = 60, /* certificates are read again when the files change */
};

struct etcd_http {
    CURLM *multi;
    bool curl_ready;
    char *endpoints[ETCD_ENDPOINTS_MAX];
    size_t endpoint_count;
    size_t current;
    size_t running;
    long connect_timeout_ms;
    char *tls_cert;
    char *tls_key;
    char *tls_ca;
};

/* ---- endpoints ---- */

static bool etcd_http_part(CURLU *url, CURLUPart part, const char *wanted)
{
    char *text = NULL;
    CURLUcode rc = curl_url_get(url, part, &text, 0);
    bool same = rc == CURLUE_OK ? wanted != NULL && strcmp(text, wanted) == 0 : wanted == NULL;

    curl_free(text);
    return same;
}

/* Nothing but scheme, host and port: what else may be there is either a mistake or a secret. */
static bool etcd_http_is_endpoint(const char *text)
{
    CURLU *url = curl_url();
    bool ok =
        url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
        (etcd_http_part(url, CURLUPART_SCHEME, "http") ||
         etcd_http_part(url, CURLUPART_SCHEME, "https")) &&
        etcd_http_part(url, CURLUPART_USER, NULL) &&
        etcd_http_part(url, CURLUPART_PASSWORD, NULL) && etcd_http_part(url, CURLUPART_PATH, "/") &&
        etcd_http_part(url, CURLUPART_QUERY, NULL) && etcd_http_part(url, CURLUPART_FRAGMENT, NULL);

    curl_url_cleanup(url);
    return ok;
}

static bool etcd_http_add_endpoint(struct etcd_http *http, const char *text, size_t length,
                                   struct error *err)
{
    char endpoint[ETCD_URL_BYTES / 2];

    while (length > 0 && text[length - 1] == '/') {
        length--;
    }
    if (http->endpoint_count == ETCD_ENDPOINTS_MAX || length >= sizeof(endpoint)) {
        return error_set(err, ERR_LIMIT, "at most %d endpoints of %zu bytes", ETCD_ENDPOINTS_MAX,
                         sizeof(endpoint) - 1);
    }
    memcpy(endpoint, text, length);
    endpoint[length] = '\0';
    if (!etcd_http_is_endpoint(endpoint)) {
        const char *secret = strrchr(endpoint, '@');
        return error_set(err, ERR_INVALID, "endpoint '%s' is not http://HOST:PORT or https://...",
                         secret == NULL ? endpoint : secret);
    }
    http->endpoints[http->endpoint_count++] = memory_strdup(endpoint);
    return true;
}

static bool etcd_http_add_endpoints(struct etcd_http *http, const char *list, struct error *err)
{
    for (const char *next = list;; next++) {
        size_t length = strcspn(next, ",");
        if (!etcd_http_add_endpoint(http, next, length, err)) {
            return false;
        }
        next += length;
        if (*next == '\0') {
            return true;
        }
    }
}

static char *etcd_http_option(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : memory_strdup(text);
}

bool etcd_http_new(const struct store_options *options, const char *endpoints,
                   struct etcd_http **ret_http, struct error *err)
{
    CLEANUP(etcd_http_free) struct etcd_http *http = memory_alloc(sizeof(*http));

    http->curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    http->multi = http->curl_ready ? curl_multi_init() : NULL;
    if (http->multi == NULL) {
        return error_set(err, ERR_INTERNAL, "curl cannot be initialised");
    }
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)ETCD_CONNECTIONS_KEPT_MAX);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    http->connect_timeout_ms =
        options->connect_timeout_ms > LONG_MAX ? LONG_MAX : (long)options->connect_timeout_ms;
    http->tls_cert = etcd_http_option(options->tls_cert);
    http->tls_key = etcd_http_option(options->tls_key);
    http->tls_ca = etcd_http_option(options->tls_ca);
    if (!etcd_http_add_endpoints(http, endpoints, err)) {
        return false;
    }
    *ret_http = TAKE(http);
    return true;
}

void etcd_http_free(struct etcd_http **pointer)
{
    struct etcd_http *http = *pointer;

    if (http == NULL) {
        return;
    }
    assert(http->running == 0);
    curl_multi_cleanup(http->multi);
    if (http->curl_ready) {
        curl_global_cleanup(); /* counted: others may use curl too */
    }
    for (size_t i = 0; i < http->endpoint_count; i++) {
        free(http->endpoints[i]);
    }
    free(http->tls_cert);
    free(http->tls_key);
    free(http->tls_ca);
    free(http);
    *pointer = NULL;
}

void etcd_http_blame(struct etcd_http *http, const struct etcd_call *call)
{
    if (call->endpoint == http->current) {
        http->current = (http->current + 1) % http->endpoint_count;
    }
}

size_t etcd_http_endpoint_count(const struct etcd_http *http)
{
    return http->endpoint_count;
}

const char *etcd_http_endpoint(const struct etcd_http *http, size_t index)
{
    assert(index < http->endpoint_count);
    return http->endpoints[index];
}

/* ---- calls ---- */

static size_t etcd_http_on_write(char *data, size_t size, size_t count, void *user)
{
    struct etcd_call *call = user;
    struct bytes bytes = { .data = (const uint8_t *)data, .size = size * count };
    bool ok;

    if (call->on_bytes == NULL) {
        ok = buf_append(&call->answer, bytes.data, bytes.size);
    } else {
        ok = call->on_bytes(call, bytes);
    }
    return ok ? bytes.size : CURL_WRITEFUNC_ERROR;
}

/* Called when a connection is there and nothing of the request has been written. curl sends a
 * request again by itself when a kept connection dies without an answer; for a write that would be
 * a second execution, whose outcome would hide the first one's. */
static int etcd_http_on_send(void *user, char *remote_address, char *local_address, int remote_port,
                             int local_port)
{
    struct etcd_call *call = user;

    (void)remote_address, (void)local_address, (void)remote_port, (void)local_port;
    if (call->sent && !call->repeatable) {
        return CURL_PREREQFUNC_ABORT;
    }
    call->sent = true;
    return CURL_PREREQFUNC_OK;
}

static void etcd_http_set_headers(struct etcd_call *call, const char *token)
{
    CLEANUP(buf_release) struct buf line = { .size_max = ETCD_ANSWER_BYTES_MAX };
    struct curl_slist *headers = NULL;

    /* Without it a member that has no leader lets requests hang and watches be silent. */
    headers = curl_slist_append(headers, "Grpc-Metadata-hasleader: true");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* costs a round trip */
    if (call->timeout_ms > 0) {
        buf_printf(&line, "Grpc-Timeout: %" PRIu64 "m", call->timeout_ms);
        headers = curl_slist_append(headers, buf_text(&line));
    }
    if (token[0] != '\0') {
        buf_clear(&line);
        buf_printf(&line, "Authorization: %s", token);
        headers = curl_slist_append(headers, buf_text(&line));
    }
    call->headers = headers;
}

void etcd_http_start(struct etcd_http *http, struct etcd_call *call, const char *token)
{
    char url[ETCD_URL_BYTES];
    CURL *easy = curl_easy_init();

    assert(easy != NULL && !call->running);
    call->endpoint = http->current;
    call->easy = easy;
    call->running = true;
    call->sent = false;
    call->status = 0;
    call->failure[0] = '\0';
    call->answer.size_max = ETCD_ANSWER_BYTES_MAX;
    buf_clear(&call->answer);
    etcd_http_set_headers(call, token);
    snprintf(url, sizeof(url), "%s%s", http->endpoints[call->endpoint], call->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->failure);
    static_assert(sizeof(call->failure) >= CURL_ERROR_SIZE, "curl writes that much");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the store is next door */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, buf_text(&call->body));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, etcd_http_on_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, etcd_http_on_send);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, http->connect_timeout_ms);
    if (call->timeout_ms > 0) {
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                         call->timeout_ms > LONG_MAX ? LONG_MAX : (long)call->timeout_ms);
    } else {
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_SSLCERT, http->tls_cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, http->tls_key);
    if (http->tls_ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->tls_ca);
    }
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)ETCD_CA_CACHE_S);
    CURLMcode rc = curl_multi_add_handle(http->multi, easy);
    assert(rc == CURLM_OK);
    (void)rc;
    http->running++;
}

static void etcd_http_detach(struct etcd_http *http, struct etcd_call *call)
{
    assert(call->running && http->running > 0);
    curl_multi_remove_handle(http->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    call->easy = NULL;
    call->headers = NULL;
    call->running = false;
    http->running--;
}

void etcd_http_cancel(struct etcd_http *http, struct etcd_call *call)
{
    if (call->running) {
        etcd_http_detach(http, call);
    }
}

void etcd_call_release(struct etcd_call *call)
{
    assert(!call->running);
    buf_release(&call->body);
    buf_release(&call->answer);
}

static void etcd_http_end(struct etcd_http *http, struct etcd_call *call, CURLcode code)
{
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &call->status);
    if (code != CURLE_OK && call->failure[0] == '\0') {
        snprintf(call->failure, sizeof(call->failure), "%s", curl_easy_strerror(code));
    }
    etcd_http_detach(http, call);
    if (call->answer.overflow) {
        call->result = ETCD_CALL_TOO_LARGE;
    } else if (code == CURLE_OK) {
        call->result = ETCD_CALL_ANSWERED;
    } else {
        call->result = call->sent ? ETCD_CALL_LOST : ETCD_CALL_NOT_SENT;
    }
    call->done(call);
}

void etcd_http_poll(struct etcd_http *http, uint64_t deadline_ms)
{
    CURLMsg *message;
    int left;
    int ignored;
    bool ended = false;

    curl_multi_perform(http->multi, &ignored);
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *call = NULL;
        assert(message->msg == CURLMSG_DONE);
        CURLcode code = message->data.result; /* the message dies with its handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        etcd_http_end(http, (struct etcd_call *)(void *)call, code);
        ended = true;
    }
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t wait_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    if (wait_ms > ETCD_POLL_MS_MAX) {
        wait_ms = ETCD_POLL_MS_MAX;
    }
    /* What ended may have made room for more: the caller looks first. */
    if (!ended && wait_ms > 0) {
        curl_multi_poll(http->multi, NULL, 0, (int)wait_ms, NULL);
    }
}

void etcd_http_wake(struct etcd_http *http)
{
    curl_multi_wakeup(http->multi);
}
