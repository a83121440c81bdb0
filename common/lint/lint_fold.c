#include "common/lint/lint_fold.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_tree.h"

enum { LINT_FOLD_DEPTH_MAX = 200, LINT_FOLD_TEXT_BYTES_MAX = 64 * 1024 };

/* One run through an expression. */
struct lint_folding {
    struct lint_fold *fold;
    struct lint_fold_texts *texts;
    size_t depth;
};

static void lint_fold_value(struct lint_folding *folding, const PgQuery__Node *node,
                            struct lint_fold_texts *ret_texts);

static void lint_fold_add(struct lint_fold_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->texts[i], text) == 0) {
            return;
        }
    }
    if (texts->count == LINT_FOLD_TEXTS_MAX || strlen(text) > LINT_FOLD_TEXT_BYTES_MAX) {
        texts->unknown = true;
        return;
    }
    texts->texts[texts->count++] = text;
}

static void lint_fold_unknown(struct lint_fold_texts *texts)
{
    texts->unknown = true;
    lint_fold_add(texts, LINT_FOLD_UNKNOWN);
}

static void lint_fold_add_all(struct lint_fold_texts *texts, const struct lint_fold_texts *more)
{
    texts->unknown = texts->unknown || more->unknown;
    for (size_t i = 0; i < more->count; i++) {
        lint_fold_add(texts, more->texts[i]);
    }
}

static bool lint_fold_is_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* `text` between quotes, those inside of it doubled. */
static const char *lint_fold_quote(struct lint_fold *fold, const char *text, char quote)
{
    char *quoted = arena_alloc(fold->arena, 2 * strlen(text) + 3);
    size_t at = 0;

    quoted[at++] = quote;
    for (; *text != '\0'; text++) {
        if (*text == quote) {
            quoted[at++] = quote;
        }
        quoted[at++] = *text;
    }
    quoted[at++] = quote;
    quoted[at] = '\0';
    return quoted;
}

/* One text behind another. What is not known reads as a name, or as the rest of one. */
static const char *lint_fold_join(struct lint_fold *fold, const char *left, const char *right)
{
    size_t size = strlen(left);

    fold->bytes += size + strlen(right);
    if (fold->bytes > LINT_FOLD_BYTES_MAX) {
        return LINT_FOLD_UNKNOWN;
    }
    if (strcmp(left, LINT_FOLD_UNKNOWN) == 0) {
        left = "\"" LINT_FOLD_UNKNOWN "\"";
    }
    if (strcmp(right, LINT_FOLD_UNKNOWN) == 0) {
        right = size > 0 && lint_fold_is_word(left[size - 1]) ? "_" : "\"" LINT_FOLD_UNKNOWN "\"";
    }
    return arena_printf(fold->arena, "%s%s", left, right);
}

/* Every text of the one with every text of the other. */
static void lint_fold_join_all(struct lint_folding *folding, const struct lint_fold_texts *left,
                               const struct lint_fold_texts *right,
                               struct lint_fold_texts *ret_texts)
{
    struct lint_fold_texts joined = { 0 };

    for (size_t l = 0; l < left->count; l++) {
        for (size_t r = 0; r < right->count && !joined.unknown; r++) {
            lint_fold_add(&joined, lint_fold_join(folding->fold, left->texts[l], right->texts[r]));
        }
    }
    joined.unknown = joined.unknown || left->unknown || right->unknown ||
                     folding->fold->bytes > LINT_FOLD_BYTES_MAX;
    *ret_texts = joined;
}

/* The texts of a value as %I, %L or %s of format() writes it. */
static void lint_fold_as(struct lint_folding *folding, const PgQuery__Node *value, char how,
                         struct lint_fold_texts *ret_texts)
{
    struct lint_fold_texts plain = { 0 };
    struct lint_fold_texts texts = { 0 };

    lint_fold_value(folding, value, &plain);
    texts.unknown = plain.unknown;
    for (size_t i = 0; i < plain.count; i++) {
        lint_fold_add(&texts, how == 'I'   ? lint_fold_quote(folding->fold, plain.texts[i], '"')
                              : how == 'L' ? lint_fold_quote(folding->fold, plain.texts[i], '\'')
                                           : plain.texts[i]);
    }
    *ret_texts = texts;
}

