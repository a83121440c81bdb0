/* pg_batch.h - many statements in one round trip (libpq's pipeline mode).
 *
 * Used by the thread that owns the connection. Statements are sent in segments; a segment ends with
 * a sync. After an error the rest of its segment is not executed; the next segment is. */
#ifndef SKEIN_COMMON_PG_PG_BATCH_H
#define SKEIN_COMMON_PG_PG_BATCH_H

#include "common/core/limits.h"
#include "common/pg/pg_conn.h"

struct pg_batch;

struct pg_batch *pg_batch_new(struct pg_conn *conn);
void pg_batch_free(struct pg_batch **batch);

/* `sql` and the parameters must live until pg_batch_run returns. `tag` comes back with errors. */
void pg_batch_add(struct pg_batch *batch, const char *sql, const char *const *parameters,
                  size_t parameter_count, size_t tag);
void pg_batch_end_segment(struct pg_batch *batch);

/* How one statement went. */
enum pg_step { PG_STEP_DONE, PG_STEP_FAILED, PG_STEP_NOT_RUN, PG_STEP_UNKNOWN };

struct pg_batch_item {
    enum pg_step step;
    size_t tag;
    struct pg_result *result; /* DONE only; owned by the batch */
};

/* What a statement said with RAISE WARNING, or the server of it; cut to fit. */
struct pg_warning {
    size_t index; /* of the statement, in the order of pg_batch_add */
    char sqlstate[6];
    char message[WARNING_BYTES_MAX];
};

struct pg_batch_report {
    const struct pg_batch_item *items; /* in the order of pg_batch_add */
    size_t count;
    bool failed;         /* some statement failed */
    size_t failed_index; /* the first of them */
    struct pg_error error;
    const struct pg_warning *warnings; /* the first WARNINGS_PER_TRY_MAX */
    size_t warning_count;
    bool lost; /* the connection broke: items not answered are PG_STEP_UNKNOWN */
};

/* Sends everything, reads everything, in one round trip (reading while writing, so that large
 * batches cannot dead-lock). The report lives as long as the batch; the batch is empty afterwards
 * and may be filled again, which ends the report. */
void pg_batch_run(struct pg_batch *batch, const struct pg_batch_report **ret_report);

#endif
