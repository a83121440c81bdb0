#include "common/sql/sql_tree.h"

#include <stdint.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/sql/sql_parser.h"
#include "common/sql/sql_text.h"

/* Levels of a tree that are built and walked; PostgreSQL itself gives up at about 5,000. */
enum { SQL_TREE_DEPTH_MAX = 20000 };

struct sql_tree_level {
    uint32_t operators; /* since the last comma: each may be one level */
    uint32_t unions;    /* a chain of them nests to the left, whatever stands between */
};

/* The tree cannot be deeper than the tokens of all open brackets that no comma separates. */
static bool sql_tree_is_shallow(const char *data)
{
    struct sql_text text = { .data = data, .size = strlen(data) };
    CLEANUP(memory_free)
    char *memory = memory_alloc_array(SQL_TREE_DEPTH_MAX + 1, sizeof(struct sql_tree_level));
    struct sql_tree_level *levels = (struct sql_tree_level *)(void *)memory;
    size_t level = 0;
    size_t depth = 0;

    while (depth < SQL_TREE_DEPTH_MAX) {
        struct sql_token token = sql_text_next(&text);
        char c = '\0';

        if (token.kind == SQL_TOKEN_OTHER) {
            c = *token.data;
        }
        if (token.kind == SQL_TOKEN_END) {
            return true;
        }
        if (c == '(' || c == '[') {
            levels[++level] = (struct sql_tree_level){ .operators = 1 };
            depth++;
        } else if ((c == ')' || c == ']') && level > 0) {
            depth -= levels[level].operators + levels[level].unions;
            level--;
        } else if (c == ',' || c == ';') {
            depth -= levels[level].operators;
            levels[level].operators = 0;
        } else if (sql_token_is(token, "UNION") || sql_token_is(token, "EXCEPT") ||
                   sql_token_is(token, "INTERSECT")) {
            levels[level].unions++;
            depth++;
        } else {
            levels[level].operators++;
            depth++;
        }
    }
    return false;
}

struct sql_tree_request {
    const char *text;
    sql_tree_visitor *visitor;
    void *context;
    bool done;
};

static void sql_tree_job(void *argument)
{
    struct sql_tree_request *request = argument;
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(request->text);
    PgQuery__ParseResult *tree =
        parsed.error != NULL
            ? NULL
            : pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
                                             (const uint8_t *)parsed.parse_tree.data);

    for (size_t i = 0; tree != NULL && i < tree->n_stmts; i++) {
        if (tree->stmts[i]->stmt != NULL) {
            request->visitor(request->context, tree->stmts[i]->stmt);
        }
    }
    request->done = tree != NULL;
    if (tree != NULL) {
        pg_query__parse_result__free_unpacked(tree, NULL);
    }
    pg_query_free_protobuf_parse_result(parsed);
}

bool sql_tree_visit_here(const char *text, sql_tree_visitor *visitor, void *context)
{
    struct sql_tree_request request = { .text = text, .visitor = visitor, .context = context };

    if (sql_tree_is_shallow(text)) {
        sql_tree_job(&request);
    }
    return request.done;
}

bool sql_tree_visit(struct sql_parser *parser, const char *text, sql_tree_visitor *visitor,
                    void *context)
{
    struct sql_tree_request request = { .text = text, .visitor = visitor, .context = context };

    if (!sql_tree_is_shallow(text)) {
        return false;
    }
    sql_parser_call(parser, sql_tree_job, &request);
    return request.done;
}

static bool sql_tree_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;

    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
           *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
}

void sql_tree_each(const ProtobufCMessage *root, sql_tree_callback *callback, void *context)
{
    const char *base = (const char *)root;

    callback(context, root);
    for (unsigned i = 0; i < root->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &root->descriptor->fields[i];

        if (field->type != PROTOBUF_C_TYPE_MESSAGE || !sql_tree_is_set(root, field)) {
            continue;
        }
        ProtobufCMessage *const *children =
            (ProtobufCMessage *const *)(const void *)(base + field->offset);
        size_t count = 1;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            count = *(const size_t *)(const void *)(base + field->quantifier_offset);
            children = *(ProtobufCMessage *const *const *)(const void *)(base + field->offset);
        }
        for (size_t c = 0; c < count; c++) {
            if (children[c] != NULL) {
                sql_tree_each(children[c], callback, context);
            }
        }
    }
}
