/* pg_libpq.h - what the files of this folder share: libpq's objects inside ours.
 *
 * Private to common/pg. */
#ifndef SKEIN_COMMON_PG_PG_LIBPQ_H
#define SKEIN_COMMON_PG_PG_LIBPQ_H

#include <libpq-fe.h>

#include "common/core/limits.h"
#include "common/pg/pg_batch.h"
#include "common/pg/pg_cancel.h"
#include "common/pg/pg_conn.h"

struct pg_conn {
    PGconn *pg;
    /* WARNINGs since pg_batch_run began, each with the index of the statement that is answered. */
    struct pg_warning warnings[WARNINGS_PER_TRY_MAX];
    size_t warning_count;
    size_t answering;
    struct pg_cancel *cancel; /* a copy of where to send a cancel: usable while `pg` is busy */
    char *conninfo;           /* to ask whether the server is alive */
    uint64_t patience_ms;     /* silence that is borne from a server that is alive; 0: any */
    char words[160];          /* why we gave it up; "" if we did not */
    bool lost;                /* sticky: libpq's status, or a protocol state that we do not leave */
};

struct pg_result {
    PGresult *pg;
};

/* Wraps; never NULL. */
struct pg_result *pg_libpq_result(PGresult *pg);
/* Copies the server's (or libpq's own) words; `pg` NULL takes the connection's. */
void pg_libpq_error(const PGconn *conn, const PGresult *pg, struct pg_error *ret_error);
/* Why a connection was lost: our own words where we gave it up. */
void pg_libpq_error_of_loss(const struct pg_conn *conn, struct pg_error *ret_error);
/* The same as one sentence in `err`: "message (SQLSTATE 42P01)". Returns false. */
bool pg_libpq_error_set(const struct pg_error *pg_error, enum err_code code, struct error *err);

#endif
