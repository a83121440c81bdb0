/* etcd_json.h - requests to etcd's JSON gateway, and its answers read with suspicion.
 *
 * Pure. What is wrong with an answer is ERR_INVALID, one sentence without the endpoint. */
#ifndef SKEIN_COMMON_STORE_ETCD_JSON_H
#define SKEIN_COMMON_STORE_ETCD_JSON_H

#include "common/core/arena.h"
#include "common/store/store.h"

/* ---- requests; appended to `buf` ---- */
void etcd_json_put_txn(struct buf *buf, const struct store_compare *compares, size_t compare_count,
                       const struct store_op *ops, size_t op_count);
void etcd_json_put_range(struct buf *buf, const char *prefix, const char *after, size_t limit,
                         int64_t revision);
void etcd_json_put_watch(struct buf *buf, const char *prefix, int64_t from_revision);
void etcd_json_put_number(struct buf *buf, const char *name, int64_t number); /* {"name":"1"} */
void etcd_json_put_login(struct buf *buf, const char *user, const char *password);

/* ---- answers; texts and values are the arena's ---- */
MUST_CHECK bool etcd_json_read_txn(struct bytes body, struct store_txn_result *ret_result,
                                   struct error *err);
MUST_CHECK bool etcd_json_read_range(struct bytes body, struct arena *arena,
                                     struct store_range_result *ret_result, struct error *err);
MUST_CHECK bool etcd_json_read_grant(struct bytes body, struct store_lease_result *ret_result,
                                     struct error *err);
/* A lease that is gone has ttl_ms 0. */
MUST_CHECK bool etcd_json_read_keep_alive(struct bytes body, struct store_lease_result *ret_result,
                                          struct error *err);
/* Answers of which only the header matters. */
MUST_CHECK bool etcd_json_read_header(struct bytes body, int64_t *ret_revision, struct error *err);
MUST_CHECK bool etcd_json_read_token(struct bytes body, struct arena *arena, const char **ret_token,
                                     struct error *err);

/* etcd's way to say no: a gRPC status code and a sentence. */
enum etcd_code {
    ETCD_CODE_CANCELLED = 1,
    ETCD_CODE_UNKNOWN = 2,
    ETCD_CODE_INVALID_ARGUMENT = 3,
    ETCD_CODE_DEADLINE = 4,
    ETCD_CODE_NOT_FOUND = 5,
    ETCD_CODE_PERMISSION_DENIED = 7,
    ETCD_CODE_EXHAUSTED = 8,
    ETCD_CODE_PRECONDITION = 9,
    ETCD_CODE_OUT_OF_RANGE = 11,
    ETCD_CODE_UNAVAILABLE = 14,
    ETCD_CODE_UNAUTHENTICATED = 16,
};
struct etcd_refusal {
    int64_t code;
    char message[ERROR_MESSAGE_BYTES / 2]; /* control characters replaced */
};
/* False if the body is no refusal. Knows the unary and the stream form. */
bool etcd_json_read_refusal(struct bytes body, struct etcd_refusal *ret_refusal);

/* One line of a watch's stream. */
struct etcd_watch_line {
    bool created;
    bool canceled;
    bool fragment;              /* the last revision goes on in the next line */
    int64_t compact_revision;   /* canceled: 0 or what was compacted */
    int64_t revision;           /* of the header; 0 if missing */
    char reason[128];           /* canceled */
    struct store_event *events; /* count 0: created, canceled or progress */
    size_t count;
};
MUST_CHECK bool etcd_json_read_watch(struct bytes line, struct arena *arena,
                                     struct etcd_watch_line *ret_line, struct error *err);

/* `text` cut to fit, with control characters and quotes replaced, for messages. */
enum { ETCD_EXCERPT_BYTES = 96 };
const char *etcd_json_excerpt(struct bytes text, char ret_excerpt[ETCD_EXCERPT_BYTES]);

#endif
