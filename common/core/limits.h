/* limits.h - every bound of skein, with its unit.
 *
 * Reaching a bound is ERR_LIMIT, a metric and a log line, never a silent truncation. */
#ifndef SKEIN_COMMON_CORE_LIMITS_H
#define SKEIN_COMMON_CORE_LIMITS_H

#include <assert.h>
#include <stdint.h>

enum {
    /* Names and texts, bytes without the terminating NUL. */
    NAME_BYTES_MAX = 128,          /* shard, set, tenant, rollout id, label key */
    REGISTER_STATEMENT_MS = 10000, /* a statement on the users' registry of tenants */
    REGISTER_REST_MS = 5000,       /* after one that has failed */
    TENANT_NAME_BYTES_MAX = 63,    /* of one that skein makes: what PostgreSQL does not cut off */
    TEXT_BYTES_MAX = 1024,         /* label value, reason, identity */
    ERROR_BYTES_MAX = 4096,        /* an error's message, detail, hint */
    SELECTOR_BYTES_MAX = 4096,
    LABELS_MAX = 64,
    VERSIONS_PER_TENANT_MAX = 64,

    /* Migration sets. */
    SCRIPT_BYTES_MAX = 4 << 20,
    SET_FILES_MAX = 40000,
    SET_BYTES_MAX = 64 << 20,         /* its files' contents */
    SET_ARCHIVE_BYTES_MAX = 88 << 20, /* the same with their paths and the framing */
    SET_CHUNK_BYTES = 512 << 10,
    STATEMENTS_PER_SCRIPT_MAX = 100000,
    TIMEOUT_MS_MAX = 0x7FFFFFFF,  /* what PostgreSQL's timeouts can hold */
    CONFIG_BYTES_MAX = 256 << 10, /* a YAML file */
    CONFIG_ENTRIES_MAX = 10000,
    LEDGER_TABLE_BYTES_MAX = 128, /* another tool's history table, as it is written */
    LEDGER_KEY_BYTES_MAX = 255,   /* what that tool calls one migration */
    LEDGER_ENTRY_BYTES_MAX = 64 << 10,
    LEDGER_ROWS_MAX = 20000,   /* of one tenant's history table */
    IMPORT_DEPTH_MAX = 16,     /* folders in folders */
    IMPORT_REMARKS_MAX = 1000, /* listed; further ones are counted */
    IMPORT_PLACEHOLDERS_MAX = 1000,
    LINT_FINDINGS_MAX = 1000,   /* listed; further ones are counted */
    SURVEY_OBJECTS_MAX = 50000, /* of one tenant's catalog, constraints and indexes included */
    LINT_NOTE_BYTES = 1 << 20,  /* work on less is a note, unless somebody has said otherwise */
    LINT_ERROR_BYTES = 1 << 30, /* on so much or more an error */
    SIZE_SMALL_BYTES = 1 << 20, /* of a table that is nobody's worry */
    SIZE_NAMES_MAX = 1000,      /* tables of a plan whose sizes are asked for */
    SIZE_TOLD_MAX = 256,        /* findings of rollouts whose last warning an agent remembers */
    SIZE_PLANS_MAX = 64,        /* what was found out about plans and catalogs, kept by an agent */
    SIZE_WARNINGS_MAX = 8,      /* of one tenant's dry run; further ones are counted in the last */

    /* What dry runs measure. */
    MEASURE_STATEMENTS_MAX = 5,       /* of a tenant: the worst are told */
    MEASURE_NAMES_MAX = 6,            /* locks, rewrites and scans of one statement that are told */
    MEASURE_LOOKS_MAX = 500,          /* statements of a task that are looked at one by one */
    MEASURE_LOCKS_MAX = 2000,         /* relations of a task whose locks are known by name */
    MEASURE_WARNINGS_MAX = 5,         /* of a tenant: where lint foresaw something else */
    MEASURE_LINT_BYTES_MAX = 8 << 20, /* a larger set is not read by lint for that */
    MEASURE_WORST_MAX = 10,           /* tenants of a rollout whose measures are kept */

    PUBLISH_CALLS_MAX = 4, /* sets being received at once */
    PUBLISH_QUEUE_MAX = 4, /* sets waiting to be checked */

