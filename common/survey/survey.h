/* survey.h - a live database's catalog, as lint knows one, with the sizes of its tables.
 *
 * Used by the thread that owns the connection. What it holds is the survey's own. */
#ifndef SKEIN_COMMON_SURVEY_SURVEY_H
#define SKEIN_COMMON_SURVEY_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/lint/lint_run.h"
#include "common/pg/pg_conn.h"

enum { SURVEY_DIGEST_BYTES = 2 * 32 + 1 };

struct survey_object {
    const char *schema; /* "" for the one that names are looked up in first */
    const char *name;
    const char *text; /* a statement that would make it; "" where another one does */
    bool sized;       /* a table or an index */
    uint64_t bytes;
};

struct survey {
    struct arena arena;
    const char *home; /* the schema that was asked for; "" for a whole database */
    struct survey_object *objects;
    size_t count;
    char digest[SURVEY_DIGEST_BYTES]; /* of all texts: the structure without names of its own */
};
void survey_release(struct survey *survey);

/* What to look at, and how long a lock on one of its tables is waited for (to look at a table's
 * size takes ACCESS SHARE on it for a moment). */
struct survey_call {
    const char *schema; /* "" for the whole database */
    uint64_t lock_timeout_ms;
    /* The relations that matter, as lint names them: "table" in the schema, or "schema.table". Only
     * they are looked at, with what hangs together with them, and types. NULL: everything. */
    const char *const *names;
    size_t name_count;
};

/* One round trip, with no transaction open. ERR_LIMIT for more than SURVEY_OBJECTS_MAX objects;
 * otherwise as pg_query, with the server's words in `ret_pg_error`. */
MUST_CHECK bool survey_read(struct pg_conn *conn, const struct survey_call *call,
                            struct survey *ret_survey, struct pg_error *ret_pg_error,
                            struct error *err);

/* Makes it what was there before the run's first script. What lint cannot read of it is left out.
 */
void survey_load(const struct survey *survey, struct lint_run *run);

#endif
