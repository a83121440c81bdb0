/* sqlite_file.h - the file of the embedded store: its lock, its schema, its prepared statements.
 *
 * Used on the store's thread only (opening: on the caller's, before the thread starts). */
#ifndef SKEIN_COMMON_STORE_SQLITE_FILE_H
#define SKEIN_COMMON_STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "common/core/error.h"

enum sqlite_statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_META_GET,
    SQL_META_SET,
    SQL_REVISIONS,
    SQL_KEEP_KEY, /* copies what is about to be replaced or deleted into the history */
    SQL_KEEP_RANGE,
    SQL_KEEP_LEASED,
    SQL_PUT,
    SQL_DELETE_KEY,
    SQL_DELETE_RANGE,
    SQL_DELETE_LEASED,
    SQL_RANGE_NOW,
    SQL_RANGE_AT,
    SQL_EVENTS,
    SQL_FORGET,
    SQL_LEASE_ADD,
    SQL_LEASE_FIND,
    SQL_LEASE_DELETE,
    SQL_LEASE_LIST,
    SQL_STATEMENT_COUNT,
};

struct sqlite_file {
    char *path;
    int lock_fd; /* -1: not locked */
    sqlite3 *db; /* NULL: to be opened again before the next use */
    sqlite3_stmt *statements[SQL_STATEMENT_COUNT];
    int64_t revision; /* as committed */
    int64_t compacted;
};

/* Takes the lock PATH.lock, which lives as long as `file`. ERR_CONFLICT names who has it. */
MUST_CHECK bool sqlite_file_lock(struct sqlite_file *file, const char *path, struct error *err);
/* Opens or creates the database; no-op if it is open. ERR_INVALID if it is none of ours. */
MUST_CHECK bool sqlite_file_open(struct sqlite_file *file, struct error *err);
void sqlite_file_close(struct sqlite_file *file); /* keeps the lock */
void sqlite_file_release(struct sqlite_file *file);

/* Reset and ready to be bound; hand it back with sqlite_file_reset as soon as it has answered,
 * because an open reading statement holds the write-ahead log. */
sqlite3_stmt *sqlite_file_use(struct sqlite_file *file, enum sqlite_statement which);
void sqlite_file_reset(sqlite3_stmt **statement);
/* Runs a statement that returns no rows. */
MUST_CHECK bool sqlite_file_run(struct sqlite_file *file, sqlite3_stmt *statement,
                                struct error *err);

/* Turns the connection's last error into ours: ERR_LIMIT (disk full), ERR_INVALID (not a database,
 * damaged), else ERR_UNAVAILABLE. Returns false. */
bool sqlite_file_fail(struct sqlite_file *file, const char *what, struct error *err);

#endif