    /* Batches: see agent/run/README.md. */
    BATCH_KEY_COLUMNS_MAX = 8,
    BATCH_ROWS_DEFAULT = 1000,     /* of the first chunk */
    BATCH_ROWS_MAX = 100000,       /* of any */
    BATCH_TARGET_DEFAULT_MS = 200, /* that a chunk should take */
    BATCH_TARGET_MAX_MS = 60 * 1000,
    BATCH_PAUSE_MAX_MS = 600 * 1000,
    BATCH_LAG_DEFAULT_MS = 10 * 1000, /* how far standbys may be behind */
    BATCH_LAG_LOOK_MS = 250,          /* how often that is looked at while they are */
    BATCH_LOCK_TRIES_MAX = 20,        /* of one chunk that does not get its locks, or no time */
    BATCH_INDEX_ROWS_MIN = 10000,     /* with fewer keys it does not matter that no index helps */

    /* States: streams of events folded into snapshots, see deploy/docs/states.md. */
    STATE_TEXT_BYTES_MAX = 512, /* a prefix; also what a stream may be called */
    STATE_INITIAL_BYTES_MAX = 64 << 10,
    STATE_WORKERS_DEFAULT = 4, /* streams folded at once: connections, or programs */
    STATE_WORKERS_MAX = 16,
    STATE_STREAMS_PER_WORKER = 16, /* fewer are not worth another connection */
    STATE_PAGE_DEFAULT = 500,      /* streams of one transaction */
    STATE_PAGE_MAX = 2000,
    STATE_EVENTS_DEFAULT = 100000,  /* of one stream */
    STATE_BYTES_DEFAULT = 16 << 20, /* of one stream's payloads */
    STATE_BYTES_MAX = 64 << 20,
    STATE_RESULT_BYTES_MAX = 1 << 20,  /* of a state */
    STATE_GROUP_BYTES_MAX = 64 << 20,  /* of the events that a worker reads at once */
    STATE_ANSWER_BYTES_MAX = 64 << 20, /* of what a program answers to them */
    STATE_NAMED_MAX = 6,               /* streams whose errors are told; further ones are counted */
    STATE_WORDS_BYTES_MAX = 300,       /* of what is told of each */
    STATE_NAME_PARTS_MAX = 2,          /* schema.table */

    /* Wire. */
    MESSAGE_BYTES_MAX = 4 << 20,
    STREAM_OUTBOX_MESSAGES_MAX = 1024,
    STREAM_OUTBOX_BYTES_MAX = 64 << 20,
    RPC_CALLS_MAX = 20000,     /* open at a server, unless its options say otherwise */
    RPC_ACCEPTS = 64,          /* calls that a server asks gRPC for in advance */
    RPC_TRAILERS_MAX = 4,      /* per call */
    RPC_BURST_MESSAGES = 256,  /* a waiting sender lets the outbox drain after so many */
    RPC_BURST_BYTES = 8 << 20, /* or so many bytes */
    RPC_KEEPALIVE_MS = 10000,  /* a silent connection is pinged, by a server */
    RPC_KEEPALIVE_TIMEOUT_MS = 5000,
    RPC_CLIENT_KEEPALIVE_MS = 4000, /* the same by a client, so that it looks for another in time */
    RPC_CLIENT_KEEPALIVE_TIMEOUT_MS = 3000,
    RPC_PING_INTERVAL_MIN_MS = 2000, /* pings that a server puts up with */
    RPC_CONNECT_TIMEOUT_MS = 5000,
    RPC_HANDSHAKE_TIMEOUT_MS = 20000,
    RPC_BACKOFF_FIRST_MS = 200,
    RPC_BACKOFF_MAX_MS = 1000,
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
    FINGERPRINT_BYTES = 64 + 1, /* hex digits of SHA-256, and NUL */
    FINGERPRINT_LOCK_MS = 500,  /* for somebody who changes that very schema */
    FORECAST_REWRITE_BYTES_PER_S = 100
                                   << 20, /* of a table that is written anew, or an index built */
    FORECAST_READ_BYTES_PER_S = 400 << 20,
    CLASSES_SHOWN_MAX = 50,                /* of a dry run by classes, in its report */
    STALE_TRIES_MAX = 5,                   /* a schema that changes again after each dry run */
    FINGERPRINT_LINES_MAX = 10000,         /* objects of one tenant that are told apart */
    FINGERPRINT_LINE_BYTES_MAX = 200,      /* characters of each that are shown */
    FINGERPRINT_LINES_BYTES_MAX = 3 << 20, /* of all of them: they travel in one message */
    SCHEMAS_PER_CALL_MAX = 100,            /* tenants that an agent is asked about at once */
    SCHEMAS_WORK_MAX_MS = 4000, /* and how long it works on them: the rest is asked again */
    SHARDS_MAX = 10000,
    ROLLOUTS_KEPT_MAX = 1000,
    EVENTS_KEPT_MAX = 1000,
    ERRORS_PER_REPORT_DEFAULT = 1000,
    WARNINGS_STORED_MAX = 200, /* per rollout: those that survive a restart */
    FAILURES_KEPT_MAX = 20000, /* per rollout; further ones are counted only */

