#include "common/store/etcd_json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "common/core/limits.h"
#include "common/store/store_backend.h"

/* ---- requests ---- */

static void etcd_json_put_base64(struct buf *buf, const void *data, size_t size)
{
    enum { BLOCK = 3072 };
    unsigned char text[BLOCK / 3 * 4 + 1];
    const unsigned char *next = data;

    buf_append(buf, "\"", 1);
    while (size > 0) {
        size_t part = size < BLOCK ? size : BLOCK;
        int length = EVP_EncodeBlock(text, next, (int)part);
        buf_append(buf, text, (size_t)length);
        next += part;
        size -= part;
    }
    buf_append(buf, "\"", 1);
}

static void etcd_json_put_key(struct buf *buf, const char *name, const char *key)
{
    buf_printf(buf, "\"%s\":", name);
    etcd_json_put_base64(buf, key, strlen(key));
}

/* `key` and `range_end` of all keys with the prefix and behind `after`. etcd reads a single NUL as
 * "from the first key" and "to the last". */
static void etcd_json_put_interval(struct buf *buf, const char *prefix, const char *after)
{
    char end[STORE_KEY_BYTES_MAX + 1];
    const char *from = after[0] == '\0' ? prefix : after;
    size_t size = strlen(from);

    assert(strlen(prefix) <= STORE_KEY_BYTES_MAX);
    buf_puts(buf, "\"key\":");
    etcd_json_put_base64(buf, from, from == prefix && size > 0 ? size : size + 1);
    buf_puts(buf, ",\"range_end\":");
    if (store_request_prefix_end(prefix, end)) {
        etcd_json_put_base64(buf, end, strlen(end));
    } else {
        etcd_json_put_base64(buf, "", 1);
    }
}

static void etcd_json_put_op(struct buf *buf, const struct store_op *op)
{
    switch (op->kind) {
    case STORE_PUT:
        buf_puts(buf, "{\"request_put\":{");
        etcd_json_put_key(buf, "key", op->key);
        buf_puts(buf, ",\"value\":");
        etcd_json_put_base64(buf, op->value.data, op->value.size);
        if (op->lease_id != 0) {
            buf_printf(buf, ",\"lease\":\"%" PRId64 "\"", op->lease_id);
        }
        break;
    case STORE_DELETE:
        buf_puts(buf, "{\"request_delete_range\":{");
        etcd_json_put_key(buf, "key", op->key);
        break;
    case STORE_DELETE_PREFIX:
        buf_puts(buf, "{\"request_delete_range\":{");
        etcd_json_put_interval(buf, op->key, "");
        break;
    }
    buf_puts(buf, "}}");
}

void etcd_json_put_txn(struct buf *buf, const struct store_compare *compares, size_t compare_count,
                       const struct store_op *ops, size_t op_count)
{
    buf_puts(buf, "{\"compare\":[");
    for (size_t i = 0; i < compare_count; i++) {
        buf_puts(buf, i > 0 ? ",{" : "{");
        etcd_json_put_key(buf, "key", compares[i].key);
        bool mod = compares[i].target == STORE_MOD_REVISION;
        buf_printf(buf, ",\"target\":\"%s\",\"result\":\"EQUAL\",\"%s\":\"%" PRId64 "\"}",
                   mod ? "MOD" : "CREATE", mod ? "mod_revision" : "create_revision",
                   mod ? compares[i].mod_revision : compares[i].create_revision);
    }
    buf_puts(buf, "],\"success\":[");
    for (size_t i = 0; i < op_count; i++) {
        buf_puts(buf, i > 0 ? "," : "");
        etcd_json_put_op(buf, &ops[i]);
    }
    buf_puts(buf, "]}");
}

void etcd_json_put_range(struct buf *buf, const char *prefix, const char *after, size_t limit,
                         int64_t revision)
{
    buf_puts(buf, "{");
    etcd_json_put_interval(buf, prefix, after);
    buf_printf(buf, ",\"limit\":\"%zu\",\"revision\":\"%" PRId64 "\"}", limit, revision);
}

void etcd_json_put_watch(struct buf *buf, const char *prefix, int64_t from_revision)
{
    buf_puts(buf, "{\"create_request\":{");
    etcd_json_put_interval(buf, prefix, "");
    buf_printf(buf,
               ",\"start_revision\":\"%" PRId64 "\",\"progress_notify\":true,\"fragment\":true}}",
               from_revision);
}

void etcd_json_put_number(struct buf *buf, const char *name, int64_t number)
{
    buf_printf(buf, "{\"%s\":\"%" PRId64 "\"}", name, number);
}

static int etcd_json_append(const char *text, size_t size, void *buf)
{
    return buf_append(buf, text, size) ? 0 : -1;
}

void etcd_json_put_login(struct buf *buf, const char *user, const char *password)
{
    json_t *login = json_pack("{s:s, s:s}", "name", user, "password", password);

    /* Bytes that are no UTF-8 cannot be sent; the server then refuses the empty body. */
    if (login != NULL) {
        (void)json_dump_callback(login, etcd_json_append, buf, JSON_COMPACT);
    }
    json_decref(login);
}

