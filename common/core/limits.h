/* limits.h - every bound of skein, with its unit.
 *
 * Reaching a bound is ERR_LIMIT, a metric and a log line, never a silent truncation. */
#ifndef SKEIN_COMMON_CORE_LIMITS_H
#define SKEIN_COMMON_CORE_LIMITS_H

#include <assert.h>

enum {
    /* Names and texts, bytes without the terminating NUL. */
    NAME_BYTES_MAX = 128,   /* shard, set, tenant, rollout id, label key */
    TEXT_BYTES_MAX = 1024,  /* label value, reason, identity */
    ERROR_BYTES_MAX = 4096, /* an error's message, detail, hint */
    SELECTOR_BYTES_MAX = 4096,
    LABELS_MAX = 64,
    VERSIONS_PER_TENANT_MAX = 64,

    /* Migration sets. */
    SCRIPT_BYTES_MAX = 4 << 20,
    SET_FILES_MAX = 40000,
    SET_BYTES_MAX = 64 << 20,
    SET_CHUNK_BYTES = 512 << 10,
    STATEMENTS_PER_SCRIPT_MAX = 100000,
    TIMEOUT_MS_MAX = 0x7FFFFFFF,  /* what PostgreSQL's timeouts can hold */
    CONFIG_BYTES_MAX = 256 << 10, /* a YAML file */
    CONFIG_ENTRIES_MAX = 10000,
    LINT_FINDINGS_MAX = 1000, /* listed; further ones are counted */
    PUBLISH_CALLS_MAX = 4,    /* sets being received at once */
    PUBLISH_QUEUE_MAX = 4,    /* sets waiting to be checked */

    /* Wire. */
    MESSAGE_BYTES_MAX = 4 << 20,
    STREAM_OUTBOX_MESSAGES_MAX = 1024,
    STREAM_OUTBOX_BYTES_MAX = 64 << 20,
    RPC_CALLS_MAX = 20000,     /* open at a server, unless its options say otherwise */
    RPC_ACCEPTS = 64,          /* calls that a server asks gRPC for in advance */
    RPC_TRAILERS_MAX = 4,      /* per call */
    RPC_BURST_MESSAGES = 256,  /* a waiting sender lets the outbox drain after so many */
    RPC_BURST_BYTES = 8 << 20, /* or so many bytes */
    RPC_KEEPALIVE_MS = 10000,  /* a silent connection is pinged */
    RPC_KEEPALIVE_TIMEOUT_MS = 5000,
    RPC_PING_INTERVAL_MIN_MS = 5000, /* pings that a server puts up with */
    RPC_CONNECT_TIMEOUT_MS = 5000,
    RPC_HANDSHAKE_TIMEOUT_MS = 20000,
    RPC_BACKOFF_FIRST_MS = 200,
    RPC_BACKOFF_MAX_MS = 2000,
    RPC_RESOLVE_INTERVAL_MS = 2000, /* a name is looked up at most this often */
    RPC_TLS_LOOK_MS = 1000,         /* certificate files are looked at at most this often */
    PEM_BYTES_MAX = 1 << 20,
    TENANTS_PER_MESSAGE_MAX = 500,
    WARNINGS_PER_TASK_MAX = 1000,
    HISTORY_ENTRIES_MAX = 1000,
    STREAM_REFILL_BYTES = 1 << 20, /* long streams wait while more than this is unsent */
    ANSWER_BYTES_MAX = 3 << 20,    /* lists in one message are cut here, well below a message */
    WATCH_INTERVAL_MS = 200,       /* a watcher gets a rollout at most this often */
    TENANTS_PER_SHARD_MAX = 100000,
    SHARDS_MAX = 10000,
    ROLLOUTS_KEPT_MAX = 1000,
    EVENTS_KEPT_MAX = 1000,
    ERRORS_PER_REPORT_DEFAULT = 1000,
    FAILURES_KEPT_MAX = 20000, /* per rollout; further ones are counted only */

    /* Store: etcd's own limits with a little room. */
    STORE_TXN_OPS_MAX = 128,
    STORE_TXN_BYTES_MAX = 1 << 20,
    STORE_VALUE_BYTES_MAX = 1 << 20,
    STORE_PAGE_KEYS = 1000,

    /* Sessions and leadership. */
    LEADER_LEASE_TTL_MS = 10000,
    SESSION_LEASE_TTL_MS = 15000,
    HEARTBEAT_INTERVAL_MS = 3000,
    TASK_WINDOW = 64, /* tasks whose locks are taken in one transaction */
    TASKS_IN_FLIGHT_PER_AGENT_MAX = 256,
    FLUSH_INTERVAL_MS = 100, /* progress is written at most this often */
    MAILBOX_EVENTS_MAX = 16384,
    EVENT_BATCH_MAX = 256,
    AGENT_WORKERS_MAX = 64,
    TENANT_HOLD_TTL_MAX_MS = 24 * 3600 * 1000,

    /* The HTTP port for probes and metrics. */
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_BACKLOG = 64,
    HTTP_TIMEOUT_SECONDS = 10,
    HTTP_CONNECTION_BYTES_MAX = 16 << 10,
    METRICS_TEXT_BYTES_MAX = 8 << 20,
};

static_assert(MESSAGE_BYTES_MAX <= STREAM_OUTBOX_BYTES_MAX, "an empty outbox takes any message");
static_assert(RPC_BURST_MESSAGES < STREAM_OUTBOX_MESSAGES_MAX, "a burst fits in an outbox");
static_assert(RPC_BURST_BYTES + MESSAGE_BYTES_MAX < STREAM_OUTBOX_BYTES_MAX,
              "a burst fits in an outbox");
static_assert(RPC_PING_INTERVAL_MIN_MS < RPC_KEEPALIVE_MS, "keepalive is no flood of pings");
static_assert(RPC_KEEPALIVE_MS + RPC_KEEPALIVE_TIMEOUT_MS <= SESSION_LEASE_TTL_MS,
              "a dead connection is noticed before its session ends");
static_assert(TASK_WINDOW + 8 <= STORE_TXN_OPS_MAX, "a window's locks fit in one transaction");
static_assert(3 * HEARTBEAT_INTERVAL_MS < SESSION_LEASE_TTL_MS,
              "two lost heartbeats are not an outage");
static_assert(SET_CHUNK_BYTES <= STORE_VALUE_BYTES_MAX, "a chunk fits in one value");

#endif