    /* Store: etcd's own limits with a little room. */
    STORE_TXN_OPS_MAX = 128,
    STORE_TXN_BYTES_MAX = 1280 << 10, /* keys and values; etcd takes 1,536 KiB with its framing */
    STORE_VALUE_BYTES_MAX = 1 << 20,
    STORE_KEY_BYTES_MAX = 1024,
    STORE_PAGE_KEYS = 1000,
    STORE_PAGE_BYTES_MAX = 16 << 20,      /* a page of large values holds fewer keys */
    STORE_REQUESTS_OPEN_MAX = 8192,       /* queued and in flight, of one store */
    STORE_REQUESTS_BYTES_MAX = 128 << 20, /* the same, their keys and values */
    STORE_HISTORY_REVISIONS = 10000,      /* SQLite: what a late watch can still see */
    STORE_GROUP_REQUESTS_MAX = 256,       /* SQLite: requests that share one commit */
    STORE_GROUP_BYTES_MAX = 4 << 20,
    STORE_LOCATION_BYTES_MAX = 4096,
    ETCD_ENDPOINTS_MAX = 16,
    ETCD_REQUESTS_IN_FLIGHT_MAX = 64,
    ETCD_ANSWER_BYTES_MAX = 32 << 20,     /* a larger page is asked for again in smaller ones */
    ETCD_WATCH_LINE_BYTES_MAX = 16 << 20, /* one fragment: two requests at most, in base64 */
    ETCD_WATCH_SILENCE_MS = 12000,        /* a watch that is silent for so long is renewed */
    ETCD_BACKOFF_MIN_MS = 100,
    ETCD_BACKOFF_MAX_MS = 2000,

