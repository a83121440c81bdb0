/* helper_context.h - what a plugin's functions are given: the inside of skein_migration.h's
 * context.
 *
 * In a helper process only, on its one thread. */
#ifndef SKEIN_AGENT_HELPER_HELPER_CONTEXT_H
#define SKEIN_AGENT_HELPER_HELPER_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/helper/skein_migration.h"
#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/limits.h"

/* The words of a helper that loads an object: its path, the tenant, from, target, the mode, and
 * then the author's arguments. */
enum { HELPER_CONTEXT_WORDS = 5 };

struct skein_context {
    const char *tenant;
    const char *from;
    const char *target;
    bool dry_run;
    char *const *arguments;
    size_t argument_count;
    bool gone;   /* the agent, or there was none to talk to: nothing is sent */
    bool failed; /* a statement has: the transaction is over */
    bool has_reason;
    char reason[ERROR_BYTES_MAX];
    struct arena rows; /* the values and where they stand */
    const char **values;
    size_t row_count;
    size_t column_count;
    struct buf out;
    struct buf in;
    size_t used;
    struct buf state; /* of a fold: the answer, while the function runs */
    bool has_state;
};

/* False: they are too few. */
bool helper_context_read(struct skein_context *context, int word_count, char *words[]);
void helper_context_release(struct skein_context *context);

/* Keeps the first reason. */
void helper_context_keep_reason(struct skein_context *context, const char *reason);

/* The object's symbol; NULL: the reason is kept. The object is never closed: it lives as long as
 * this process. */
const void *helper_context_load(struct skein_context *context, const char *path,
                                const char *symbol);
/* Keeps the reason, and returns false, unless the object is made for this header. */
bool helper_context_check(struct skein_context *context, unsigned abi, bool complete,
                          const char *lacking);

#endif
