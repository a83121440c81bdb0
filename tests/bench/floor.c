/* floor.c - the least correct work: what skein is measured against.
 *
 * Bare libpq: K threads with one connection each take tenants from one list. A tenant is one
 * transaction (lock its row, every statement, history, version, commit), sent at once and answered
 * at once: one round trip. Nothing is planned, reported, fenced, watched or retried.
 *
 *   floor [--connections K] [--databases] [--simple] CONNINFO PATTERN SCRIPT...
 *
 * As a rollout does, it goes twice over all tenants on the same connections: first each transaction
 * ends with ROLLBACK, a dry run, then with COMMIT. PATTERN is LIKE's. --databases: a tenant is a
 * database, else a schema. --simple sends one string instead of a pipeline of statements. Scripts
 * have one statement per line. Prints the seconds of the dry run and of the run. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

enum {
    CONNECTIONS_MAX = 64,
    STATEMENTS_MAX = 4096,
    TENANTS_MAX = 100000,
    TEXT_BYTES = 1 << 20,
    SQL_BYTES = 4096,
};

struct floor {
    const char *conninfo;
    const char *pattern;
    bool rollback; /* this pass is a dry run */
    bool databases;
    bool simple;
    int connection_count;
    PGconn *connections[CONNECTIONS_MAX];
    atomic_int worker;     /* the next thread's number */
    char text[TEXT_BYTES]; /* the scripts; each statement is NUL-terminated in place */
    char *statements[STATEMENTS_MAX];
    int statement_count;
    int script_count;
    char *tenants[TENANTS_MAX];
    int tenant_count;
    atomic_int next;
    atomic_bool failed;
};

static double floor_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool floor_complain(struct floor *run, PGconn *conn, const char *what)
{
    fprintf(stderr, "floor: %s: %s", what, PQerrorMessage(conn));
    run->failed = true;
    return false;
}

static bool floor_read_script(struct floor *run, const char *path, size_t *used)
{
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        perror(path);
        return false;
    }
    size_t count = fread(run->text + *used, 1, sizeof(run->text) - *used - 1, file);
    fclose(file);
    run->text[*used + count] = '\0';
    char *rest = run->text + *used;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] != '\0' && strncmp(line, "--", 2) != 0) {
            assert(run->statement_count < STATEMENTS_MAX);
            run->statements[run->statement_count++] = line;
        }
    }
    *used += count + 1;
    run->script_count++;
    return true;
}

static bool floor_exec(struct floor *run, PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);

    PQclear(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
           floor_complain(run, conn, sql);
}

static const char floor_journal[] =
    "CREATE SCHEMA IF NOT EXISTS floor;"
    "CREATE TABLE IF NOT EXISTS floor.tenant (tenant text PRIMARY KEY, version text, fence bigint);"
    "CREATE TABLE IF NOT EXISTS floor.history (id bigserial PRIMARY KEY, tenant text, version text,"
    " script text, checksum bytea, started_at timestamptz DEFAULT now());";

static PGconn *floor_connect(struct floor *run, const char *database)
{
    const char *keys[] = { "dbname", "dbname", "application_name", NULL };
    const char *values[] = { run->conninfo, database, "floor", NULL };

    /* The first dbname is the whole conninfo; a second one replaces the name in it. */
    if (database == NULL) {
        keys[1] = "application_name";
        values[1] = "floor";
        keys[2] = NULL;
    }
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(conn) != CONNECTION_OK) {
        floor_complain(run, conn, "connect");
        PQfinish(conn);
        return NULL;
    }
    return conn;
}

static bool floor_list_tenants(struct floor *run, PGconn *conn)
{
    const char *values[] = { run->pattern };
    PGresult *rows = PQexecParams(
        conn,
        run->databases ? "SELECT datname FROM pg_database WHERE datname LIKE $1 ORDER BY 1"
                       : "SELECT nspname FROM pg_namespace WHERE nspname LIKE $1 ORDER BY 1",
        1, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(rows) != PGRES_TUPLES_OK) {
        PQclear(rows);
        return floor_complain(run, conn, "list tenants");
    }
    for (int i = 0; i < PQntuples(rows); i++) {
        assert(run->tenant_count < TENANTS_MAX);
        run->tenants[run->tenant_count++] = strdup(PQgetvalue(rows, i, 0));
    }
    PQclear(rows);
    return true;
}

