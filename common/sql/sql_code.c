#include "common/sql/sql_code.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <pg_query.h>

#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

/* libpg_query tells of PL/pgSQL as JSON, of which only the texts of queries matter here; each
 * stands as "query":"..." below the name of its statement. */
static const char sql_code_query[] = "\"query\":\"";
static const char sql_code_statement[] = "\"PLpgSQL_stmt_";

/* The name of a variable is as long as PostgreSQL keeps it; one that is longer is not followed. */
enum { SQL_CODE_NAME_BYTES = 64 };

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
        if (text[i] == '\'' && (text[++i] != '\'' || i == size - 1)) {
            return false; /* more than one constant */
        }
    }
    for (size_t i = 1; i < size - 1; i++) {
        i += text[i] == '\'' ? 1 : 0;
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

/* Copies the name behind `key`, unless it is escaped or too long. */
static bool sql_code_name(const char *at, const char *key, char ret_name[SQL_CODE_NAME_BYTES])
{
    size_t skip = strlen(key);
    size_t size = strncmp(at, key, skip) == 0 ? strcspn(at + skip, "\"\\") : 0;

    if (size == 0 || size >= SQL_CODE_NAME_BYTES || at[skip + size] != '"') {
        return false;
    }
    memcpy(ret_name, at + skip, size);
    ret_name[size] = '\0';
    return true;
}

/* The name of the variable of that number. Variables, rows and record fields are counted. */
static bool sql_code_variable(const char *json, long number, char ret_name[SQL_CODE_NAME_BYTES])
{
    static const char *const kinds[] = { "{\"PLpgSQL_var\":{", "{\"PLpgSQL_row\":{",
                                         "{\"PLpgSQL_rec\":{", "{\"PLpgSQL_recfield\":{" };
    const char *end = strstr(json, "\"action\":");

    for (const char *at = strstr(json, "{\"PLpgSQL_"); at != NULL && (end == NULL || at < end);
         at = strstr(at + 1, "{\"PLpgSQL_")) {
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            if (strncmp(at, kinds[i], strlen(kinds[i])) == 0 && number-- == 0) {
                return sql_code_name(at + strlen(kinds[i]), "\"refname\":\"", ret_name);
            }
        }
    }
    return false;
}

/* "name := text" to the visitor. */
static void sql_code_tell_value(const char *name, const char *text, enum sql_code_kind kind,
                                sql_code_visitor *visitor, void *context)
{
    CLEANUP(buf_release) struct buf value = { .size_max = SCRIPT_BYTES_MAX };

    if (buf_printf(&value, "%s := %s", name, text)) {
        visitor(context, kind, buf_text(&value));
    }
}

/* What stands before the text of a query and says what it is for. */
struct sql_code_place {
    char owner[10];                 /* the statement, cut short: "dynexecut", "foreach_a" */
    char name[SQL_CODE_NAME_BYTES]; /* the variable; "" where none is known */
    bool fallback;                  /* the variable's default */
    bool dynamic;
};

static void sql_code_look(const char *json, const char *from, const char *query, const char *owner,
                          struct sql_code_place *ret_place)
{
    static const char fallback[] = "\"default_val\":{\"PLpgSQL_expr\":{";
    static const char dynamic[] = "\"dynquery\":{\"PLpgSQL_expr\":{";
    struct sql_code_place place = { .owner = "" };
    const char *varno = strstr(owner, "\"varno\":");

    memcpy(place.owner, owner, strnlen(owner, sizeof(place.owner) - 1));
    place.fallback = (size_t)(query - from) >= sizeof(fallback) - 1 &&
                     strncmp(query - (sizeof(fallback) - 1), fallback, sizeof(fallback) - 1) == 0;
    place.dynamic = strncmp(place.owner, "dyn", 3) == 0 ||
                    ((size_t)(query - from) >= sizeof(dynamic) - 1 &&
                     strncmp(query - (sizeof(dynamic) - 1), dynamic, sizeof(dynamic) - 1) == 0);
    if (place.fallback) {
        const char *at = query;
        while (at > from && !sql_code_name(at, "\"refname\":\"", place.name)) {
            at--;
        }
    } else if (strncmp(place.owner, "foreach_a", 9) == 0 && varno != NULL && varno < query) {
        (void)sql_code_variable(json, strtol(varno + 8, NULL, 10), place.name);
    }
    *ret_place = place;
}

static void sql_code_tell(char *text, const struct sql_code_place *place, sql_code_visitor *visitor,
                          void *context)
{
    if (place->fallback || strncmp(place->owner, "foreach_a", 9) == 0) {
        visitor(context, SQL_CODE_QUERY, text); /* it may call a function */
        if (place->name[0] != '\0') {
            sql_code_tell_value(place->name, text,
                                place->fallback ? SQL_CODE_VALUE : SQL_CODE_ELEMENTS, visitor,
                                context);
        }
    } else if (strcmp(place->owner, "assign\":{") == 0) {
        visitor(context, SQL_CODE_VALUE, text);
    } else if (!place->dynamic) {
        visitor(context, SQL_CODE_QUERY, text);
    } else if (sql_code_constant(text)) {
        visitor(context, SQL_CODE_DYNAMIC, text);
    } else {
        visitor(context, SQL_CODE_EXPRESSION, text);
    }
}

/* INTO, and the variables of loops over rows: "fields":[{"name":"t","varno":1}]. */
static void sql_code_tell_targets(const char *json, sql_code_visitor *visitor, void *context)
{
    static const char field[] = "{\"name\":\"";
    char name[SQL_CODE_NAME_BYTES];

    for (const char *at = strstr(json, field); at != NULL; at = strstr(at + 1, field)) {
        if (sql_code_name(at, field, name)) {
            visitor(context, SQL_CODE_ANYTHING, name);
        }
    }
}

/* Texts are cut and unescaped in place, in `json`; `names` is another copy of it, which stays. */
static void sql_code_read(char *json, const char *names, sql_code_visitor *visitor, void *context)
{
    const char *owner = "";
    char *at = json;

    if (strstr(json, "\"PLpgSQL_stmt_commit\"") != NULL ||
        strstr(json, "\"PLpgSQL_stmt_rollback\"") != NULL) {
        visitor(context, SQL_CODE_TRANSACTION, "");
    }
    sql_code_tell_targets(names, visitor, context);
    for (;;) {
        struct sql_code_place place;
        char *query = strstr(at, sql_code_query);
        if (query == NULL) {
            return;
        }
        owner = sql_code_owner(at, query, owner);
        sql_code_look(names, at, query, owner, &place);
        char *text = query + sizeof(sql_code_query) - 1;
        at = sql_code_unescape(text);
        sql_code_tell(text, &place, visitor, context);
        owner = "";
    }
}

bool sql_code_each(const char *statement, sql_code_visitor *visitor, void *context)
{
    PgQueryPlpgsqlParseResult parsed = pg_query_parse_plpgsql(statement);
    bool done = parsed.error == NULL && parsed.plpgsql_funcs != NULL;

    if (done) {
        CLEANUP(memory_free) char *json = memory_strdup(parsed.plpgsql_funcs);
        sql_code_read(json, parsed.plpgsql_funcs, visitor, context);
    }
    pg_query_free_plpgsql_parse_result(parsed);
    return done;
}
