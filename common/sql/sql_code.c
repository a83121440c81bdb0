#include "common/sql/sql_code.h"

#include <stddef.h>
#include <string.h>

#include <pg_query.h>

#include "common/core/memory.h"

/* libpg_query tells of PL/pgSQL as JSON, of which only the texts of queries matter here; each
 * stands as "query":"..." below the name of its statement. */
static const char sql_code_query[] = "\"query\":\"";
static const char sql_code_statement[] = "\"PLpgSQL_stmt_";

/* Ends the JSON string that `at` begins in, in place; returns what follows it. */
static char *sql_code_unescape(char *at)
{
    static const char *const escapes = "n\nt\tr\rb\bf\f";
    char *out = at;

    while (*at != '\0' && *at != '"') {
        if (*at != '\\' || at[1] == '\0') {
            *out++ = *at++;
            continue;
        }
        const char *known = strchr(escapes, at[1]);
        char plain = at[1];
        if (at[1] == 'u' && strlen(at) >= 6) {
            static const char digits[] = "0123456789abcdef";
            const char *high = strchr(digits, at[4] | 0x20);
            const char *low = strchr(digits, at[5] | 0x20);
            bool ascii = at[2] == '0' && at[3] == '0' && high != NULL && low != NULL;
            plain = '?';
            if (ascii) {
                plain = (char)(16 * (high - digits) + (low - digits));
            }
            *out++ = plain;
            at += 6;
            continue;
        }
        if (known != NULL && (known - escapes) % 2 == 0) {
            plain = known[1];
        }
        *out++ = plain;
        at += 2;
    }
    char *rest = *at == '"' ? at + 1 : at;
    *out = '\0';
    return rest;
}

/* 'a constant' without its quotes, in place; false for any other expression. */
static bool sql_code_constant(char *text)
{
    size_t size = strlen(text);
    char *out = text;

    if (size < 2 || text[0] != '\'' || text[size - 1] != '\'') {
        return false;
    }
    for (size_t i = 1; i < size - 1; i++) {
        if (text[i] == '\'' && text[++i] != '\'') {
            return false; /* more than one constant */
        }
        *out++ = text[i];
    }
    *out = '\0';
    return true;
}

/* The statement that the query at `query` belongs to: the last that was named before it. */
static const char *sql_code_owner(const char *from, const char *query, const char *owner)
{
    const char *at = from;

    while ((at = strstr(at, sql_code_statement)) != NULL && at < query) {
        at += sizeof(sql_code_statement) - 1;
        owner = at;
    }
    return owner;
}

static void sql_code_tell(char *text, const char *owner, sql_code_visitor *visitor, void *context)
{
    bool dynamic = strncmp(owner, "dyn", 3) == 0;

    if (!dynamic) {
        visitor(context, SQL_CODE_QUERY, text);
    } else if (sql_code_constant(text)) {
        visitor(context, SQL_CODE_DYNAMIC, text);
    } else {
        visitor(context, SQL_CODE_UNKNOWN, text);
    }
}

static void sql_code_read(char *json, sql_code_visitor *visitor, void *context)
{
    const char *owner = "";
    char *at = json;

    if (strstr(json, "\"PLpgSQL_stmt_commit\"") != NULL ||
        strstr(json, "\"PLpgSQL_stmt_rollback\"") != NULL) {
        visitor(context, SQL_CODE_TRANSACTION, "");
    }
    for (;;) {
        char *query = strstr(at, sql_code_query);
        if (query == NULL) {
            return;
        }
        owner = sql_code_owner(at, query, owner);
        char word[4] = { 0 }; /* the text is cut in place below */
        memcpy(word, owner, strnlen(owner, sizeof(word) - 1));
        char *text = query + sizeof(sql_code_query) - 1;
        at = sql_code_unescape(text);
        sql_code_tell(text, word, visitor, context);
        owner = "";
    }
}

bool sql_code_each(const char *statement, sql_code_visitor *visitor, void *context)
{
    PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(statement);
    bool done = parsed.error == NULL && parsed.plpgsql_funcs != NULL;

    if (done) {
        CLEANUP(memory_free) char *json = memory_strdup(parsed.plpgsql_funcs);
        sql_code_read(json, visitor, context);
    }
    pg_query_free_plpgsql_parse_result(parsed);
    return done;
}
