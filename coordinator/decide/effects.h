/* effects.h - what a decision wants done, as data.
 *
 * Pure. The shell carries effects out in order, in three steps: first all writes of a flush, in as
 * few transactions as possible, each fenced by the leader key and each a prefix of the list (so a
 * crash between two transactions leaves earlier effects without later ones, never the other way
 * round); when these are durable, everything else. Lease calls do not wait for writes. */
#ifndef SKEIN_COORDINATOR_DECIDE_EFFECTS_H
#define SKEIN_COORDINATOR_DECIDE_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/message.h"

enum effect_kind {
    /* Durable writes: `record` says which struct. A key is written by naming the record. */
    EFFECT_PUT,
    EFFECT_DELETE,
    /* After the writes before it (of this and earlier flushes) are durable: */
    EFFECT_AFTER_STORED, /* comes back as EVENT_STORED with `ticket` */
    EFFECT_SEND,         /* `message` to `stream` */
    EFFECT_CLOSE,        /* end the stream: `reply.code`, `reply.message` */
    EFFECT_REPLY,        /* answer the operator's `call` */
    /* At once: */
    EFFECT_LEASE_GRANT,      /* `lease_request`, `ttl_ms` */
    EFFECT_LEASE_KEEP_ALIVE, /* `lease_id` */
    EFFECT_LEASE_REVOKE,     /* `lease_id`; ends in EVENT_LEASE_ENDED, repeated until certain */
    EFFECT_KIND_COUNT,
};

enum record_kind {
    RECORD_ROLLOUT_SPEC,
    RECORD_ROLLOUT_STATE,  /* `id` is the rollout */
    RECORD_SHARD_PROGRESS, /* `id` rollout, `key` shard */
    RECORD_MEASURES,       /* `id` is the rollout */
    RECORD_FAILURE,        /* `id` rollout, `key` "shard/tenant" */
    RECORD_WARNING,        /* `id` rollout, `key` its number; the value is a `failure` */
    RECORD_SESSION,        /* `key` shard, bound to `lease_id` */
    RECORD_SHARD,          /* `key` shard */
    RECORD_LOCK,           /* `key` "shard/tenant", bound to `lease_id` */
    RECORD_TOKEN_BASE,
    RECORD_SET_HEAD,    /* `key` set */
    RECORD_SET_ARCHIVE, /* `key` set, `id` digest, `archive`: cut into chunks by the shell */
    RECORD_EVENT,       /* audit; key made of the time */
    RECORD_ROLLOUT,     /* DELETE only: everything of rollout `id` */
    RECORD_KIND_COUNT,
};

struct effect {
    enum effect_kind kind;
    /* EFFECT_PUT, EFFECT_DELETE */
    enum record_kind record;
    const char *id;
    const char *key;
    int64_t lease_id;
    union {
        struct rollout_spec spec;
        struct rollout_state state;
        struct shard_progress progress;
        struct rollout_measures measures;
        struct failure_record failure;
        struct session_record session;
        struct shard_record shard;
        struct lock_record lock;
        struct token_base token_base;
        struct set_head head;
        struct bytes archive;
        struct audit_event event;
        /* others */
        struct {
            uint64_t stream;
            struct coordinator_message message;
        } send;
        struct {
            uint64_t call;                /* or the stream, for EFFECT_CLOSE */
            enum err_code code;           /* ERR_NONE: done */
            const char *message;          /* one sentence that says what to do; "" when done */
            const char *object;           /* done: the rollout's id, the tenant, ... */
            struct history_reply history; /* OPERATOR_HISTORY only */
            struct schema_reply schemas;  /* OPERATOR_SCHEMAS only */
            bool publish_changed;         /* OPERATOR_PUBLISH only */
            struct lock_record lock;      /* OPERATOR_LOCK, OPERATOR_HOLD: what was locked, or with
                                             `lock_waits` the lock that is in the way */
            bool lock_waits;
            bool lock_beat; /* sent at once: the store has had this lock for long */
        } reply;
        uint64_t ticket;
        struct {
            uint64_t request;
            uint64_t ttl_ms;
        } grant;
    };
};

/* A list in its own arena: strings are copied into it by whoever appends. */
struct effects {
    struct arena arena;
    struct effect *items;
    size_t count;
    size_t capacity;
};

void effects_release(struct effects *effects);
/* Appends a zeroed effect whose texts the caller sets (allocated from effects->arena or static). */
struct effect *effects_add(struct effects *effects, enum effect_kind kind);

#endif