/* The journal and its rows are there before the clock starts, as skein's are. */
static bool floor_prepare(struct floor *run)
{
    char sql[SQL_BYTES];
    PGconn *conn = floor_connect(run, NULL);
    bool ok = conn != NULL && floor_list_tenants(run, conn);

    if (ok && !run->databases) {
        snprintf(sql, sizeof(sql),
                 "INSERT INTO floor.tenant SELECT nspname FROM pg_namespace WHERE nspname LIKE '%s'"
                 " ON CONFLICT DO NOTHING",
                 run->pattern);
        ok = floor_exec(run, conn, "SET client_min_messages = warning") &&
             floor_exec(run, conn, floor_journal) && floor_exec(run, conn, sql);
    }
    PQfinish(conn);
    for (int i = 0; ok && run->databases && i < run->tenant_count; i++) {
        conn = floor_connect(run, run->tenants[i]);
        snprintf(sql, sizeof(sql), "INSERT INTO floor.tenant VALUES ('%s') ON CONFLICT DO NOTHING",
                 run->tenants[i]);
        ok = conn != NULL && floor_exec(run, conn, "SET client_min_messages = warning") &&
             floor_exec(run, conn, floor_journal) && floor_exec(run, conn, sql);
        PQfinish(conn);
    }
    return ok;
}

/* Everything around the scripts' statements, as text. */
struct floor_frame {
    char path[SQL_BYTES];
    char lock[SQL_BYTES];
    char history[SQL_BYTES];
    char version[SQL_BYTES];
};

static void floor_frame_fill(const struct floor *run, const char *tenant, struct floor_frame *frame)
{
    snprintf(frame->path, SQL_BYTES, "SET LOCAL search_path = \"%s\"",
             run->databases ? "public" : tenant);
    snprintf(frame->lock, SQL_BYTES,
             "SELECT version, fence FROM floor.tenant WHERE tenant = '%s' FOR UPDATE", tenant);
    snprintf(frame->history, SQL_BYTES,
             "INSERT INTO floor.history (tenant, version, script, checksum)"
             " SELECT '%s', n || '.0.0', 'script ' || n, sha256('') FROM generate_series(1, %d) n",
             tenant, run->script_count);
    snprintf(frame->version, SQL_BYTES,
             "UPDATE floor.tenant SET version = '%d.0.0', fence = 1 WHERE tenant = '%s'",
             run->script_count, tenant);
}

static bool floor_send(struct floor *run, PGconn *conn, const char *sql)
{
    return PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0) == 1 ||
           floor_complain(run, conn, "send");
}

/* Reads every answer up to the sync; false if one of them is an error. */
static bool floor_receive(struct floor *run, PGconn *conn)
{
    for (;;) {
        PGresult *result = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(result);

        if (result == NULL) {
            continue; /* between two statements */
        }
        if (status == PGRES_FATAL_ERROR || status == PGRES_PIPELINE_ABORTED) {
            floor_complain(run, conn, PQresultErrorMessage(result));
        }
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC || PQstatus(conn) != CONNECTION_OK) {
            return !run->failed;
        }
    }
}

static bool floor_pipeline(struct floor *run, PGconn *conn, const struct floor_frame *frame)
{
    bool ok = floor_send(run, conn, "BEGIN") && floor_send(run, conn, frame->path) &&
              floor_send(run, conn, frame->lock);

    for (int i = 0; ok && i < run->statement_count; i++) {
        ok = floor_send(run, conn, run->statements[i]);
    }
    ok = ok && floor_send(run, conn, frame->history) && floor_send(run, conn, frame->version) &&
         floor_send(run, conn, run->rollback ? "ROLLBACK" : "COMMIT");
    return ok && PQpipelineSync(conn) == 1 && floor_receive(run, conn);
}

