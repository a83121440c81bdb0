#include "common/pg/pg_conn.h"

#include <assert.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/pg/pg_libpq.h"
#include "common/pg/pg_wait.h"

enum { PG_PARAMETERS_MAX = 32 };

/* Bounds for a peer that is silent; the user's own settings win. */
static const struct {
    const char *keyword;
    const char *value;
    const char *environment; /* "" for none */
} pg_conn_defaults[] = {
    { "connect_timeout", "10", "PGCONNECT_TIMEOUT" },
    { "keepalives_idle", "20", "" },
    { "keepalives_interval", "5", "" },
    { "keepalives_count", "4", "" },
    { "tcp_user_timeout", "40000", "" },
};

/* What a server says when it refuses a connection: libpq has no SQLSTATE there. */
static const struct {
    const char *words;
    enum err_code code;
} pg_conn_refusals[] = {
    { "too many", ERR_LIMIT },
    { "remaining connection slots", ERR_LIMIT },
    { "authentication failed", ERR_REFUSED },
    { "no pg_hba.conf entry", ERR_REFUSED },
    { "pg_hba.conf rejects", ERR_REFUSED },
    { "no password supplied", ERR_REFUSED },
    { "is not permitted to log in", ERR_REFUSED },
    { "role \"", ERR_REFUSED },
    { "permission denied for database", ERR_REFUSED },
    { "not currently accepting connections", ERR_REFUSED },
    { "the database system is", ERR_UNAVAILABLE },
    { "Is the server running", ERR_UNAVAILABLE },
    { "timeout expired", ERR_UNAVAILABLE },
    { "server closed the connection", ERR_UNAVAILABLE },
    { "could not translate host name", ERR_UNAVAILABLE },
    { "administrator command", ERR_UNAVAILABLE },
};

/* Keeps warnings for the report; notices are for people at a prompt. */
static void pg_conn_on_notice(void *context, const PGresult *result)
{
    struct pg_conn *conn = context;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (severity == NULL || strcmp(severity, "WARNING") != 0 ||
        conn->warning_count == WARNINGS_PER_TRY_MAX) {
        return;
    }
    struct pg_warning *warning = &conn->warnings[conn->warning_count++];
    warning->index = conn->answering;
    (void)snprintf(warning->sqlstate, sizeof(warning->sqlstate), "%s",
                   sqlstate == NULL ? "" : sqlstate);
    (void)snprintf(warning->message, sizeof(warning->message), "%s",
                   message == NULL ? "" : message);
}

static enum err_code pg_conn_code_of_sqlstate(const char *sqlstate)
{
    if (strncmp(sqlstate, "3D000", 5) == 0) {
        return ERR_NOT_FOUND;
    }
    if (strncmp(sqlstate, "28", 2) == 0 || strncmp(sqlstate, "42501", 5) == 0 ||
        strncmp(sqlstate, "55000", 5) == 0) {
        return ERR_REFUSED;
    }
    return strncmp(sqlstate, "53300", 5) == 0 ? ERR_LIMIT : ERR_UNAVAILABLE;
}

/* ERR_NONE when the words say nothing (a server that speaks another language). */
static enum err_code pg_conn_code_of_words(const char *message)
{
    const char *database = strstr(message, "database \"");

    if (database != NULL && strstr(database, "does not exist") != NULL) {
        return ERR_NOT_FOUND;
    }
    for (size_t i = 0; i < COUNT_OF(pg_conn_refusals); i++) {
        if (strstr(message, pg_conn_refusals[i].words) != NULL) {
            return pg_conn_refusals[i].code;
        }
    }
    return ERR_NONE;
}

/* In verbose form the message reads "...: SEVERITY:  SQLSTATE: words". */
static enum err_code pg_conn_code_of_verbose(const char *message)
{
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        size_t length = 0;

        while (length < 5 && isalnum((unsigned char)at[3 + length])) {
            length++;
        }
        if (length == 5 && at[8] == ':') {
            return pg_conn_code_of_sqlstate(at + 3);
        }
    }
    return ERR_UNAVAILABLE;
}

static bool pg_conn_is_set(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0) {
            return o->val != NULL && o->val[0] != '\0';
        }
    }
    return false;
}

/* The conninfo is never repeated in a message, not even in part: libpq's own words about a
 * malformed one may quote the password. */
