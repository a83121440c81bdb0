#include "common/store/sqlite_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/core/buf.h"
#include "common/core/memory.h"

enum {
    SQLITE_APPLICATION_ID = 0x536b6e53, /* "SknS" */
    SQLITE_SCHEMA_VERSION = 1,
    SQLITE_BUSY_TIMEOUT_MS = 2000, /* somebody looks at the file with another program */
    SQLITE_LOCK_TEXT_BYTES = 32,
    SQLITE_PATH_BYTES_MAX = 4096,
};

/* The unary plus keeps the planner from the other index. kv is now; history is what was replaced or
 * deleted, so that late watches and the pages of one range see what they should. AUTOINCREMENT
 * never gives a lease's number twice. */
static const char sqlite_schema[] =
    "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL,"
    " compacted INTEGER NOT NULL) STRICT;"
    "INSERT INTO meta VALUES (1, 1, 0);"
    "CREATE TABLE kv (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL,"
    " create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL)"
    " STRICT;"
    "CREATE INDEX kv_mod ON kv (mod_revision);"
    "CREATE INDEX kv_lease ON kv (lease) WHERE lease <> 0;"
    "CREATE TABLE history (key TEXT NOT NULL, value BLOB NOT NULL,"
    " create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL, lease INTEGER NOT NULL,"
    " end_revision INTEGER NOT NULL, deleted INTEGER NOT NULL) STRICT;"
    "CREATE INDEX history_key ON history (key);"
    "CREATE INDEX history_mod ON history (mod_revision);"
    "CREATE INDEX history_end ON history (end_revision);"
    "CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ms INTEGER NOT NULL) STRICT;";

#define SQL_KEEP                                                                                   \
    "INSERT INTO history SELECT key, value, create_revision, mod_revision, lease, ?1, ?2 FROM kv "

static const char *const sqlite_statements[SQL_STATEMENT_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_META_GET] = "SELECT revision, compacted FROM meta",
    [SQL_META_SET] = "UPDATE meta SET revision = ?1, compacted = ?2",
    [SQL_REVISIONS] = "SELECT create_revision, mod_revision FROM kv WHERE key = ?1",
    [SQL_KEEP_KEY] = SQL_KEEP "WHERE key = ?3",
    [SQL_KEEP_RANGE] = SQL_KEEP "WHERE key >= ?3 AND key < ?4",
    [SQL_KEEP_LEASED] = SQL_KEEP "WHERE lease = ?3 AND lease <> 0",
    [SQL_PUT] = "INSERT INTO kv VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (key) DO UPDATE SET"
                " value = excluded.value, mod_revision = excluded.mod_revision,"
                " lease = excluded.lease",
    [SQL_DELETE_KEY] = "DELETE FROM kv WHERE key = ?1",
    [SQL_DELETE_RANGE] = "DELETE FROM kv WHERE key >= ?1 AND key < ?2",
    [SQL_DELETE_LEASED] = "DELETE FROM kv WHERE lease = ?1 AND lease <> 0",
    [SQL_RANGE_NOW] = "SELECT key, value, create_revision, mod_revision, lease FROM kv"
                      " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    [SQL_RANGE_AT] =
        "SELECT key, value, create_revision, mod_revision, lease FROM kv"
        " WHERE key >= ?1 AND key < ?2 AND +mod_revision <= ?4"
        " UNION ALL SELECT key, value, create_revision, mod_revision, lease FROM history"
        " WHERE key >= ?1 AND key < ?2 AND +mod_revision <= ?4 AND +end_revision > ?4"
        " ORDER BY key LIMIT ?3",
    [SQL_EVENTS] =
        "SELECT key, value, create_revision, mod_revision AS revision, lease, 0 FROM kv"
        " WHERE mod_revision BETWEEN ?3 AND ?4 AND +key >= ?1 AND +key < ?2"
        " UNION ALL SELECT key, value, create_revision, mod_revision, lease, 0 FROM history"
        " WHERE mod_revision BETWEEN ?3 AND ?4 AND +key >= ?1 AND +key < ?2"
        " UNION ALL SELECT key, x'', 0, end_revision, 0, 1 FROM history"
        " WHERE end_revision BETWEEN ?3 AND ?4 AND deleted AND +key >= ?1 AND +key < ?2"
        " ORDER BY revision",
    [SQL_FORGET] = "DELETE FROM history WHERE end_revision < ?1",
    [SQL_LEASE_ADD] = "INSERT INTO lease (ttl_ms) VALUES (?1)",
    [SQL_LEASE_FIND] = "SELECT 1 FROM lease WHERE id = ?1",
    [SQL_LEASE_DELETE] = "DELETE FROM lease WHERE id = ?1",
    [SQL_LEASE_LIST] = "SELECT id, ttl_ms FROM lease ORDER BY id",
};

