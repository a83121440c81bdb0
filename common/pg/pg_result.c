/* pg_result.c - the rows of an answer; declared in pg_conn.h. */
#include "common/pg/pg_libpq.h"

#include <assert.h>
#include <stdlib.h>

size_t pg_result_row_count(const struct pg_result *result)
{
    return (size_t)PQntuples(result->pg);
}

size_t pg_result_column_count(const struct pg_result *result)
{
    return (size_t)PQnfields(result->pg);
}

const char *pg_result_text(const struct pg_result *result, size_t row, size_t column)
{
    assert(row < pg_result_row_count(result));
    assert(column < pg_result_column_count(result));
    if (PQgetisnull(result->pg, (int)row, (int)column)) {
        return NULL;
    }
    return PQgetvalue(result->pg, (int)row, (int)column);
}

bool pg_result_bool(const struct pg_result *result, size_t row, size_t column)
{
    const char *text = pg_result_text(result, row, column);

    return text != NULL && text[0] == 't';
}

uint64_t pg_result_u64(const struct pg_result *result, size_t row, size_t column)
{
    const char *text = pg_result_text(result, row, column);

    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

void pg_result_origin(const struct pg_result *result, size_t column, uint32_t *ret_table,
                      uint32_t *ret_number)
{
    int number = PQftablecol(result->pg, (int)column);

    *ret_table = PQftable(result->pg, (int)column);
    *ret_number = number > 0 ? (uint32_t)number : 0;
}

const char *pg_result_tag(const struct pg_result *result)
{
    return PQcmdStatus(result->pg);
}

void pg_result_free(struct pg_result **result)
{
    if (*result != NULL) {
        PQclear((*result)->pg);
        free(*result);
        *result = NULL;
    }
}