    /* Sessions and leadership. */
    LEADER_LEASE_TTL_MS = 8000,
    FAILOVER_MS = 2000,           /* from the lease's end until the next leader has its agents */
    SESSION_LEASE_TTL_MS = 15000, /* what an agent may count on */
    SESSION_STORED_TTL_MS =
        60000,               /* its lease in the store, so that not each heartbeat goes there */
    SESSION_KEEP_MS = 30000, /* when so little of that is left, it is kept alive */
    HEARTBEAT_INTERVAL_MS = 3000,
    PROGRESS_SHOWN_MAX = 16, /* long operations that a heartbeat tells of, and a rollout's view */
    PROGRESS_BYTES_MAX = 512,
    RESULTS_WAIT_MS = 250, /* how long an agent gathers successes into one message */
    TASK_WINDOW = 64,      /* tasks whose locks are taken in one transaction */
    TASKS_IN_FLIGHT_PER_AGENT_MAX = 256,
    TASKS_IN_FLIGHT_MAX = 100000, /* of all agents, who share it when they are many */
    FLUSH_INTERVAL_MS = 100,      /* progress is written at most this often */
    FLUSH_BACKLOG_MAX = 400000,   /* effects that wait for the store; then leadership is given up */
    MAILBOX_EVENTS_MAX = 16384,
    MAILBOX_BYTES_MAX = 64 << 20, /* of events; then agents' streams are not read */
    EVENT_BATCH_MAX = 256,
    AGENT_WORKERS_MAX = 64,
    STOP_MARGIN_MS = 30000,     /* beyond its grace a program that stops needs no more than this */
    TASK_MARKS_MAX = 500,       /* scripts of one task whose durations are taken */
    TASK_ATTEMPTS_MAX = 5,      /* of one task, when its database breaks off */
    TASK_OUTAGE_MAX_MS = 30000, /* how long a task waits for its database to come back */
    TASK_FULL_MAX_MS = 600 * 1000,   /* the same for a database without a free connection */
    TASK_SETTLE_MAX_MS = 600 * 1000, /* the same for a commit whose outcome is not known */
    TASK_BACKOFF_MIN_MS = 50,
    TASK_BACKOFF_MAX_MS = 2000,
    WARNINGS_PER_TRY_MAX = 8, /* further ones of one try are dropped */
    WARNING_BYTES_MAX = 512,
    RUNNER_OUTPUT_BYTES_MAX = 16 << 10, /* kept of what an operation prints */
    CONTROL_QUEUE_MAX = 1024,      /* operations that wait for a control database at its agent */
    CONTROL_RESEND_MS = 5000,      /* an operation that nobody has answered is asked for again */
    CONTROL_OUTAGE_MAX_MS = 60000, /* how long a control database's agent is waited for */
    RUNNER_CANCEL_POLL_MS = 200,   /* a runner looks this often whether it is cancelled */
    LOOSE_DETACH_TRIES_MAX = 20,   /* to finish a DETACH PARTITION CONCURRENTLY */
    LOOSE_DETACH_PAUSE_MS = 500,
    REHEARSAL_INDEX_BYTES_MAX = 16 << 20, /* of a table: a dry run makes its index for a moment */
    CONNECTION_TASKS_MAX = 200,    /* then a new one, so that a backend's memory stays flat */
    CANCEL_REPEAT_MS = 200,        /* a cancel may fall between two statements and be lost */
    CANCEL_SETTLE_MS = 5000,       /* how long a cancelled task looks for an unknown outcome */
    COPY_DUMP_MAX_MS = 600 * 1000, /* pg_dump of a tenant's structure */
    COPY_BYTES_MAX = 64 << 20,     /* what it may come to */
    CLONE_FINDINGS_MAX = 64,       /* of one plan, that only a trial on a copy has shown */
    COPY_VERDICTS_MAX = 256,       /* what trials on copies have come to, kept by an agent */
    COPY_CLASSES_MAX = 64,         /* copies that an agent makes for one rollout's tenants */
    COPY_STATEMENT_MAX_MS = 60000, /* of one statement on an empty copy, made first */
    COPY_WAIT_MS = 5000,           /* who waits for a trial looks again then, if nobody wakes him */
    COPY_BUSY_PAUSE_MS = 500,      /* between tries to copy a tenant whose tables somebody holds */
    COPY_BUSY_TRIES_MAX = 3,       /* then the dry run goes on without */
    COPY_REFUSAL_MS = 5000,    /* what failed is believed so long: somebody may have mended it */
    COPY_NONE_MS = 60000,      /* so long no other copy is tried of what could not be copied */
    BARRIER_TASKS_MAX = 256,   /* commits that share one barrier */
    BARRIER_TASKS_ENOUGH = 32, /* so many do not wait for more */
    BARRIER_WAIT_MS = 50, /* how long the first waits for others, while some are still running */
    PG_PING_AFTER_MS = 10000,     /* a server that is silent for so long is asked if it is alive */
    PG_PING_TIMEOUT_MS = 5000,    /* and has so long to answer */
    PG_PING_AGAIN_MS = 2000,      /* after it did not */
    PG_PINGS_MAX = 2,             /* unanswered in a row: the connection is given up */
    PG_QUERY_MAX_MS = 120 * 1000, /* a query that is not a task's: silence beyond this */
    PG_STATEMENT_MARGIN_MS =
        30 * 1000,            /* beyond its statement_timeout a task's answer is overdue */
    PG_CANCEL_WAIT_MS = 1000, /* for a cancel request to be taken */
    TENANT_READERS_MAX = 4,   /* connections that read tenant databases at the same time */
    TENANT_HOLD_TTL_MAX_MS = 24 * 3600 * 1000,
    TENANT_HOLDS_MAX = 10000,       /* tenants that people and programs hold or wait for */
    LOCK_WAITERS_MAX = 256,         /* calls that wait until a tenant is free */
    LOCK_WAIT_MAX_MS = 3600 * 1000, /* how long such a call waits at most */
    LOCK_ID_BYTES = 27,             /* of a program's lock: 26 characters of base32 */
    HOLD_BEAT_INTERVAL_MS = 5000,   /* a program hears this often that it holds its tenant */
    HOLD_SILENCE_MAX_MS = 15000,    /* after so long a silence it has to attach again */
    HOLD_GRACE_MS = 30000,          /* how long a new leader waits for that */
    ROLLOUT_LOCKED_SHOWN_MAX = 32,  /* locked tenants that a rollout's view names */

