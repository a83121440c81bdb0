#include "agent/run/worker_link.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void worker_link_init(struct worker_link *link, const char *conninfo, const char *application)
{
    *link = (struct worker_link){ .conninfo = conninfo, .application = application };
    pthread_mutex_init(&link->mutex, NULL);
}

void worker_link_release(struct worker_link *link)
{
    worker_link_close(link);
    pthread_mutex_destroy(&link->mutex);
}

void worker_link_begin(struct worker_link *link, uint64_t serial)
{
    pthread_mutex_lock(&link->mutex);
    assert(link->serial == 0 && serial != 0);
    link->serial = serial;
    pthread_mutex_unlock(&link->mutex);
}

void worker_link_end(struct worker_link *link)
{
    pthread_mutex_lock(&link->mutex);
    link->serial = 0;
    bool tainted = link->tainted;
    pthread_mutex_unlock(&link->mutex);
    if (tainted) {
        worker_link_close(link);
    }
}

void worker_link_cancel(struct worker_link *link, uint64_t serial)
{
    /* The mutex is held while the request is on its way, so the worker cannot end the turn, nor
     * close the connection, before it has gone out. Once out, the server may still deliver it late:
     * the connection is tainted and not used for another turn. */
    pthread_mutex_lock(&link->mutex);
    if (link->serial == serial && link->conn != NULL) {
        link->tainted = true;
        pg_conn_cancel(link->conn);
    }
    if (link->serial == serial && link->beside != NULL) {
        pg_conn_cancel(link->beside);
    }
    pthread_mutex_unlock(&link->mutex);
}

void worker_link_beside(struct worker_link *link, struct pg_conn *conn)
{
    pthread_mutex_lock(&link->mutex);
    link->beside = conn;
    pthread_mutex_unlock(&link->mutex);
}

bool worker_link_backend(struct worker_link *link, uint64_t *ret_serial, uint32_t *ret_pid)
{
    pthread_mutex_lock(&link->mutex);
    bool at_work = link->serial != 0 && link->conn != NULL;
    if (at_work) {
        *ret_serial = link->serial;
        *ret_pid = pg_conn_backend_pid(link->conn);
    }
    pthread_mutex_unlock(&link->mutex);
    return at_work;
}

void worker_link_close(struct worker_link *link)
{
    pg_batch_free(&link->batch);
    pthread_mutex_lock(&link->mutex);
    pg_conn_free(&link->conn);
    link->tainted = false;
    pthread_mutex_unlock(&link->mutex);
}

bool worker_link_open(struct worker_link *link, const char *database, struct error *err)
{
    struct pg_conn *conn = NULL;

    if (link->conn != NULL && !pg_conn_is_lost(link->conn) &&
        strcmp(link->database, database) == 0 && link->tasks < CONNECTION_TASKS_MAX) {
        link->tasks++;
        return true;
    }
    worker_link_close(link);
    if (strlen(database) >= sizeof(link->database)) {
        return error_set(err, ERR_NOT_FOUND, "the name '%.40s...' is too long", database);
    }
    if (!pg_conn_open(link->conninfo, database, link->application, &conn, err)) {
        return false;
    }
    (void)snprintf(link->database, sizeof(link->database), "%s", database);
    link->tasks = 1;
    pthread_mutex_lock(&link->mutex);
    link->conn = conn;
    pthread_mutex_unlock(&link->mutex);
    link->batch = pg_batch_new(conn);
    return true;
}