static bool pg_conn_start(const char *conninfo, const char *database, const char *application,
                          PGconn **ret_pg, struct error *err)
{
    const char *keywords[PG_PARAMETERS_MAX + 1] = { 0 };
    const char *values[PG_PARAMETERS_MAX + 1] = { 0 };
    size_t count = 0;
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

    if (options == NULL) {
        return error_set(err, ERR_INVALID,
                         "the connection string is not what libpq understands: write "
                         "'host=... dbname=...' or 'postgresql://...'");
    }
    for (size_t i = 0; i < COUNT_OF(pg_conn_defaults); i++) {
        const char *variable = pg_conn_defaults[i].environment;

        if (!pg_conn_is_set(options, pg_conn_defaults[i].keyword) &&
            (variable[0] == '\0' || getenv(variable) == NULL)) {
            keywords[count] = pg_conn_defaults[i].keyword;
            values[count++] = pg_conn_defaults[i].value;
        }
    }
    PQconninfoFree(options);
    keywords[count] = "fallback_application_name";
    values[count++] = application;
    keywords[count] = "dbname"; /* the first is expanded, a second one is only a name */
    values[count++] = conninfo;
    if (database[0] != '\0') {
        keywords[count] = "dbname";
        values[count++] = database;
    }
    keywords[count] = "client_encoding";
    values[count++] = "UTF8";
    assert(count <= PG_PARAMETERS_MAX);
    *ret_pg = PQconnectdbParams(keywords, values, 1);
    return true;
}

static bool pg_conn_refused(PGconn *pg, const char *database, struct error *err)
{
    struct pg_error words;
    enum err_code code = pg_conn_code_of_words(PQerrorMessage(pg));

    pg_libpq_error(pg, NULL, &words);
    if (code == ERR_NONE) {
        /* Ask once more, for the SQLSTATE that a connecting client cannot get otherwise. */
        (void)PQsetErrorVerbosity(pg, PQERRORS_VERBOSE);
        PQreset(pg);
        code = PQstatus(pg) == CONNECTION_OK ? ERR_UNAVAILABLE
                                             : pg_conn_code_of_verbose(PQerrorMessage(pg));
    }
    (void)pg_libpq_error_set(&words, code, err);
    return database[0] == '\0' ? error_wrap(err, "connect to PostgreSQL")
                               : error_wrap(err, "connect to database '%s'", database);
}

bool pg_conn_open(const char *conninfo, const char *database, const char *application,
                  struct pg_conn **ret_conn, struct error *err)
{
    PGconn *pg = NULL;

    if (!pg_conn_start(conninfo, database, application, &pg, err)) {
        return false;
    }
    if (PQstatus(pg) != CONNECTION_OK) {
        (void)pg_conn_refused(pg, database, err);
        PQfinish(pg);
        return false;
    }
    struct pg_conn *conn = memory_alloc(sizeof(*conn));
    conn->pg = pg;
    conn->cancel = pg_cancel_new(PQgetCancel(pg));
    conn->conninfo = memory_strdup(conninfo);
    conn->patience_ms = PG_QUERY_MAX_MS;
    (void)PQsetNoticeReceiver(pg, pg_conn_on_notice, conn);
    conn->lost = PQsetnonblocking(pg, 1) != 0; /* every wait is ours, see pg_wait.h */
    *ret_conn = conn;
    return true;
}

void pg_conn_free(struct pg_conn **conn)
{
    if (*conn != NULL) {
        pg_cancel_free(&(*conn)->cancel);
        PQfinish((*conn)->pg);
        free((*conn)->conninfo);
        free(*conn);
        *conn = NULL;
    }
}

bool pg_conn_is_lost(const struct pg_conn *conn)
{
    return conn->lost || PQstatus(conn->pg) != CONNECTION_OK;
}

bool pg_conn_is_there(struct pg_conn *conn)
{
    struct pollfd socket = { .fd = PQsocket(conn->pg), .events = POLLIN };

    /* An idle connection has nothing to say but notices and its end, of which the last words come
     * first: the end itself is read by the call after. */
    if (!pg_conn_is_lost(conn) && poll(&socket, 1, 0) > 0) {
        conn->lost = PQconsumeInput(conn->pg) == 0;
    }
    return !pg_conn_is_lost(conn);
}

bool pg_conn_in_transaction(const struct pg_conn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);

    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

