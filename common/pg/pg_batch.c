#include "common/pg/pg_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/pg/pg_libpq.h"
#include "common/pg/pg_wait.h"

/* Handed to the kernel in pieces of about this size: one for a usual batch. */
enum { PG_BATCH_FLUSH_BYTES = 64 << 10 };

struct pg_batch_statement {
    const char *sql;
    const char *const *parameters;
    size_t parameter_count;
    bool ends_segment;
};

struct pg_batch {
    struct pg_conn *conn;
    struct pg_batch_statement *statements;
    size_t statement_capacity;
    struct pg_batch_item *items;
    size_t item_capacity;
    size_t count;
    bool reported; /* the report is out: the next pg_batch_add begins anew */
    struct pg_batch_report report;
    /* While it runs. */
    size_t sent;     /* statements given to libpq */
    size_t answered; /* statements whose answer is complete */
    bool answering;  /* the result of statement `answered` was seen, its end was not */
    bool syncing;    /* all of a segment is answered, its sync is not */
};

struct pg_batch *pg_batch_new(struct pg_conn *conn)
{
    struct pg_batch *batch = memory_alloc(sizeof(*batch));

    batch->conn = conn;
    return batch;
}

static void pg_batch_clear(struct pg_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        pg_result_free(&batch->items[i].result);
    }
    batch->count = 0;
    batch->reported = false;
    memset(&batch->report, 0, sizeof(batch->report));
}

void pg_batch_free(struct pg_batch **batch)
{
    if (*batch != NULL) {
        pg_batch_clear(*batch);
        free((*batch)->statements);
        free((*batch)->items);
        free(*batch);
        *batch = NULL;
    }
}

void pg_batch_add(struct pg_batch *batch, const char *sql, const char *const *parameters,
                  size_t parameter_count, size_t tag)
{
    if (batch->reported) {
        pg_batch_clear(batch);
    }
    batch->statements = memory_reserve(batch->statements, batch->count, &batch->statement_capacity,
                                       sizeof(*batch->statements));
    batch->items =
        memory_reserve(batch->items, batch->count, &batch->item_capacity, sizeof(*batch->items));
    batch->statements[batch->count] = (struct pg_batch_statement){
        .sql = sql, .parameters = parameters, .parameter_count = parameter_count
    };
    batch->items[batch->count] = (struct pg_batch_item){ .step = PG_STEP_UNKNOWN, .tag = tag };
    batch->count++;
}

void pg_batch_end_segment(struct pg_batch *batch)
{
    if (!batch->reported && batch->count > 0) {
        batch->statements[batch->count - 1].ends_segment = true;
    }
}

static bool pg_batch_lose(struct pg_batch *batch)
{
    if (!batch->report.lost && !batch->report.failed) {
        pg_libpq_error_of_loss(batch->conn, &batch->report.error);
    }
    batch->report.lost = true;
    batch->conn->lost = true;
    return false;
}

/* Gives libpq what fits into one flush. False: the connection is lost. */
static bool pg_batch_send(struct pg_batch *batch)
{
    PGconn *pg = batch->conn->pg;
    size_t bytes = 0;

    while (batch->sent < batch->count && bytes < PG_BATCH_FLUSH_BYTES) {
        const struct pg_batch_statement *s = &batch->statements[batch->sent];

        if (!PQsendQueryParams(pg, s->sql, (int)s->parameter_count, NULL, s->parameters, NULL, NULL,
                               0)) {
            return pg_batch_lose(batch);
        }
        bytes += strlen(s->sql);
        batch->sent++;
        if (s->ends_segment && !PQpipelineSync(pg)) {
            return pg_batch_lose(batch);
        }
    }
    return true;
}