    /* Programs and plugins that are operations of a set. */
    PROCESS_PATH_BYTES_MAX = 1024,
    PROCESS_ARGUMENTS_MAX = 256,
    PROCESS_VARIABLES_MAX = 128,
    PROCESS_ARGUMENT_BYTES_MAX = 32 << 10, /* the kernel takes 128 KiB */
    PROCESS_TIMEOUT_DEFAULT_MS = 600 * 1000,
    PROCESS_TICK_MS = 200,             /* how often it is looked whether it may go on */
    PROCESS_GRACE_MS = 5000,           /* from SIGTERM to SIGKILL */
    PROCESS_END_MAX_MS = 15000,        /* a helper that takes longer to end is killed */
    PROCESS_EXIT_MAX_MS = 2000,        /* the same for one that has said its last word */
    PROCESS_SWEEP_MAX_MS = 5000,       /* for the children of a program that has ended */
    PLUGIN_FRAME_BYTES_MAX = 1 << 20,  /* a statement, or an answer with its rows */
    PLUGIN_BUFFER_BYTES_MAX = 2 << 20, /* what is read of frames that have not come whole */
    PLUGIN_PARAMETERS_MAX = 32,

    /* Decisions. */
    TASK_TRIES_MAX = 5, /* of one task, where its code is worth another */
    TASK_RETRY_MIN_MS = 200,
    TASK_RETRY_MAX_MS = 10000,
    TASK_RESEND_GRACE_MS = 1000, /* a reconnected agent's results come before its tasks go again */
    LOCK_RECHECK_MS = 100,       /* how often a task looks whether its tenant is free */
    LOCK_WAIT_DEFAULT_MS = 10000,
    TASK_LOCK_TIMEOUT_DEFAULT_MS = 1000, /* of a task's statements, unless their script says so */
    TASK_LOCK_TIMEOUT_MAX_MS = 2000,
    DRY_RUN_LOCK_TIMEOUT_MS = 500, /* of a dry run's, at most */
    TENANT_HOLD_TTL_DEFAULT_MS = 3600 * 1000,
    DRY_RUN_YIELDS_MAX = 3,           /* times that a dry run may hold up the application */
    PATIENCE_DEFAULT_MS = 600 * 1000, /* how long a task is tried that does not get its locks */
    PATIENCE_MAX_MS = 24 * 3600 * 1000,
    PATIENCE_PAUSE_MIN_MS = 100, /* before the second try */
    PATIENCE_PAUSE_MAX_MS = 5000,
    PATIENCE_TRIES = 200,          /* about so many at most */
    WATCH_LOOK_MS = 100,           /* how often it is looked who waits for a task */
    WATCH_HEALTH_MS = 1000,        /* and how the server is */
    WATCH_STALE_MS = 3000,         /* an older look says nothing to a task that begins */
    WATCH_FIRST_MAX_MS = 1000,     /* how long a task waits for a look at most */
    WATCH_IDLE_MS = 2000,          /* without a task; then the watcher hangs up */
    WATCH_PATIENCE_MS = 5000,      /* for an answer */
    WATCH_CONNECT_PAUSE_MS = 2000, /* after a connection that failed */
    WATCH_KEY_BYTES = 48,          /* what stands for a transaction */
    WATCH_KEYS_BYTES_MAX = 32 << 10,
    WATCH_PHASE_BYTES = 64,   /* what the server says that it is doing */
    WATCH_OLD_MAX = 200,      /* tenants whose tables old transactions hold */
    WATCH_SHORT_TRY_MS = 150, /* lock_timeout of a try there: the watcher looks once at least */
    WATCH_MODES_BYTES_MAX = 256 << 10,
    LOCK_PLAN_MAX = 1000,       /* relations that a plan locks; with more it may be any */
    WATCH_WAITS_MAX = 200,      /* who waits for whom, of one look */
    WORKER_PACE_STEP_MS = 1000, /* how often the number of workers that may work changes */
    GRANT_RETRY_MS = 1000,      /* after the store refused a lease */
    LEASE_ANSWER_MAX_MS = 6000, /* a keep-alive not answered by then was not answered at all */
    HISTORY_ANSWER_MAX_MS = 10000,
    ROLLOUT_STATE_INTERVAL_MS = 1000, /* counters of a rollout are written at most this often */
    RATE_SECONDS = 10,
    RATE_SECONDS_MIN = 3, /* before that, and before so many tasks, no time left is named */
    RATE_TASKS_MIN = 5,
    STANDBYS_PER_SHARD_MAX = 16,
    HISTORY_CALLS_MAX = 1024,