uint32_t pg_conn_backend_pid(const struct pg_conn *conn)
{
    return (uint32_t)PQbackendPID(conn->pg);
}

int pg_conn_server_version(const struct pg_conn *conn)
{
    return PQserverVersion(conn->pg);
}

void pg_conn_set_patience(struct pg_conn *conn, uint64_t milliseconds)
{
    conn->patience_ms = milliseconds;
}

void pg_conn_cancel(struct pg_conn *conn)
{
    pg_cancel_send(conn->cancel);
}

static bool pg_conn_take_result(struct pg_conn *conn, PGresult *pg, struct pg_result **ret_result,
                                struct pg_error *ret_pg_error, struct error *err)
{
    ExecStatusType status = PQresultStatus(pg);
    struct pg_error words;

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        *ret_result = pg_libpq_result(pg);
        return true;
    }
    if (pg == NULL) {
        pg_libpq_error_of_loss(conn, &words);
    } else {
        pg_libpq_error(conn->pg, pg, &words);
    }
    if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE && pg != NULL) {
        conn->lost = true; /* COPY: the connection waits for data that nobody has */
        PQclear(pg);
        return error_set(err, ERR_INVALID, "COPY from or to the client is not possible here");
    }
    PQclear(pg);
    if (ret_pg_error != NULL) {
        *ret_pg_error = words;
    }
    return pg_libpq_error_set(&words, pg_conn_is_lost(conn) ? ERR_UNCERTAIN : ERR_INVALID, err);
}

static bool pg_conn_check(const struct pg_conn *conn, struct pg_error *ret_pg_error,
                          struct error *err)
{
    if (!pg_conn_is_lost(conn)) {
        return true;
    }
    if (ret_pg_error != NULL) {
        memset(ret_pg_error, 0, sizeof(*ret_pg_error));
    }
    return error_set(err, ERR_UNAVAILABLE, "the connection to PostgreSQL is lost");
}

/* Until the next result is complete. False: the connection is lost. */
static bool pg_conn_await(struct pg_conn *conn)
{
    int writing = PQflush(conn->pg);

    while (writing > 0 || (writing == 0 && PQisBusy(conn->pg))) {
        bool readable = false;

        if (!pg_wait(conn, writing > 0, &readable) || (readable && !PQconsumeInput(conn->pg))) {
            return false;
        }
        if (writing > 0) {
            writing = PQflush(conn->pg);
        }
    }
    return writing == 0;
}

static bool pg_conn_is_copy(const PGresult *pg)
{
    ExecStatusType status = PQresultStatus(pg);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* As PQexec: the last result of what was sent, or the first failure; NULL when the connection was
 * lost before there was one. */
static PGresult *pg_conn_last_result(struct pg_conn *conn)
{
    PGresult *last = NULL;

    for (;;) {
        /* A connection that broke still has its last words to say, which takes no waiting. */
        bool there = pg_conn_await(conn) || conn->words[0] == '\0';
        PGresult *next = there ? PQgetResult(conn->pg) : NULL;

        if (next == NULL) {
            return last;
        }
        if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(next);
            continue;
        }
        PQclear(last);
        last = next;
        if (pg_conn_is_copy(last) || PQstatus(conn->pg) == CONNECTION_BAD) {
            return last;
        }
    }
}

bool pg_query(struct pg_conn *conn, const char *sql, const char *const *parameters,
              size_t parameter_count, struct pg_result **ret_result, struct pg_error *ret_pg_error,
              struct error *err)
{
    if (!pg_conn_check(conn, ret_pg_error, err)) {
        return false;
    }
    PGresult *pg = NULL;
    if (PQsendQueryParams(conn->pg, sql, (int)parameter_count, NULL, parameters, NULL, NULL, 0)) {
        pg = pg_conn_last_result(conn);
    }
    return pg_conn_take_result(conn, pg, ret_result, ret_pg_error, err);
}

bool pg_script(struct pg_conn *conn, const char *sql, struct pg_error *ret_pg_error,
               struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;

    if (!pg_conn_check(conn, ret_pg_error, err)) {
        return false;
    }
    PGresult *pg = PQsendQuery(conn->pg, sql) ? pg_conn_last_result(conn) : NULL;
    return pg_conn_take_result(conn, pg, &result, ret_pg_error, err);
}
