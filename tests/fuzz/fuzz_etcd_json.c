/* LIBS: skein_store */
/* Everything that reads etcd's answers, on one input: bodies, refusals, and lines of a watch. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/store/etcd_json.h"
#include "common/store/etcd_verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_kv(const struct store_kv *kv)
{
    assert(kv->key[0] != '\0');
    assert(kv->mod_revision > 0);
    assert(kv->value.data == NULL || kv->value.data[kv->value.size] == '\0');
}

static void read_watch(struct bytes body, struct arena *arena)
{
    struct etcd_watch_line line;
    struct error err = { 0 };

    if (!etcd_json_read_watch(body, arena, &line, &err)) {
        assert(err.code == ERR_INVALID);
        return;
    }
    assert(strlen(line.reason) < sizeof(line.reason));
    for (size_t i = 0; i < line.count; i++) {
        read_kv(&line.events[i].kv);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct bytes body = { .data = data, .size = size };
    struct store_range_result range;
    struct store_txn_result txn;
    struct store_lease_result lease;
    struct etcd_refusal refusal;
    struct error err = { 0 };
    const char *token;
    int64_t revision;
    char excerpt[ETCD_EXCERPT_BYTES];

    if (etcd_json_read_range(body, &arena, &range, &err)) {
        for (size_t i = 0; i < range.count; i++) {
            read_kv(&range.kvs[i]);
        }
    }
    if (etcd_json_read_txn(body, &txn, &err)) {
        assert(txn.revision > 0);
    }
    if (etcd_json_read_grant(body, &lease, &err)) {
        assert(lease.ttl_ms > 0);
    }
    (void)!etcd_json_read_keep_alive(body, &lease, &err);
    (void)!etcd_json_read_header(body, &revision, &err);
    (void)!etcd_json_read_token(body, &arena, &token, &err);
    if (etcd_json_read_refusal(body, &refusal)) {
        assert(strlen(refusal.message) < sizeof(refusal.message));
    }
    err = (struct error){ 0 };
    (void)etcd_verdict_of_body(body, size % 2 == 0 ? 200 : 503, "http://h:1", &err);
    assert(err.code != ERR_NONE);
    read_watch(body, &arena);
    (void)etcd_json_excerpt(body, excerpt);
    return 0;
}