    /* The HTTP port for probes and metrics. */
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_BACKLOG = 64,
    HTTP_TIMEOUT_SECONDS = 10,
    HTTP_CONNECTION_BYTES_MAX = 16 << 10,
    METRICS_TEXT_BYTES_MAX = 8 << 20,
};

static_assert(MESSAGE_BYTES_MAX <= STREAM_OUTBOX_BYTES_MAX, "an empty outbox takes any message");
static_assert(4 * MESSAGE_BYTES_MAX <= MAILBOX_BYTES_MAX, "one agent cannot fill the mailbox");
static_assert(RPC_BURST_MESSAGES < STREAM_OUTBOX_MESSAGES_MAX, "a burst fits in an outbox");
static_assert(RPC_BURST_BYTES + MESSAGE_BYTES_MAX < STREAM_OUTBOX_BYTES_MAX,
              "a burst fits in an outbox");
static_assert(2 * RPC_PING_INTERVAL_MIN_MS <= RPC_CLIENT_KEEPALIVE_MS,
              "keepalive is no flood of pings");
static_assert(RPC_KEEPALIVE_MS + RPC_KEEPALIVE_TIMEOUT_MS <= SESSION_LEASE_TTL_MS,
              "a dead connection is noticed before its session ends");
/* Fencing tokens stay far from where adding to them could overflow. */
#define TOKEN_MAX (UINT64_C(1) << 62)

static_assert(TASK_WINDOW + 8 <= STORE_TXN_OPS_MAX, "a window's locks fit in one transaction");
static_assert(3 * TASKS_IN_FLIGHT_MAX + FAILURES_KEPT_MAX + 4 * SHARDS_MAX <= FLUSH_BACKLOG_MAX,
              "all locks that end, those that follow and their messages can wait for the store");
static_assert(TASKS_IN_FLIGHT_MAX / SHARDS_MAX >= 2, "everyone's share is worth a window");
static_assert(LEADER_LEASE_TTL_MS < HOLD_SILENCE_MAX_MS,
              "a leader that is cut off from the store tells its programs before they wonder");
static_assert(2 * HOLD_SILENCE_MAX_MS <= HOLD_GRACE_MS,
              "a program that notices a fail-over by the silence has time to attach again");
static_assert(3 * HEARTBEAT_INTERVAL_MS < SESSION_LEASE_TTL_MS,
              "two lost heartbeats are not an outage");
/* The last heartbeat that the old leader acknowledged may be an interval old. */
static_assert(HEARTBEAT_INTERVAL_MS + LEADER_LEASE_TTL_MS + FAILOVER_MS < SESSION_LEASE_TTL_MS,
              "agents' leases outlive a fail-over, so what runs goes on");
static_assert(SESSION_LEASE_TTL_MS + LEADER_LEASE_TTL_MS + HEARTBEAT_INTERVAL_MS < SESSION_KEEP_MS,
              "a leader that cannot keep a lease is deposed before an agent would notice");
static_assert(SESSION_KEEP_MS < SESSION_STORED_TTL_MS, "keeping a lease alive lasts for a while");
static_assert(SET_CHUNK_BYTES <= STORE_VALUE_BYTES_MAX, "a chunk fits in one value");
static_assert(SET_BYTES_MAX + SET_FILES_MAX * (2 * 256 + 24) <= SET_ARCHIVE_BYTES_MAX,
              "a set at its limits fits in an archive: two names of a path, and the framing");
static_assert(STORE_VALUE_BYTES_MAX + STORE_TXN_OPS_MAX * STORE_KEY_BYTES_MAX <=
                  STORE_TXN_BYTES_MAX,
              "a value of full size fits in a transaction, keys and compares included");
static_assert((int)STATE_BYTES_MAX <= (int)STATE_GROUP_BYTES_MAX, "a worker can read any stream");
static_assert(STATE_NAMED_MAX + 1 < WARNINGS_PER_TRY_MAX,
              "what is told of streams fits in a report");
static_assert(PROCESS_GRACE_MS + PROCESS_SWEEP_MAX_MS < PROCESS_END_MAX_MS,
              "a helper ends its program before it is killed itself");
static_assert(2 * STORE_PAGE_BYTES_MAX <= ETCD_ANSWER_BYTES_MAX, "a page fits in one answer");

#endif
