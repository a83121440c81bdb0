/* worker_link.h - a worker's connection, and the way to interrupt what runs on it.
 *
 * Owned by the worker's thread; worker_link_cancel alone is for the canceller's. */
#ifndef SKEIN_AGENT_RUN_WORKER_LINK_H
#define SKEIN_AGENT_RUN_WORKER_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/limits.h"
#include "common/pg/pg_batch.h"
#include "common/pg/pg_conn.h"

struct worker_link {
    const char *conninfo;
    const char *application;
    pthread_mutex_t mutex;  /* guards `conn` and `beside` being there, `serial`, `tainted` */
    struct pg_conn *conn;   /* NULL: none */
    struct pg_conn *beside; /* of a copy that is worked on meanwhile; NULL: none */
    struct pg_batch *batch; /* of `conn` */
    uint64_t serial;        /* whose turn it is; 0: nobody's */
    bool tainted;           /* a cancel was sent: it may still arrive, so not for the next turn */
    char database[NAME_BYTES_MAX + 1];
    uint32_t tasks; /* that the connection has served */
};

void worker_link_init(struct worker_link *link, const char *conninfo, const char *application);
void worker_link_release(struct worker_link *link);

/* Between these two a cancel with this serial reaches the connection. */
void worker_link_begin(struct worker_link *link, uint64_t serial);
void worker_link_end(struct worker_link *link);
void worker_link_cancel(struct worker_link *link, uint64_t serial);
/* A cancel reaches this connection of the caller's, too, until the same is said with NULL. */
void worker_link_beside(struct worker_link *link, struct pg_conn *conn);
/* Whose turn it is and on which server process. False: nobody's, or there is no connection. Any
 * thread. */
bool worker_link_backend(struct worker_link *link, uint64_t *ret_serial, uint32_t *ret_pid);

/* A usable connection to `database` ("": conninfo's): the one at hand, or a new one. Errors as
 * pg_conn_open. */
MUST_CHECK bool worker_link_open(struct worker_link *link, const char *database, struct error *err);
void worker_link_close(struct worker_link *link);

#endif