bool sqlite_file_fail(struct sqlite_file *file, const char *what, struct error *err)
{
    int code = sqlite3_extended_errcode(file->db);
    const char *message = sqlite3_errmsg(file->db);

    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, ERR_LIMIT,
                         "%s '%s': the disk is full; make room and it goes on by itself", what,
                         file->path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return error_set(err, ERR_INVALID,
                         "%s '%s': %s; restore the file from a backup or move it away", what,
                         file->path, message);
    default:
        return error_set(err, ERR_UNAVAILABLE, "%s '%s': %s (SQLite %d)", what, file->path, message,
                         code);
    }
}

/* ---- lock ---- */

static bool sqlite_file_lock_held(const char *path, int fd, struct error *err)
{
    char owner[SQLITE_LOCK_TEXT_BYTES] = "";
    ssize_t count = pread(fd, owner, sizeof(owner) - 1, 0);

    owner[count > 0 ? count : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    return error_set(err, ERR_CONFLICT,
                     "'%s' is in use by another coordinator (process %s); one file serves one "
                     "coordinator",
                     path, owner[0] == '\0' ? "unknown" : owner);
}

bool sqlite_file_lock(struct sqlite_file *file, const char *path, struct error *err)
{
    CLEANUP(buf_release) struct buf name = { .size_max = SQLITE_PATH_BYTES_MAX };

    file->lock_fd = -1;
    if (path[0] == '\0' || !buf_printf(&name, "%s.lock", path)) {
        return error_set(err, ERR_INVALID, "'%.200s' is no file name", path);
    }
    file->path = memory_strdup(path);
    /* The lock file stays when we go: removing it would let two processes lock two files. */
    int fd = open(buf_text(&name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT) {
        return error_set(err, ERR_INVALID, "the folder of '%s' does not exist", path);
    }
    if (fd < 0) {
        return error_set(err, ERR_INVALID, "'%s': %s", buf_text(&name), strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool held = errno == EWOULDBLOCK;
        int cause = errno;
        if (held) {
            sqlite_file_lock_held(path, fd, err);
        } else {
            error_set(err, ERR_INVALID, "lock '%s': %s", buf_text(&name), strerror(cause));
        }
        close(fd);
        return false;
    }
    file->lock_fd = fd;
    /* Who holds it is for people only, so a full disk does not matter here. */
    char text[SQLITE_LOCK_TEXT_BYTES];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        return true;
    }
    return true;
}

/* ---- schema ---- */

static bool sqlite_file_exec(struct sqlite_file *file, const char *sql, const char *what,
                             struct error *err)
{
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           sqlite_file_fail(file, what, err);
}

static bool sqlite_file_number(struct sqlite_file *file, const char *sql, int64_t *ret_number,
                               struct error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
    }
    bool ok = rc == SQLITE_ROW;
    if (ok) {
        *ret_number = sqlite3_column_int64(statement, 0);
    } else {
        sqlite_file_fail(file, "read", err);
    }
    sqlite3_finalize(statement);
    return ok;
}

static bool sqlite_file_check_schema(struct sqlite_file *file, struct error *err)
{
    int64_t application;
    int64_t version;
    int64_t tables;

    if (!sqlite_file_number(file, "PRAGMA application_id", &application, err) ||
        !sqlite_file_number(file, "PRAGMA user_version", &version, err) ||
        !sqlite_file_number(file, "SELECT count(*) FROM sqlite_schema", &tables, err)) {
        return false;
    }
    if (application == 0 && version == 0 && tables == 0) {
        char sql[sizeof(sqlite_schema) + 128];
        snprintf(sql, sizeof(sql),
                 "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
                 sqlite_schema, SQLITE_APPLICATION_ID, SQLITE_SCHEMA_VERSION);
        return sqlite_file_exec(file, sql, "create", err);
    }
    if (application != SQLITE_APPLICATION_ID) {
        return error_set(err, ERR_INVALID, "'%s' is a database of another program", file->path);
    }
    if (version != SQLITE_SCHEMA_VERSION) {
        return error_set(err, ERR_INVALID,
                         "'%s' has schema version %lld, this program knows %d; use a matching "
                         "version of skein",
                         file->path, (long long)version, SQLITE_SCHEMA_VERSION);
    }
    return true;
}

static bool sqlite_file_prepare(struct sqlite_file *file, struct error *err)
{
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v3(file->db, sqlite_statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &file->statements[i], NULL) != SQLITE_OK) {
            return sqlite_file_fail(file, "prepare", err);
        }
    }
    sqlite3_stmt *meta = sqlite_file_use(file, SQL_META_GET);
    bool found = sqlite3_step(meta) == SQLITE_ROW;
    if (found) {
        file->revision = sqlite3_column_int64(meta, 0);
        file->compacted = sqlite3_column_int64(meta, 1);
    }
    sqlite_file_reset(&meta);
    return found || error_set(err, ERR_INVALID,
                              "'%s' has lost its revision; restore the file from "
                              "a backup or move it away",
                              file->path);
}