/* ---- answers ---- */

static void etcd_json_free(json_t **json)
{
    json_decref(*json);
}

static json_t *etcd_json_parse(struct bytes body)
{
    json_error_t ignored;
    json_t *root = json_loadb((const char *)body.data, body.size, 0, &ignored);

    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* 64-bit numbers come as text, and zero does not come at all. */
static bool etcd_json_int(const json_t *object, const char *name, int64_t *ret_number)
{
    const json_t *field = json_object_get(object, name);
    char *end = NULL;

    if (field == NULL) {
        *ret_number = 0;
        return true;
    }
    if (json_is_integer(field)) {
        *ret_number = json_integer_value(field);
        return true;
    }
    const char *text = json_string_value(field);
    if (text == NULL || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) {
        return false;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text) {
        return false;
    }
    *ret_number = number;
    return true;
}

static bool etcd_json_header(const json_t *object, int64_t *ret_revision)
{
    const json_t *header = json_object_get(object, "header");

    return json_is_object(header) && etcd_json_int(header, "revision", ret_revision) &&
           *ret_revision >= 0;
}

/* Missing is empty. The result ends in a NUL that is not counted. */
static bool etcd_json_base64(const json_t *object, const char *name, struct arena *arena,
                             struct bytes *ret_bytes)
{
    const json_t *field = json_object_get(object, name);
    const char *text = field == NULL ? "" : json_string_value(field);
    size_t length = field == NULL ? 0 : json_string_length(field);

    if (text == NULL || length % 4 != 0 || length > INT_MAX) {
        return false;
    }
    uint8_t *data = arena_alloc(arena, length / 4 * 3 + 1);
    int size = EVP_DecodeBlock(data, (const unsigned char *)text, (int)length);
    if (size < 0 || (size_t)size != length / 4 * 3) {
        return false;
    }
    for (size_t i = 1; i <= 2 && i <= length && text[length - i] == '='; i++) {
        size--;
    }
    data[size] = '\0';
    *ret_bytes = (struct bytes){ .data = data, .size = (size_t)size };
    return true;
}

static bool etcd_json_kv(const json_t *object, struct arena *arena, struct store_kv *ret_kv,
                         struct error *err)
{
    struct bytes key = { 0 };
    struct store_kv kv = { 0 };

    if (!json_is_object(object) || !etcd_json_base64(object, "key", arena, &key) ||
        !etcd_json_base64(object, "value", arena, &kv.value) ||
        !etcd_json_int(object, "create_revision", &kv.create_revision) ||
        !etcd_json_int(object, "mod_revision", &kv.mod_revision) ||
        !etcd_json_int(object, "lease", &kv.lease_id) || kv.mod_revision <= 0) {
        return error_set(err, ERR_INVALID, "a key and its value cannot be read");
    }
    if (key.size == 0 || memchr(key.data, '\0', key.size) != NULL) {
        return error_set(err, ERR_INVALID, "it holds a key that skein did not write");
    }
    kv.key = (const char *)key.data;
    *ret_kv = kv;
    return true;
}

static bool etcd_json_no_answer(struct error *err, const char *what)
{
    return error_set(err, ERR_INVALID, "no answer to %s", what);
}

bool etcd_json_read_txn(struct bytes body, struct store_txn_result *ret_result, struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);
    int64_t revision;

    const json_t *succeeded = json_object_get(root, "succeeded");
    if (!etcd_json_header(root, &revision) || revision == 0 ||
        (succeeded != NULL && !json_is_boolean(succeeded))) {
        return etcd_json_no_answer(err, "a transaction");
    }
    *ret_result =
        (struct store_txn_result){ .succeeded = json_is_true(succeeded), .revision = revision };
    return true;
}

bool etcd_json_read_range(struct bytes body, struct arena *arena,
                          struct store_range_result *ret_result, struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);
    int64_t revision;

    const json_t *list = json_object_get(root, "kvs");
    if (!etcd_json_header(root, &revision) || revision == 0 ||
        (list != NULL && !json_is_array(list))) {
        return etcd_json_no_answer(err, "a range");
    }
    size_t count = json_array_size(list);
    struct store_kv *kvs = arena_alloc_array(arena, count, sizeof(*kvs));
    for (size_t i = 0; i < count; i++) {
        if (!etcd_json_kv(json_array_get(list, i), arena, &kvs[i], err)) {
            return false;
        }
    }
    *ret_result = (struct store_range_result){
        .kvs = kvs,
        .count = count,
        .more = json_is_true(json_object_get(root, "more")),
        .revision = revision,
    };
    return true;
}