static bool floor_simple(struct floor *run, PGconn *conn, const struct floor_frame *frame)
{
    char *sql = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&sql, &size);

    fprintf(out, "BEGIN;%s;%s;", frame->path, frame->lock);
    for (int i = 0; i < run->statement_count; i++) {
        fputs(run->statements[i], out);
    }
    fprintf(out, "%s;%s;%s", frame->history, frame->version, run->rollback ? "ROLLBACK" : "COMMIT");
    fclose(out);
    bool ok = floor_exec(run, conn, sql);
    free(sql);
    return ok;
}

static bool floor_tenant(struct floor *run, PGconn *conn, const char *tenant)
{
    struct floor_frame frame;

    floor_frame_fill(run, tenant, &frame);
    return run->simple ? floor_simple(run, conn, &frame) : floor_pipeline(run, conn, &frame);
}

/* Reuses the thread's connection of the pass before, unless each tenant needs its own. */
static PGconn *floor_reach(struct floor *run, PGconn **place, const char *tenant)
{
    if (*place == NULL || run->databases) {
        PQfinish(*place);
        *place = floor_connect(run, run->databases ? tenant : NULL);
        if (*place == NULL || (!run->simple && PQenterPipelineMode(*place) != 1)) {
            run->failed = true;
            return NULL;
        }
    }
    return *place;
}

static void *floor_work(void *arg)
{
    struct floor *run = arg;
    PGconn **place = &run->connections[run->worker++];

    for (int i = run->next++; i < run->tenant_count && !run->failed; i = run->next++) {
        PGconn *conn = floor_reach(run, place, run->tenants[i]);
        if (conn == NULL || !floor_tenant(run, conn, run->tenants[i])) {
            break;
        }
    }
    return NULL;
}

/* All tenants once; the seconds. */
static double floor_pass(struct floor *run, bool rollback)
{
    pthread_t threads[CONNECTIONS_MAX];
    double start = floor_now();

    run->rollback = rollback;
    run->next = 0;
    run->worker = 0;
    for (int i = 0; i < run->connection_count; i++) {
        pthread_create(&threads[i], NULL, floor_work, run);
    }
    for (int i = 0; i < run->connection_count; i++) {
        pthread_join(threads[i], NULL);
    }
    return floor_now() - start;
}

static void floor_release(struct floor *run)
{
    for (int i = 0; i < run->connection_count; i++) {
        PQfinish(run->connections[i]);
    }
    for (int i = 0; i < run->tenant_count; i++) {
        free(run->tenants[i]);
    }
    free(run);
}

static int floor_parse(struct floor *run, int argc, char *argv[])
{
    int at = 1;

    run->connection_count = 4;
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--databases") == 0) {
            run->databases = true;
        } else if (strcmp(argv[at], "--simple") == 0) {
            run->simple = true;
        } else if (strcmp(argv[at], "--connections") == 0 && at + 1 < argc) {
            run->connection_count = (int)strtol(argv[++at], NULL, 10);
        } else {
            return -1;
        }
    }
    if (argc - at < 3 || run->connection_count < 1 || run->connection_count > CONNECTIONS_MAX) {
        return -1;
    }
    run->conninfo = argv[at];
    run->pattern = argv[at + 1];
    return at + 2;
}

int main(int argc, char *argv[])
{
    struct floor *run = calloc(1, sizeof(*run));
    size_t used = 0;
    int at = run == NULL ? -1 : floor_parse(run, argc, argv);

    if (at < 0) {
        fprintf(stderr, "usage: floor [--connections K] [--databases] [--simple] "
                        "CONNINFO PATTERN SCRIPT...\n");
        free(run);
        return 2;
    }
    bool ok = true;
    for (; ok && at < argc; at++) {
        ok = floor_read_script(run, argv[at], &used);
    }
    if (ok && floor_prepare(run)) {
        double dry_run = floor_pass(run, true);
        double real_run = run->failed ? 0 : floor_pass(run, false);
        printf("%.3f %.3f\n", dry_run, real_run);
    }
    ok = ok && !run->failed;
    floor_release(run);
    return ok ? 0 : 1;
}
