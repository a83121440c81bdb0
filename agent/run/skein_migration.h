/* skein_migration.h - the interface of migrations written as shared objects, version 1.
 *
 * Everything that the author of such a migration may use. An object exports one symbol,
 * `skein_migration`; the helper process loads it and calls its functions inside the tenant's
 * transaction, on one thread. (Sets with operations of the kind `plugin` are refused by agents of
 * this release, which fixes the interface before it runs the first of them.) */
#ifndef SKEIN_MIGRATION_H
#define SKEIN_MIGRATION_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SKEIN_MIGRATION_ABI 1

struct skein_context;

/* Each function returns 0, or -1 for failure: then the transaction is rolled back, and the reason
 * that skein_exec or skein_fail has left in the context reaches the operator. */
struct skein_migration {
    uint32_t abi;     /* SKEIN_MIGRATION_ABI */
    const char *name; /* for reports */
    int (*apply)(struct skein_context *context);
    int (*verify)(struct skein_context *context);   /* NULL: nothing to verify */
    int (*rollback)(struct skein_context *context); /* NULL: cannot be rolled back */
};

/* The tenant's name, valid while the function runs. */
const char *skein_tenant(const struct skein_context *context);
/* Runs statements in the tenant's transaction. 0, or -1 with the server's reason kept. */
int skein_exec(struct skein_context *context, const char *sql);
/* Keeps the reason (copied) and returns -1. */
int skein_fail(struct skein_context *context, const char *reason);
/* Tells the operator how far the work is: `done` of `total`. */
void skein_progress(struct skein_context *context, uint64_t done, uint64_t total);

/* The one symbol that skein looks up. */
extern const struct skein_migration skein_migration;

#ifdef __cplusplus
}
#endif

#endif
