#include "common/pg/pg_libpq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/core/utf8.h"

/* Cuts at a whole UTF-8 character, and lets nothing else through (a database in SQL_ASCII may say
 * anything), since these texts go to protobuf strings. */
static void pg_libpq_copy(char *target, size_t size, const char *text)
{
    size_t length = text == NULL ? 0 : strlen(text);

    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    if (length > 0) {
        memcpy(target, text, length);
    }
    target[length] = '\0';
    for (;;) {
        size_t invalid = utf8_find_invalid((const uint8_t *)target, length);

        if (invalid >= length) {
            return;
        }
        target[invalid] = '?';
    }
}

struct pg_result *pg_libpq_result(PGresult *pg)
{
    struct pg_result *result = memory_alloc(sizeof(*result));

    result->pg = pg;
    return result;
}

void pg_libpq_error(const PGconn *conn, const PGresult *pg, struct pg_error *ret_error)
{
    const char *primary = PQresultErrorField(pg, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(pg, PG_DIAG_STATEMENT_POSITION);

    memset(ret_error, 0, sizeof(*ret_error));
    if (primary == NULL) {
        primary = pg != NULL ? PQresultErrorMessage(pg) : PQerrorMessage(conn);
        if (primary[0] == '\0') {
            primary = PQerrorMessage(conn);
        }
    }
    pg_libpq_copy(ret_error->sqlstate, sizeof(ret_error->sqlstate),
                  PQresultErrorField(pg, PG_DIAG_SQLSTATE));
    pg_libpq_copy(ret_error->message, sizeof(ret_error->message), primary);
    pg_libpq_copy(ret_error->detail, sizeof(ret_error->detail),
                  PQresultErrorField(pg, PG_DIAG_MESSAGE_DETAIL));
    pg_libpq_copy(ret_error->hint, sizeof(ret_error->hint),
                  PQresultErrorField(pg, PG_DIAG_MESSAGE_HINT));
    if (position != NULL) {
        ret_error->position = (uint32_t)strtoul(position, NULL, 10);
    }
}

void pg_libpq_error_of_loss(const struct pg_conn *conn, struct pg_error *ret_error)
{
    pg_libpq_error(conn->pg, NULL, ret_error);
    if (conn->words[0] != '\0') {
        memset(ret_error, 0, sizeof(*ret_error));
        pg_libpq_copy(ret_error->message, sizeof(ret_error->message), conn->words);
    }
}

bool pg_libpq_error_set(const struct pg_error *pg_error, enum err_code code, struct error *err)
{
    if (pg_error->sqlstate[0] == '\0') {
        return error_set(err, code, "%s", pg_error->message);
    }
    return error_set(err, code, "%s (SQLSTATE %s)", pg_error->message, pg_error->sqlstate);
}