bool sqlite_file_open(struct sqlite_file *file, struct error *err)
{
    if (file->db != NULL) {
        return true;
    }
    /* Made by us, so that only we can read it; SQLite gives its side files the same rights. */
    int fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set(err, ERR_INVALID, "'%s': %s", file->path, strerror(errno));
    }
    close(fd);
    if (sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        sqlite_file_fail(file, "open", err);
        sqlite_file_close(file);
        return false;
    }
    sqlite3_busy_timeout(file->db, SQLITE_BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(file->db, 1);
    /* FULL: in WAL mode each commit is on the disk before it is answered. */
    if (!sqlite_file_check_schema(file, err) ||
        !sqlite_file_exec(file,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                          "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                          "PRAGMA temp_store = MEMORY",
                          "set up", err) ||
        !sqlite_file_prepare(file, err)) {
        sqlite_file_close(file);
        return false;
    }
    return true;
}

void sqlite_file_close(struct sqlite_file *file)
{
    for (int i = 0; i < SQL_STATEMENT_COUNT; i++) {
        sqlite3_finalize(file->statements[i]);
        file->statements[i] = NULL;
    }
    sqlite3_close_v2(file->db);
    file->db = NULL;
}

void sqlite_file_release(struct sqlite_file *file)
{
    sqlite_file_close(file);
    if (file->lock_fd >= 0) {
        close(file->lock_fd);
    }
    free(file->path);
    *file = (struct sqlite_file){ .lock_fd = -1 };
}

/* ---- statements ---- */

sqlite3_stmt *sqlite_file_use(struct sqlite_file *file, enum sqlite_statement which)
{
    assert(file->db != NULL);
    return file->statements[which];
}

void sqlite_file_reset(sqlite3_stmt **statement)
{
    if (*statement != NULL) {
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
        *statement = NULL;
    }
}

bool sqlite_file_run(struct sqlite_file *file, sqlite3_stmt *statement, struct error *err)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE || sqlite_file_fail(file, "write", err);

    sqlite_file_reset(&statement);
    return ok;
}