/* format('%I, %2$s', a, b): pieces of the first argument and the others in turn. */
static void lint_fold_format(struct lint_folding *folding, const char *format,
                             PgQuery__Node *const *arguments, size_t count,
                             struct lint_fold_texts *ret_texts)
{
    struct lint_fold_texts all = { .texts = { "" }, .count = 1 };
    size_t next = 0;

    while (*format != '\0') {
        struct lint_fold_texts piece = { .count = 1 };
        size_t size = strcspn(format, "%");
        if (size > 0) {
            piece.texts[0] = arena_printf(folding->fold->arena, "%.*s", (int)size, format);
            format += size;
        } else if (format[1] == '%') {
            piece.texts[0] = "%";
            format += 2;
        } else {
            size_t digits = strspn(format + 1, "0123456789");
            size_t place = next;
            format++;
            if (digits > 0 && format[digits] == '$') {
                place = 0;
                for (size_t i = 0; i < digits && place <= count; i++) {
                    place = 10 * place + (size_t)(format[i] - '0');
                }
                place = place == 0 ? count : place - 1;
                format += digits + 1;
            }
            format += strspn(format, "-*0123456789");
            next = place + 1;
            lint_fold_as(folding, place < count ? arguments[place] : NULL, *format, &piece);
            format += *format == '\0' ? 0 : 1;
        }
        lint_fold_join_all(folding, &all, &piece, &all);
        if (folding->fold->bytes > LINT_FOLD_BYTES_MAX) {
            break;
        }
    }
    *ret_texts = all;
}

static void lint_fold_call(struct lint_folding *folding, const PgQuery__FuncCall *call,
                           struct lint_fold_texts *ret_texts)
{
    const char *name = lint_tree_last(call->funcname, call->n_funcname);
    struct lint_fold_texts texts = { 0 };

    if (strcmp(name, "format") == 0 && call->n_args > 0) {
        struct lint_fold_texts formats = { 0 };
        lint_fold_value(folding, call->args[0], &formats);
        texts.unknown = formats.unknown;
        for (size_t i = 0; i < formats.count; i++) {
            struct lint_fold_texts some = { 0 };
            lint_fold_format(folding, formats.texts[i], call->args + 1, call->n_args - 1, &some);
            lint_fold_add_all(&texts, &some);
        }
    } else if (strcmp(name, "quote_ident") == 0 && call->n_args == 1) {
        lint_fold_as(folding, call->args[0], 'I', &texts);
    } else if (strncmp(name, "quote_", 6) == 0 && call->n_args == 1) {
        lint_fold_as(folding, call->args[0], 'L', &texts);
    } else if (strcmp(name, "concat") == 0) {
        texts = (struct lint_fold_texts){ .texts = { "" }, .count = 1 };
        for (size_t i = 0; i < call->n_args; i++) {
            struct lint_fold_texts more = { 0 };
            lint_fold_value(folding, call->args[i], &more);
            lint_fold_join_all(folding, &texts, &more, &texts);
        }
    } else {
        lint_fold_unknown(&texts);
    }
    *ret_texts = texts;
}

static void lint_fold_constant(struct lint_folding *folding, const PgQuery__AConst *constant,
                               struct lint_fold_texts *texts)
{
    if (constant->val_case == PG_QUERY__A__CONST__VAL_SVAL) {
        lint_fold_add(texts, arena_strdup(folding->fold->arena, constant->sval->sval));
    } else if (constant->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
        lint_fold_add(texts, arena_printf(folding->fold->arena, "%d", constant->ival->ival));
    } else {
        lint_fold_unknown(texts);
    }
}

static void lint_fold_variable(const struct lint_fold *fold, const PgQuery__ColumnRef *ref,
                               struct lint_fold_texts *texts)
{
    const char *name = ref->n_fields == 1 ? lint_tree_string(ref->fields[0]) : "";

    for (size_t i = 0; i < fold->count; i++) {
        if (strcmp(fold->variables[i].name, name) == 0) {
            lint_fold_add_all(texts, &fold->variables[i].texts);
            return;
        }
    }
    lint_fold_unknown(texts);
}

static void lint_fold_value(struct lint_folding *folding, const PgQuery__Node *node,
                            struct lint_fold_texts *ret_texts)
{
    struct lint_fold_texts texts = { 0 };

