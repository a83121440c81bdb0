#include "common/sql/batch_script.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/sql/sql_text.h"
#include "common/sql/sql_tree.h"

enum { BATCH_KEYS, BATCH_WORK, BATCH_STATEMENTS };

#define BATCH_EXPECTED                                                                             \
    "a batch has two statements: a SELECT that yields the keys, and an INSERT, UPDATE, DELETE or " \
    "SELECT that works on a chunk of them (the table 'chunk')"

void batch_script_release(struct batch_script *script)
{
    for (size_t i = 0; i < script->column_count; i++) {
        memory_free(&script->columns[i]);
    }
    sql_script_release(&script->sql);
    *script = (struct batch_script){ 0 };
}

const struct sql_statement *batch_script_keys(const struct batch_script *script)
{
    return &script->sql.statements[BATCH_KEYS];
}

const struct sql_statement *batch_script_work(const struct batch_script *script)
{
    return &script->sql.statements[BATCH_WORK];
}

/* ---- checks, on the parser's thread ---- */

struct batch_reader {
    struct batch_script *script;
    const struct sql_statement *statement;
    struct sql_problem *problem;
    bool ok;
    bool uses_chunk;
};

/* The first problem stays. */
static void batch_script_fail(struct batch_reader *reader, const char *sentence)
{
    if (reader->ok) {
        reader->problem->kind = SQL_PROBLEM_SYNTAX;
        reader->problem->statement = reader->statement->number;
        reader->problem->line = reader->statement->line;
        reader->ok = error_set(&reader->problem->error, ERR_INVALID, "%s", sentence);
    }
}

static bool batch_script_is_writing(const ProtobufCMessage *message)
{
    return message->descriptor == &pg_query__insert_stmt__descriptor ||
           message->descriptor == &pg_query__update_stmt__descriptor ||
           message->descriptor == &pg_query__delete_stmt__descriptor ||
           message->descriptor == &pg_query__merge_stmt__descriptor;
}

/* What may stand in neither statement, wherever it stands. */
static void batch_script_see(void *context, const ProtobufCMessage *message)
{
    struct batch_reader *reader = context;

    if (message->descriptor == &pg_query__param_ref__descriptor) {
        batch_script_fail(reader, "a parameter such as $1 has no value here: the keys of the chunk "
                                  "are the rows of the table 'chunk'");
    } else if (message->descriptor == &pg_query__range_var__descriptor) {
        const PgQuery__RangeVar *range = (const PgQuery__RangeVar *)(const void *)message;

        if (range->schemaname[0] == '\0' && strcmp(range->relname, "chunk") == 0) {
            reader->uses_chunk = true;
        }
    } else if (message->descriptor == &pg_query__common_table_expr__descriptor) {
        const PgQuery__CommonTableExpr *cte =
            (const PgQuery__CommonTableExpr *)(const void *)message;

        if (strcmp(cte->ctename, "chunk") == 0 || strncmp(cte->ctename, "skein_", 6) == 0) {
            batch_script_fail(reader, "'chunk', and names that begin with 'skein_', are skein's "
                                      "own here: give the WITH another name");
        }
    }
}

static void batch_script_see_keys(void *context, const ProtobufCMessage *message)
{
    struct batch_reader *reader = context;

    batch_script_see(context, message);
    if (batch_script_is_writing(message)) {
        batch_script_fail(reader, "the SELECT of the keys changes data: only the second statement "
                                  "may");
    } else if (message->descriptor == &pg_query__locking_clause__descriptor) {
        batch_script_fail(reader, "the SELECT of the keys locks rows: leave FOR UPDATE to the "
                                  "second statement");
    }
}

/* "a""b" of a"b; as PostgreSQL's quote_identifier, always with quotes. */
static char *batch_script_quote(const char *name)
{
    char *quoted = memory_alloc(2 * strlen(name) + 3);
    size_t at = 0;

    quoted[at++] = '"';
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '"') {
            quoted[at++] = '"';
        }
        quoted[at++] = *c;
    }
    quoted[at] = '"';
    return quoted;
}

/* The name that PostgreSQL gives a column of a SELECT; "" where nobody can rely on it. */
static const char *batch_script_name(const PgQuery__ResTarget *target)
{
    const PgQuery__Node *value = target->val;

    if (target->name[0] != '\0') {
        return target->name;
    }
    if (value == NULL || value->node_case != PG_QUERY__NODE__NODE_COLUMN_REF) {
        return "";
    }
    const PgQuery__ColumnRef *column = value->column_ref;
    const PgQuery__Node *last = column->fields[column->n_fields - 1];
    return last->node_case == PG_QUERY__NODE__NODE_STRING ? last->string->sval : "";
}

