/* skein_migration.h - the interface of migrations written as shared objects, version 1.
 *
 * Everything that the author of such a migration may use. An object exports one symbol,
 * `skein_migration`; a process of its own, beside the agent, loads it for each operation and
 * tenant, and calls its functions on one thread. What they send with skein_exec and skein_query
 * runs in one transaction of the tenant: apply and then verify, or rollback. When all of them
 * return 0 it is committed (in a dry run: rolled back); when one fails, crashes or takes too long
 * nothing remains.
 *
 *   cc -shared -fPIC -I/usr/include/skein -o sum.so sum.c */
#ifndef SKEIN_MIGRATION_H
#define SKEIN_MIGRATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKEIN_MIGRATION_ABI 1
#define SKEIN_API __attribute__((visibility("default")))

struct skein_context;

/* Each function returns 0, or -1 for failure: then the transaction is rolled back, and the reason
 * that skein_fail, or else the first failed skein_exec or skein_query, has left in the context
 * reaches the operator. A statement that has failed ends the transaction: a function that returns 0
 * after that has failed all the same. */
struct skein_migration {
    uint32_t abi;     /* SKEIN_MIGRATION_ABI */
    const char *name; /* for reports */
    int (*apply)(struct skein_context *context);
    int (*verify)(struct skein_context *context);   /* NULL: nothing to verify */
    int (*rollback)(struct skein_context *context); /* NULL: cannot be rolled back */
};

/* The one symbol that skein looks up. */
extern SKEIN_API const struct skein_migration skein_migration;

/* The tenant's name and the versions, valid while the function runs: "t_17", "0.3.0", "1.0.0". The
 * tenant comes from nowhere ("") when it has no version yet. */
SKEIN_API const char *skein_tenant(const struct skein_context *context);
SKEIN_API const char *skein_from(const struct skein_context *context);
SKEIN_API const char *skein_target(const struct skein_context *context);
/* Not 0 in a dry run: what is sent runs, and is rolled back. */
SKEIN_API int skein_is_dry_run(const struct skein_context *context);
/* Those of the .plugin.yaml. NULL for an index that is not there. */
SKEIN_API size_t skein_argument_count(const struct skein_context *context);
SKEIN_API const char *skein_argument(const struct skein_context *context, size_t index);

/* Runs one statement in the tenant's transaction. 0, or -1 with the server's reason kept. COMMIT
 * and the like are refused. At most 1 MiB. */
SKEIN_API int skein_exec(struct skein_context *context, const char *sql);
/* The same with text parameters ($1, $2, ...; NULL is SQL's null; at most 32), and keeps the rows:
 * all of them together at most 1 MiB. They are valid until the next skein_exec or skein_query. */
SKEIN_API int skein_query(struct skein_context *context, const char *sql,
                          const char *const *parameters, size_t parameter_count);
SKEIN_API size_t skein_row_count(const struct skein_context *context);
SKEIN_API size_t skein_column_count(const struct skein_context *context);
/* As text; NULL for SQL's null, and where there is no such row or column. */
SKEIN_API const char *skein_value(const struct skein_context *context, size_t row, size_t column);

/* Keeps the reason (copied) and returns -1. */
SKEIN_API int skein_fail(struct skein_context *context, const char *reason);
/* Tells the operator how far the work is: `done` of `total`. */
SKEIN_API void skein_progress(struct skein_context *context, uint64_t done, uint64_t total);

/* ---- folding streams of events: an `object:` of a .state.yaml ---- */

/* Such an object exports another symbol, `skein_fold`. It has no database: skein_exec and
 * skein_query fail. It is called for one stream after the other, in a process that may be ended and
 * begun anew at any stream. */
struct skein_fold {
    uint32_t abi; /* SKEIN_MIGRATION_ABI */
    /* `stream` is JSON: {"stream": ID, "events": [{"sequence": N, "type": T, "payload": JSON},
     * ...]}, the events in their order. 0 with the new state given to skein_set_state; 0 without:
     * the stream is skipped. -1: it has failed, with the reason that skein_fail has kept. */
    int (*fold)(struct skein_context *context, const char *stream);
};

/* The one symbol that skein looks up for it. */
extern SKEIN_API const struct skein_fold skein_fold;

/* The new state, as JSON (copied); at most 1 MiB. 0, or -1 when it is larger. */
SKEIN_API int skein_set_state(struct skein_context *context, const char *json);

#ifdef __cplusplus
}
#endif

#endif
