#include "common/store/store_backend.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"

struct store_request *store_request_new(enum store_request_kind kind, void *user)
{
    struct store_request *request = memory_alloc(sizeof(*request));

    request->kind = kind;
    request->user = user;
    return request;
}

void store_request_free(struct store_request **pointer)
{
    if (*pointer != NULL) {
        arena_release(&(*pointer)->arena);
        free(*pointer);
        *pointer = NULL;
    }
}

void store_request_refuse(struct store_request *request, enum err_code code, const char *format,
                          ...)
{
    va_list arguments;

    if (request->refusal != NULL) {
        return; /* the first reason is the one to tell */
    }
    request->refusal = arena_alloc(&request->arena, sizeof(*request->refusal));
    va_start(arguments, format);
    error_set_v(request->refusal, code, format, arguments);
    va_end(arguments);
}

bool store_request_prefix_end(const char *prefix, char *ret_end)
{
    size_t length = strlen(prefix);

    memcpy(ret_end, prefix, length + 1);
    while (length > 0) {
        if ((unsigned char)ret_end[length - 1] != 0xff) {
            ret_end[length - 1] = (char)((unsigned char)ret_end[length - 1] + 1);
            ret_end[length] = '\0';
            return true;
        }
        length--;
    }
    return false;
}

static const char *store_request_copy_key(struct store_request *request, const char *key)
{
    size_t length = strlen(key);

    if (length == 0) {
        store_request_refuse(request, ERR_INVALID, "a key is empty");
    } else if (length > STORE_KEY_BYTES_MAX) {
        store_request_refuse(request, ERR_LIMIT, "key '%.60s...' is longer than %d bytes", key,
                             STORE_KEY_BYTES_MAX);
        return "";
    }
    request->bytes += length;
    return arena_strndup(&request->arena, key, length);
}

static int store_request_compare_ops(const void *left, const void *right)
{
    const struct store_op *const *a = left;
    const struct store_op *const *b = right;

    return strcmp((*a)->key, (*b)->key);
}

/* In key order a prefix stands before all that it covers, so what follows it tells. */
static void store_request_check_keys(struct store_request *request)
{
    const struct store_op *sorted[STORE_TXN_OPS_MAX];
    size_t count = request->op_count;

    for (size_t i = 0; i < count; i++) {
        sorted[i] = &request->ops[i];
    }
    qsort(sorted, count, sizeof(sorted[0]), store_request_compare_ops);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && strcmp(sorted[i]->key, sorted[i + 1]->key) == 0) {
            store_request_refuse(request, ERR_INVALID, "key '%s' stands twice in one transaction",
                                 sorted[i]->key);
            return;
        }
        size_t length = strlen(sorted[i]->key);
        for (size_t j = i + 1; sorted[i]->kind == STORE_DELETE_PREFIX && j < count &&
                               strncmp(sorted[i]->key, sorted[j]->key, length) == 0;
             j++) {
            if (sorted[j]->kind == STORE_PUT) {
                store_request_refuse(request, ERR_INVALID,
                                     "key '%s' is put where one transaction deletes '%s...'",
                                     sorted[j]->key, sorted[i]->key);
                return;
            }
        }
    }
}

void store_request_set_txn(struct store_request *request, const struct store_compare *compares,
                           size_t compare_count, const struct store_op *ops, size_t op_count)
{
    if (op_count > STORE_TXN_OPS_MAX || compare_count > STORE_TXN_OPS_MAX) {
        store_request_refuse(request, ERR_LIMIT,
                             "a transaction of %zu operations and %zu compares: at most %d each",
                             op_count, compare_count, STORE_TXN_OPS_MAX);
        return;
    }
    /* The sizes come first, so that nothing is copied that is refused. */
    size_t bytes = 0;
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].kind == STORE_PUT && ops[i].value.size > STORE_VALUE_BYTES_MAX) {
            store_request_refuse(request, ERR_LIMIT,
                                 "the value of '%.200s' has %zu bytes: at most "
                                 "%d",
                                 ops[i].key, ops[i].value.size, STORE_VALUE_BYTES_MAX);
            return;
        }
        bytes += strlen(ops[i].key) + ops[i].value.size;
    }
    for (size_t i = 0; i < compare_count; i++) {
        bytes += strlen(compares[i].key);
    }
    if (bytes > STORE_TXN_BYTES_MAX) {
        store_request_refuse(request, ERR_LIMIT, "a transaction of %zu bytes: at most %d", bytes,
                             STORE_TXN_BYTES_MAX);
        return;
    }
    request->compares = arena_alloc_array(&request->arena, compare_count, sizeof(*compares));
    request->ops = arena_alloc_array(&request->arena, op_count, sizeof(*ops));
    request->compare_count = compare_count;
    request->op_count = op_count;
    for (size_t i = 0; i < compare_count; i++) {
        request->compares[i] = compares[i];
        request->compares[i].key = store_request_copy_key(request, compares[i].key);
    }
    for (size_t i = 0; i < op_count; i++) {
        struct store_op *op = &request->ops[i];
        *op = ops[i];
        op->key = store_request_copy_key(request, ops[i].key);
        op->value = (struct bytes){ 0 };
        if (op->kind == STORE_PUT && ops[i].value.size > 0) {
            op->value.data = arena_memdup(&request->arena, ops[i].value.data, ops[i].value.size);
            op->value.size = ops[i].value.size;
        }
        request->bytes += op->value.size;
    }
    store_request_check_keys(request);
}

void store_request_set_range(struct store_request *request, const char *prefix, const char *after,
                             size_t limit, int64_t revision)
{
    if (strlen(prefix) > STORE_KEY_BYTES_MAX || strlen(after) > STORE_KEY_BYTES_MAX) {
        store_request_refuse(request, ERR_LIMIT, "a range of keys longer than %d bytes",
                             STORE_KEY_BYTES_MAX);
        return;
    }
    if (after[0] != '\0' && strncmp(after, prefix, strlen(prefix)) != 0) {
        store_request_refuse(request, ERR_INVALID, "range: '%s' is not below '%s'", after, prefix);
    }
    if (revision < 0) {
        store_request_refuse(request, ERR_INVALID, "range: revision %lld is negative",
                             (long long)revision);
    }
    request->prefix = arena_strdup(&request->arena, prefix);
    request->after = arena_strdup(&request->arena, after);
    request->limit = limit == 0 || limit > STORE_PAGE_KEYS ? STORE_PAGE_KEYS : limit;
    request->revision = revision;
}