static void batch_script_add_column(struct batch_reader *reader, const PgQuery__Node *node)
{
    struct batch_script *script = reader->script;
    const char *name = node->node_case == PG_QUERY__NODE__NODE_RES_TARGET
                           ? batch_script_name(node->res_target)
                           : "";

    if (name[0] == '\0') {
        batch_script_fail(reader, "name each column of the key: expected SELECT id or SELECT "
                                  "expression AS name, not * nor an expression without AS");
        return;
    }
    if (script->column_count == BATCH_KEY_COLUMNS_MAX) {
        batch_script_fail(reader, "the key has too many columns, expected at most 8: only what "
                                  "tells the rows apart belongs in the SELECT of the keys");
        return;
    }
    char *quoted = batch_script_quote(name);
    for (size_t i = 0; i < script->column_count; i++) {
        if (strcmp(script->columns[i], quoted) == 0) {
            batch_script_fail(reader, "two columns of the key have the same name");
        }
    }
    script->columns[script->column_count++] = quoted;
}

static void batch_script_visit_keys(void *context, const PgQuery__Node *statement)
{
    struct batch_reader *reader = context;

    if (statement->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        batch_script_fail(reader, BATCH_EXPECTED "; the first is no SELECT");
        return;
    }
    const PgQuery__SelectStmt *select = statement->select_stmt;
    if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE || select->n_values_lists > 0 ||
        select->n_from_clause == 0) {
        batch_script_fail(reader, "expected a SELECT of keys FROM a table, without UNION, "
                                  "INTERSECT, EXCEPT or VALUES");
    } else if (select->into_clause != NULL) {
        batch_script_fail(reader, "the SELECT of the keys makes a table (INTO)");
    } else if (select->n_sort_clause > 0 || select->limit_count != NULL ||
               select->limit_offset != NULL) {
        batch_script_fail(reader, "leave ORDER BY, LIMIT and OFFSET out of the SELECT of the keys: "
                                  "skein goes through them in the order of its columns, a chunk at "
                                  "a time");
    }
    for (size_t i = 0; i < select->n_target_list && reader->ok; i++) {
        batch_script_add_column(reader, select->target_list[i]);
    }
    if (select->n_target_list == 0) {
        batch_script_fail(reader, "the SELECT of the keys has no columns");
    }
    sql_tree_each(&statement->base, batch_script_see_keys, reader);
    if (reader->uses_chunk) {
        batch_script_fail(reader, "the name 'chunk' is skein's own in a batch: name the table with "
                                  "its schema, or a view of it");
    }
}

static void batch_script_check_where(struct batch_reader *reader, const PgQuery__Node *where)
{
    if (where == NULL) {
        batch_script_fail(reader, "without a WHERE each chunk would touch every row: join the "
                                  "table with 'chunk', as in WHERE accounts.id = chunk.id");
    }
}

static const PgQuery__WithClause *batch_script_look_work(struct batch_reader *reader,
                                                         const PgQuery__Node *statement)
{
    switch ((int)statement->node_case) { /* most of a very long enum does not concern us */
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
        batch_script_check_where(reader, statement->update_stmt->where_clause);
        return statement->update_stmt->with_clause;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
        batch_script_check_where(reader, statement->delete_stmt->where_clause);
        return statement->delete_stmt->with_clause;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
        return statement->insert_stmt->with_clause;
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        if (statement->select_stmt->into_clause != NULL) {
            batch_script_fail(reader, "the second statement makes a table (INTO), and would do so "
                                      "for each chunk");
        }
        return statement->select_stmt->with_clause;
    default:
        batch_script_fail(reader, BATCH_EXPECTED "; the second is none of these");
        return NULL;
    }
}

static void batch_script_visit_work(void *context, const PgQuery__Node *statement)
{
    struct batch_reader *reader = context;
    struct sql_text text = { .data = reader->statement->text,
                             .size = strlen(reader->statement->text) };
    const PgQuery__WithClause *with = batch_script_look_work(reader, statement);
    struct sql_token first = sql_text_next(&text);

    if (first.kind != SQL_TOKEN_WORD) {
        batch_script_fail(reader, "the second statement begins with a bracket: leave it out");
    } else if (with != NULL && sql_token_is(first, "WITH")) {
        reader->script->recursive = with->recursive;
        if (with->recursive) {
            (void)sql_text_next(&text);
        }
        reader->script->with_bytes = text.at;
    }
    sql_tree_each(&statement->base, batch_script_see, reader);
    if (!reader->uses_chunk) {
        batch_script_fail(reader, "the second statement does not use the table 'chunk', so each "
                                  "chunk would touch the same rows: join with it, as in UPDATE "
                                  "accounts SET ... FROM chunk WHERE accounts.id = chunk.id");
    }
}

static bool batch_script_check(struct sql_parser *parser, struct batch_script *script, size_t which,
                               struct sql_problem *problem)
{
    static sql_tree_visitor *const visitors[BATCH_STATEMENTS] = {
        [BATCH_KEYS] = batch_script_visit_keys,
        [BATCH_WORK] = batch_script_visit_work,
    };
    struct batch_reader reader = { .script = script,
                                   .statement = &script->sql.statements[which],
                                   .problem = problem,
                                   .ok = true };

    if (!sql_tree_visit(parser, reader.statement->text, visitors[which], &reader)) {
        batch_script_fail(&reader, "the statement is nested too deeply to be looked at");
    }
    return reader.ok;
}