static bool etcd_json_lease(const json_t *object, struct store_lease_result *ret_result)
{
    int64_t ignored;
    int64_t id;
    int64_t ttl_s;

    if (!etcd_json_header(object, &ignored) || !etcd_json_int(object, "ID", &id) ||
        !etcd_json_int(object, "TTL", &ttl_s) || id == 0 || ttl_s > INT32_MAX) {
        return false;
    }
    *ret_result = (struct store_lease_result){
        .lease_id = id,
        .ttl_ms = ttl_s > 0 ? (uint64_t)ttl_s * 1000 : 0,
    };
    return true;
}

bool etcd_json_read_grant(struct bytes body, struct store_lease_result *ret_result,
                          struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);
    struct store_lease_result result;

    if (!etcd_json_lease(root, &result) || result.ttl_ms == 0) {
        return etcd_json_no_answer(err, "a lease's grant");
    }
    *ret_result = result;
    return true;
}

bool etcd_json_read_keep_alive(struct bytes body, struct store_lease_result *ret_result,
                               struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);

    return etcd_json_lease(json_object_get(root, "result"), ret_result) ||
           etcd_json_no_answer(err, "a lease's keep-alive");
}

bool etcd_json_read_header(struct bytes body, int64_t *ret_revision, struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);

    return etcd_json_header(root, ret_revision) || etcd_json_no_answer(err, "a request");
}

bool etcd_json_read_token(struct bytes body, struct arena *arena, const char **ret_token,
                          struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);
    const char *token = json_string_value(json_object_get(root, "token"));

    if (token == NULL || token[0] == '\0' || strpbrk(token, "\r\n") != NULL) {
        return etcd_json_no_answer(err, "a login");
    }
    *ret_token = arena_strdup(arena, token);
    return true;
}

static void etcd_json_clean(char *ret_text, size_t room, const char *text, size_t size)
{
    size_t length = size < room - 1 ? size : room - 1;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        ret_text[i] = (char)(c < 0x20 || c == 0x7f ? ' ' : c);
    }
    ret_text[length] = '\0';
}

bool etcd_json_read_refusal(struct bytes body, struct etcd_refusal *ret_refusal)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(body);
    const json_t *error = json_object_get(root, "error");
    struct etcd_refusal refusal = { 0 };

    const json_t *status = json_is_object(error) ? error : root;
    const char *message = json_string_value(json_object_get(status, "message"));
    if (error == NULL || message == NULL ||
        !etcd_json_int(status, status == error ? "grpc_code" : "code", &refusal.code)) {
        return false;
    }
    etcd_json_clean(refusal.message, sizeof(refusal.message), message, strlen(message));
    *ret_refusal = refusal;
    return true;
}

static bool etcd_json_event(const json_t *object, struct arena *arena,
                            struct store_event *ret_event, struct error *err)
{
    const json_t *type = json_object_get(object, "type");
    const char *name = type == NULL ? "PUT" : json_string_value(type);

    if (name == NULL || (strcmp(name, "PUT") != 0 && strcmp(name, "DELETE") != 0)) {
        return error_set(err, ERR_INVALID, "an event of an unknown type");
    }
    ret_event->kind = name[0] == 'P' ? STORE_EVENT_PUT : STORE_EVENT_DELETE;
    return etcd_json_kv(json_object_get(object, "kv"), arena, &ret_event->kv, err);
}

bool etcd_json_read_watch(struct bytes line, struct arena *arena, struct etcd_watch_line *ret_line,
                          struct error *err)
{
    CLEANUP(etcd_json_free) json_t *root = etcd_json_parse(line);
    const json_t *result = json_object_get(root, "result");
    struct etcd_watch_line read = { 0 };

    const json_t *events = json_object_get(result, "events");
    if (!etcd_json_header(result, &read.revision) ||
        !etcd_json_int(result, "compact_revision", &read.compact_revision) ||
        (events != NULL && !json_is_array(events))) {
        return etcd_json_no_answer(err, "a watch");
    }
    const char *reason = json_string_value(json_object_get(result, "cancel_reason"));
    if (reason != NULL) {
        etcd_json_clean(read.reason, sizeof(read.reason), reason, strlen(reason));
    }
    read.created = json_is_true(json_object_get(result, "created"));
    read.canceled = json_is_true(json_object_get(result, "canceled"));
    read.fragment = json_is_true(json_object_get(result, "fragment"));
    read.count = json_array_size(events);
    read.events = arena_alloc_array(arena, read.count, sizeof(*read.events));
    for (size_t i = 0; i < read.count; i++) {
        if (!etcd_json_event(json_array_get(events, i), arena, &read.events[i], err)) {
            return false;
        }
    }
    *ret_line = read;
    return true;
}

const char *etcd_json_excerpt(struct bytes text, char ret_excerpt[ETCD_EXCERPT_BYTES])
{
    etcd_json_clean(ret_excerpt, ETCD_EXCERPT_BYTES, (const char *)text.data, text.size);
    for (char *c = ret_excerpt; *c != '\0'; c++) {
        if (*c == '\'' || (unsigned char)*c >= 0x80) {
            *c = '.';
        }
    }
    return ret_excerpt;
}