    folding->depth++;
    PgQuery__Node__NodeCase kind = node == NULL || folding->depth > LINT_FOLD_DEPTH_MAX
                                       ? PG_QUERY__NODE__NODE__NOT_SET
                                       : node->node_case;
    if (kind == PG_QUERY__NODE__NODE_A_CONST) {
        lint_fold_constant(folding, node->a_const, &texts);
    } else if (kind == PG_QUERY__NODE__NODE_TYPE_CAST) {
        lint_fold_value(folding, node->type_cast->arg, &texts);
    } else if (kind == PG_QUERY__NODE__NODE_COLUMN_REF) {
        lint_fold_variable(folding->fold, node->column_ref, &texts);
    } else if (kind == PG_QUERY__NODE__NODE_FUNC_CALL) {
        lint_fold_call(folding, node->func_call, &texts);
    } else if (kind == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
        for (size_t i = 0; i < node->a_array_expr->n_elements; i++) {
            struct lint_fold_texts element = { 0 };
            lint_fold_value(folding, node->a_array_expr->elements[i], &element);
            lint_fold_add_all(&texts, &element);
        }
    } else if (kind == PG_QUERY__NODE__NODE_A_EXPR &&
               strcmp(lint_tree_last(node->a_expr->name, node->a_expr->n_name), "||") == 0) {
        struct lint_fold_texts left = { 0 };
        struct lint_fold_texts right = { 0 };
        lint_fold_value(folding, node->a_expr->lexpr, &left);
        lint_fold_value(folding, node->a_expr->rexpr, &right);
        lint_fold_join_all(folding, &left, &right, &texts);
    } else {
        lint_fold_unknown(&texts);
    }
    folding->depth--;
    *ret_texts = texts;
}

static void lint_fold_visit(void *context, const PgQuery__Node *statement)
{
    struct lint_folding *folding = context;
    const PgQuery__SelectStmt *select =
        statement->node_case == PG_QUERY__NODE__NODE_SELECT_STMT ? statement->select_stmt : NULL;

    if (select != NULL && select->n_target_list == 1 && select->n_from_clause == 0 &&
        select->target_list[0]->node_case == PG_QUERY__NODE__NODE_RES_TARGET) {
        lint_fold_value(folding, select->target_list[0]->res_target->val, folding->texts);
    }
}

void lint_fold_expression(struct lint_fold *fold, const char *text,
                          struct lint_fold_texts *ret_texts)
{
    struct lint_fold_texts texts = { 0 };
    struct lint_folding folding = { .fold = fold, .texts = &texts };
    const char *select = arena_printf(fold->arena, "SELECT %s", text);

    if (!sql_tree_visit_here(select, lint_fold_visit, &folding) || texts.count == 0) {
        lint_fold_unknown(&texts);
    }
    *ret_texts = texts;
}

static struct lint_fold_variable *lint_fold_need(struct lint_fold *fold, const char *name,
                                                 size_t size)
{
    for (size_t i = 0; i < fold->count; i++) {
        if (strncasecmp(fold->variables[i].name, name, size) == 0 &&
            fold->variables[i].name[size] == '\0') {
            return &fold->variables[i];
        }
    }
    if (fold->count == LINT_FOLD_VARIABLES_MAX) {
        return NULL;
    }
    fold->variables[fold->count] =
        (struct lint_fold_variable){ .name = arena_printf(fold->arena, "%.*s", (int)size, name) };
    return &fold->variables[fold->count++];
}

void lint_fold_assign(struct lint_fold *fold, const char *text, bool each)
{
    const char *sign = strstr(text, ":=");
    size_t size = strcspn(text, " \t\r\n:=.[");
    struct lint_fold_variable *variable = lint_fold_need(fold, text, size);
    struct lint_fold_texts texts = { 0 };

    if (variable == NULL) {
        return;
    }
    if (sign == NULL || text[size + strspn(text + size, " \t\r\n")] != ':') {
        lint_fold_unknown(&variable->texts); /* "t = x", or a part of t */
        return;
    }
    lint_fold_expression(fold, sign + 2, &texts);
    if (each && texts.count == 1 && texts.texts[0][0] == '{') {
        lint_fold_unknown(&variable->texts); /* '{a, b}' */
        return;
    }
    lint_fold_add_all(&variable->texts, &texts);
}

void lint_fold_spoil(struct lint_fold *fold, const char *name)
{
    struct lint_fold_variable *variable = lint_fold_need(fold, name, strlen(name));

    if (variable != NULL) {
        lint_fold_unknown(&variable->texts);
    }
}