/* One result of libpq's; false: the connection is lost. */
static bool pg_batch_take(struct pg_batch *batch, PGresult *pg)
{
    struct pg_batch_item *item = &batch->items[batch->answered];

    switch ((int)PQresultStatus(pg)) {
    case PGRES_PIPELINE_SYNC:
        assert(batch->syncing);
        batch->syncing = false;
        PQclear(pg);
        return true;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        assert(!batch->answering);
        item->step = PG_STEP_DONE;
        item->result = pg_libpq_result(pg);
        break;
    case PGRES_PIPELINE_ABORTED:
        item->step = PG_STEP_NOT_RUN;
        PQclear(pg);
        break;
    case PGRES_FATAL_ERROR:
        /* An error without a SQLSTATE is libpq's own: what became of this statement and of those
         * behind it is not known. */
        if (PQresultErrorField(pg, PG_DIAG_SQLSTATE) == NULL) {
            PQclear(pg);
            return pg_batch_lose(batch);
        }
        item->step = PG_STEP_FAILED;
        if (!batch->report.failed) {
            batch->report.failed = true;
            batch->report.failed_index = batch->answered;
            pg_libpq_error(batch->conn->pg, pg, &batch->report.error);
        }
        PQclear(pg);
        break;
    default: /* COPY from or to the client, which a pipeline cannot do: nobody can go on here */
        PQclear(pg);
        return pg_batch_lose(batch);
    }
    batch->answering = true;
    return true;
}

/* Takes every answer that has arrived. False: the connection is lost. */
static bool pg_batch_collect(struct pg_batch *batch)
{
    PGconn *pg = batch->conn->pg;

    for (;;) {
        batch->conn->answering = batch->answered; /* whose warnings come now */
        if ((batch->answered == batch->sent && !batch->syncing) || PQisBusy(pg)) {
            break;
        }
        PGresult *result = PQgetResult(pg);

        if (result != NULL) {
            if (!pg_batch_take(batch, result)) {
                return false;
            }
        } else if (batch->answering) {
            batch->answering = false;
            batch->syncing = batch->statements[batch->answered].ends_segment;
            batch->answered++;
        } else if (PQstatus(pg) != CONNECTION_OK) {
            return pg_batch_lose(batch);
        } else {
            break; /* an empty end between two statements */
        }
    }
    return true;
}

static bool pg_batch_wait(struct pg_batch *batch, bool writing)
{
    bool readable = false;

    if (!pg_wait(batch->conn, writing, &readable)) {
        return pg_batch_lose(batch);
    }
    if (readable && !PQconsumeInput(batch->conn->pg)) {
        /* What came before the end is still worth reading: it may hold the server's reason. */
        (void)pg_batch_collect(batch);
        return pg_batch_lose(batch);
    }
    return true;
}

/* Writes and reads in turns, so neither side can fill the other's buffers and stand still. */
static bool pg_batch_exchange(struct pg_batch *batch)
{
    PGconn *pg = batch->conn->pg;
    int writing = 0;

    while (batch->answered < batch->count || batch->syncing) {
        if (writing == 0 && batch->sent < batch->count && !pg_batch_send(batch)) {
            return false;
        }
        writing = PQflush(pg);
        if (writing < 0) {
            (void)pg_batch_collect(batch);
            return pg_batch_lose(batch);
        }
        if (!pg_batch_collect(batch)) {
            return false;
        }
        bool more_to_send = writing == 0 && batch->sent < batch->count;
        bool more_to_read = batch->answered < batch->count || batch->syncing;
        if (more_to_read && !more_to_send && !pg_batch_wait(batch, writing > 0)) {
            return false;
        }
    }
    return true;
}

void pg_batch_run(struct pg_batch *batch, const struct pg_batch_report **ret_report)
{
    PGconn *pg = batch->conn->pg;

    assert(!batch->reported && batch->count > 0);
    batch->statements[batch->count - 1].ends_segment = true;
    batch->conn->warning_count = 0;
    batch->conn->answering = 0;
    batch->sent = 0;
    batch->answered = 0;
    batch->answering = false;
    batch->syncing = false;
    if (pg_conn_is_lost(batch->conn) || !PQenterPipelineMode(pg)) {
        (void)pg_batch_lose(batch);
    } else if (pg_batch_exchange(batch) && !PQexitPipelineMode(pg)) {
        batch->conn->lost = true; /* every answer is in; only the connection is of no more use */
    }
    batch->reported = true;
    batch->report.items = batch->items;
    batch->report.count = batch->count;
    batch->report.warnings = batch->conn->warnings;
    batch->report.warning_count = batch->conn->warning_count;
    *ret_report = &batch->report;
}