/* What the two are put together to has to be SQL as well. */
static void batch_script_visit_whole(void *context, const PgQuery__Node *statement)
{
    size_t *count = context;

    (void)statement;
    (*count)++;
}

static bool batch_script_check_whole(struct sql_parser *parser, const struct batch_script *script,
                                     struct sql_problem *problem)
{
    CLEANUP(buf_release) struct buf text = { .size_max = 3 * (size_t)SCRIPT_BYTES_MAX };
    struct batch_reader reader = { .statement = batch_script_work(script),
                                   .problem = problem,
                                   .ok = true };
    size_t count = 0;

    batch_script_put(script, false, "", &text);
    if (!sql_tree_visit(parser, buf_text(&text), batch_script_visit_whole, &count) || count != 1) {
        batch_script_fail(&reader, "the statement cannot be joined with the table 'chunk' as it is "
                                   "written: put its WITH at its very beginning");
    }
    return reader.ok;
}

bool batch_script_parse(struct sql_parser *parser, struct bytes text,
                        struct batch_script *ret_script, struct sql_problem *ret_problem)
{
    CLEANUP(batch_script_release) struct batch_script script = { 0 };

    if (!sql_script_parse(parser, text, &script.sql, ret_problem)) {
        return false;
    }
    if (script.sql.count != BATCH_STATEMENTS) {
        bool more = script.sql.count > BATCH_STATEMENTS;

        ret_problem->kind = SQL_PROBLEM_SYNTAX;
        ret_problem->statement = more ? BATCH_STATEMENTS + 1 : 0;
        ret_problem->line = more ? script.sql.statements[BATCH_STATEMENTS].line : 1;
        return error_set(&ret_problem->error, ERR_INVALID, "%s; there %s %zu", BATCH_EXPECTED,
                         script.sql.count == 1 ? "is" : "are", script.sql.count);
    }
    if (!batch_script_check(parser, &script, BATCH_KEYS, ret_problem) ||
        !batch_script_check(parser, &script, BATCH_WORK, ret_problem) ||
        !batch_script_check_whole(parser, &script, ret_problem)) {
        return false;
    }
    *ret_script = TAKE(script);
    return true;
}

/* ---- texts ---- */

static void batch_script_put_columns(const struct batch_script *script, struct buf *text)
{
    for (size_t i = 0; i < script->column_count; i++) {
        buf_printf(text, "%s%s", i > 0 ? ", " : "", script->columns[i]);
    }
}

/* Authors' texts may end in a comment: a line's end has to follow. */
void batch_script_put_chunk(const struct batch_script *script, bool first, struct buf *text)
{
    buf_puts(text, "SELECT ");
    batch_script_put_columns(script, text);
    buf_printf(text, " FROM (\n%s\n) AS skein_keys", batch_script_keys(script)->text);
    if (!first) {
        buf_puts(text, " WHERE (");
        batch_script_put_columns(script, text);
        buf_puts(text, ") > (");
        for (size_t i = 0; i < script->column_count; i++) {
            buf_printf(text, "%s$%zu", i > 0 ? ", " : "", i + 2);
        }
        buf_puts(text, ")");
    }
    buf_puts(text, " ORDER BY ");
    batch_script_put_columns(script, text);
    buf_puts(text, " FETCH FIRST $1 ROWS WITH TIES");
}

void batch_script_put(const struct batch_script *script, bool first, const char *extra,
                      struct buf *text)
{
    buf_printf(text, "WITH %schunk AS MATERIALIZED (\n", script->recursive ? "RECURSIVE " : "");
    batch_script_put_chunk(script, first, text);
    buf_printf(text, ")%s%s%s", extra, script->with_bytes > 0 ? "," : "\n",
               batch_script_work(script)->text + script->with_bytes);
}

static bool batch_script_is_inside(const struct sql_statement *statement, size_t skipped,
                                   const char *begin, const char *at,
                                   const struct sql_statement **ret_statement, uint32_t *ret_line)
{
    size_t size = strlen(statement->text + skipped);

    if (begin == NULL || at < begin || at > begin + size) {
        return false;
    }
    *ret_statement = statement;
    *ret_line = statement->line;
    for (size_t i = 0; i < skipped + (size_t)(at - begin); i++) {
        *ret_line += statement->text[i] == '\n' ? 1 : 0;
    }
    return true;
}

bool batch_script_locate(const struct batch_script *script, const char *text, uint32_t position,
                         const struct sql_statement **ret_statement, uint32_t *ret_line)
{
    const struct sql_statement *keys = batch_script_keys(script);
    const struct sql_statement *work = batch_script_work(script);
    size_t size = strlen(text);
    size_t tail = strlen(work->text + script->with_bytes);
    const char *at = text + sql_script_offset(text, size, position);

    if (position == 0) {
        return false;
    }
    /* The keys stand before anything else of an author's; the work ends the text. */
    return batch_script_is_inside(keys, 0, strstr(text, keys->text), at, ret_statement, ret_line) ||
           (tail <= size && strcmp(text + size - tail, work->text + script->with_bytes) == 0 &&
            batch_script_is_inside(work, script->with_bytes, text + size - tail, at, ret_statement,
                                   ret_line));
}
