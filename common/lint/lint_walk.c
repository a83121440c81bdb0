#include "common/lint/lint_walk.h"

#include <string.h>

#include "common/model/size_text.h"
#include "common/sql/sql_text.h"

/* Views over views, and how many of them a statement is followed to. */
enum { LINT_WALK_VIEWS_DEPTH_MAX = 8, LINT_WALK_VIEWS_MAX = 1000 };

static const char *const lint_mode_names[LINT_MODE_COUNT] = {
    "",      "ACCESS SHARE",        "ROW SHARE", "ROW EXCLUSIVE",    "SHARE UPDATE EXCLUSIVE",
    "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
};

const char *lint_mode_name(enum lint_mode mode)
{
    return lint_mode_names[mode];
}

const char *lint_walk_name(const struct lint_walk *walk, const struct lint_relation *relation)
{
    return relation->schema[0] == '\0'
               ? arena_strdup(walk->arena, relation->name)
               : arena_printf(walk->arena, "%s.%s", relation->schema, relation->name);
}

/* A bit for each mode that the row's mode does not go together with. */
#define LINT_MODE_BIT(mode) (1u << (mode))
#define LINT_MODES_FROM(mode) ((1u << LINT_MODE_COUNT) - LINT_MODE_BIT(mode))
static const unsigned lint_mode_conflict[LINT_MODE_COUNT] = {
    [LINT_ACCESS_SHARE] = LINT_MODES_FROM(LINT_ACCESS_EXCLUSIVE),
    [LINT_ROW_SHARE] = LINT_MODES_FROM(LINT_EXCLUSIVE),
    [LINT_ROW_EXCLUSIVE] = LINT_MODES_FROM(LINT_SHARE),
    [LINT_SHARE_UPDATE_EXCLUSIVE] = LINT_MODES_FROM(LINT_SHARE_UPDATE_EXCLUSIVE),
    /* Not with itself: two may build an index at the same time. */
    [LINT_SHARE] = LINT_MODE_BIT(LINT_ROW_EXCLUSIVE) | LINT_MODE_BIT(LINT_SHARE_UPDATE_EXCLUSIVE) |
                   LINT_MODES_FROM(LINT_SHARE_ROW_EXCLUSIVE),
    [LINT_SHARE_ROW_EXCLUSIVE] = LINT_MODES_FROM(LINT_ROW_EXCLUSIVE),
    [LINT_EXCLUSIVE] = LINT_MODES_FROM(LINT_ROW_SHARE),
    [LINT_ACCESS_EXCLUSIVE] = LINT_MODES_FROM(LINT_ACCESS_SHARE),
};

bool lint_mode_conflicts(enum lint_mode one, enum lint_mode other)
{
    return (lint_mode_conflict[one] & LINT_MODE_BIT(other)) != 0;
}

/* Doubles when the count is a power of two; what was there before stays behind in the arena. */
static void *lint_walk_grow(struct arena *arena, void *items, size_t count, size_t bytes)
{
    if (count != 0 && (count & (count - 1)) != 0) {
        return items;
    }
    void *larger = arena_alloc_array(arena, count == 0 ? 1 : 2 * count, bytes);
    if (count > 0) {
        memcpy(larger, items, count * bytes);
    }
    return larger;
}

static bool lint_walk_is_live(const struct lint_walk *walk, const struct lint_relation *relation)
{
    return relation != NULL && lint_catalog_is_live(walk->catalog, relation);
}

void lint_walk_lock(struct lint_walk *walk, const struct lint_relation *relation,
                    enum lint_mode mode)
{
    struct lint_statement *statement = walk->statement;

    if (!lint_walk_is_live(walk, relation)) {
        return;
    }
    const char *name = lint_walk_name(walk, relation);
    for (size_t i = 0; i < statement->lock_count; i++) {
        if (strcmp(statement->locks[i].relation, name) == 0) {
            statement->locks[i].mode =
                mode > statement->locks[i].mode ? mode : statement->locks[i].mode;
            return;
        }
    }
    statement->locks = lint_walk_grow(walk->arena, statement->locks, statement->lock_count,
                                      sizeof(*statement->locks));
    statement->locks[statement->lock_count++] = (struct lint_lock){
        .relation = name,
        .mode = mode,
        .index = relation->kind == LINT_KIND_INDEX,
        .own = relation->kind != LINT_KIND_INDEX && relation->parent == NULL,
    };
}

void lint_walk_work(struct lint_walk *walk, const struct lint_relation *relation)
{
    walk->work.any = true;
    lint_extent_add(&walk->work.extent, walk->arena, walk->catalog, relation);
}

static void lint_walk_name_once(struct lint_walk *walk, const char ***names, size_t *count,
                                const struct lint_relation *relation)
{
    if (!lint_walk_is_live(walk, relation)) {
        return;
    }
    const char *name = lint_walk_name(walk, relation);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*names)[i], name) == 0) {
            return;
        }
    }
    *names = lint_walk_grow(walk->arena, (void *)*names, *count, sizeof(**names));
    (*names)[(*count)++] = name;
    lint_walk_work(walk, relation);
}

void lint_walk_scan(struct lint_walk *walk, const struct lint_relation *relation)
{
    lint_walk_name_once(walk, &walk->statement->scans, &walk->statement->scan_count, relation);
}

void lint_walk_rewrite(struct lint_walk *walk, const struct lint_relation *relation)
{
    lint_walk_name_once(walk, &walk->statement->rewrites, &walk->statement->rewrite_count,
                        relation);
}

void lint_walk_lock_all(struct lint_walk *walk, const struct lint_relation *relation,
                        enum lint_mode mode)
{
    lint_walk_lock(walk, relation, mode);
    for (const struct lint_relation *r = walk->catalog->relations; r != NULL && !walk->only;
         r = r->hh.next) {
        if (r != relation && r->parent != NULL && lint_catalog_is_below(r, relation)) {
            lint_walk_lock(walk, r, mode);
        }
    }
}

/* A partitioned table has no rows of its own. */
static void lint_walk_each(struct lint_walk *walk, const struct lint_relation *relation,
                           void (*act)(struct lint_walk *, const struct lint_relation *))
{
    bool any = false;

    for (const struct lint_relation *r = walk->catalog->relations; r != NULL && !walk->only;
         r = r->hh.next) {
        if (r != relation && r->parent != NULL && lint_catalog_is_below(r, relation) &&
            r->kind != LINT_KIND_PARTITIONED) {
            act(walk, r);
            any = true;
        }
    }
    if (relation->kind != LINT_KIND_PARTITIONED || (!any && !relation->known)) {
        act(walk, relation);
    }
}

void lint_walk_scan_all(struct lint_walk *walk, const struct lint_relation *relation)
{
    lint_walk_each(walk, relation, lint_walk_scan);
}

void lint_walk_rewrite_all(struct lint_walk *walk, const struct lint_relation *relation)
{
    lint_walk_each(walk, relation, lint_walk_rewrite);
}

bool lint_walk_parts(struct lint_walk *walk, const struct lint_relation *relation)
{
    bool only = walk->only;

    walk->only = only || relation->kind != LINT_KIND_PARTITIONED;
    return only;
}

void lint_walk_whole(struct lint_walk *walk, bool only)
{
    walk->only = only;
}

static void lint_walk_lock_readers_below(struct lint_walk *walk,
                                         const struct lint_relation *relation, const char *column,
                                         enum lint_mode mode, size_t depth, size_t *left)
{
    for (const struct lint_relation *r = walk->catalog->relations;
         r != NULL && depth < LINT_WALK_VIEWS_DEPTH_MAX; r = r->hh.next) {
        bool reads = *left > 0 && lint_name_has(r->reads, relation->key);
        if (reads && (column == NULL || lint_name_has(r->mentions, column) ||
                      lint_name_has(r->mentions, ""))) {
            (*left)--;
            lint_walk_lock(walk, r, mode);
            lint_walk_lock_readers_below(walk, r, NULL, mode, depth + 1, left);
        }
    }
}

void lint_walk_lock_readers(struct lint_walk *walk, const struct lint_relation *relation,
                            const char *column, enum lint_mode mode)
{
    size_t left = LINT_WALK_VIEWS_MAX;

    lint_walk_lock_readers_below(walk, relation, column, mode, 0, &left);
}

static void lint_walk_lock_read_below(struct lint_walk *walk, const struct lint_relation *relation,
                                      enum lint_mode mode, size_t depth, size_t *left)
{
    const struct lint_name *read = relation->kind == LINT_KIND_VIEW ? relation->reads : NULL;

    for (; read != NULL && depth<LINT_WALK_VIEWS_DEPTH_MAX && * left> 0; read = read->next) {
        const struct lint_relation *r = NULL;
        HASH_FIND_STR(walk->catalog->relations, read->name, r);
        (*left)--;
        if (r != NULL) {
            lint_walk_lock_all(walk, r, mode);
            lint_walk_lock_read_below(walk, r, mode, depth + 1, left);
        }
    }
}

void lint_walk_lock_read(struct lint_walk *walk, const struct lint_relation *relation,
                         enum lint_mode mode)
{
    size_t left = LINT_WALK_VIEWS_MAX;

    lint_walk_lock_read_below(walk, relation, mode, 0, &left);
}

static enum lint_mode lint_walk_mode_of(const struct lint_walk *walk, const char *name)
{
    for (size_t i = 0; i < walk->statement->lock_count; i++) {
        if (strcmp(walk->statement->locks[i].relation, name) == 0) {
            return walk->statement->locks[i].mode;
        }
    }
    return LINT_NO_LOCK;
}

/* How much it is that the rule is about; of the whole statement, or of everything, where that is
 * not one relation. False: nobody has said. */
static bool lint_walk_measure(const struct lint_walk *walk, enum lint_rule rule,
                              const struct lint_relation *relation, struct lint_extent *ret_extent)
{
    *ret_extent = (struct lint_extent){ 0 };
    if (!walk->sizes.surveyed) {
        return false;
    }
    if (relation != NULL) {
        lint_extent_add(ret_extent, walk->arena, walk->catalog, relation);
    } else if (!lint_rule_goes_by_size(rule)) {
        return false;
    } else if (walk->work.any) {
        *ret_extent = walk->work.extent;
    } else {
        lint_extent_add_all(ret_extent, walk->arena, walk->catalog);
    }
    return !ret_extent->unsized;
}

static const char *lint_walk_severity(const struct lint_walk *walk, enum lint_rule rule, bool sized,
                                      uint64_t bytes)
{
    if (!sized || !lint_rule_goes_by_size(rule)) {
        return lint_rule_text(rule)->severity;
    }
    if (walk->sizes.error_bytes != 0 && bytes >= walk->sizes.error_bytes) {
        return "error";
    }
    return bytes < walk->sizes.note_bytes ? "note" : "warning";
}

/* "accounts (41 GB): why"; without what is not known. */
static const char *lint_walk_message(const struct lint_walk *walk, const char *name, bool sized,
                                     uint64_t bytes, const char *why)
{
    char size[SIZE_TEXT_BYTES];

    if (!sized) {
        return name[0] == '\0' ? why : arena_printf(walk->arena, "%s: %s", name, why);
    }
    return name[0] == '\0'
               ? arena_printf(walk->arena, "%s: %s", size_text_format(bytes, size), why)
               : arena_printf(walk->arena, "%s (%s): %s", name, size_text_format(bytes, size), why);
}

/* What such a rule says of no relation in particular may be done to any. */
static bool lint_walk_hides(enum lint_rule rule)
{
    return rule == LINT_OPAQUE || rule == LINT_TOO_DEEP || rule == LINT_DROP_SCHEMA ||
           rule == LINT_EXTENSION || (rule != LINT_LONG_WORK && lint_rule_goes_by_size(rule));
}

/* What a catalog could have made harmless is taken for the worst where there was none, and that is
 * said. */
static const char *lint_walk_why(const struct lint_walk *walk, enum lint_rule rule,
                                 const struct lint_relation *relation)
{
    static const enum lint_rule rules[] = {
        LINT_COLUMN_TYPE_REWRITE, LINT_SET_NOT_NULL, LINT_PRIMARY_KEY_NULLABLE,
        LINT_ATTACH_PARTITION,    LINT_STORAGE,
    };
    const char *why = lint_rule_text(rule)->why;

    for (size_t i = 0; i < COUNT_OF(rules) && relation != NULL && !relation->known; i++) {
        if (rules[i] == rule) {
            return arena_printf(walk->arena,
                                "%s (taken for the worst: nothing that was read says what it is "
                                "like now; --schema or --database would)",
                                why);
        }
    }
    return why;
}

void lint_walk_find(struct lint_walk *walk, enum lint_rule rule,
                    const struct lint_relation *relation, const char *fix)
{
    const struct lint_rule_text *text = lint_rule_text(rule);
    const char *name = "";
    const char *lock = "";
    struct lint_extent extent;

    if (walk->schema_only || (relation != NULL && !lint_walk_is_live(walk, relation))) {
        return;
    }
    if (relation != NULL) {
        name = lint_walk_name(walk, relation);
        lock = lint_mode_name(lint_walk_mode_of(walk, name));
    }
    if (relation == NULL && lint_walk_hides(rule)) {
        walk->statement->opaque = true;
    }
    bool sized = lint_walk_measure(walk, rule, relation, &extent);
    const struct lint_finding finding = {
        .severity = lint_walk_severity(walk, rule, sized, extent.bytes),
        .rule = text->id,
        .file = walk->statement->file,
        .line = walk->statement->line,
        .statement = walk->statement->number,
        .message =
            lint_walk_message(walk, name, sized, extent.bytes, lint_walk_why(walk, rule, relation)),
        .relation = name,
        .lock = lock,
        .fix = fix == NULL ? text->safe : fix,
        .sized = sized,
        .extent = extent,
    };
    walk->found(walk->context, &finding);
}

const char *lint_walk_rewritten(struct lint_walk *walk, const char *keyword, const char *words)
{
    struct sql_text text = { .data = walk->text, .size = strlen(walk->text) };
    size_t at = text.size;

    if (walk->depth > 0) {
        return NULL;
    }
    if (keyword[0] != '\0') {
        struct sql_token token = sql_text_next(&text);
        while (token.kind != SQL_TOKEN_END && !sql_token_is(token, keyword)) {
            token = sql_text_next(&text);
        }
        at = text.at;
    }
    /* A comment to the line's end takes nothing with it that is put behind it. */
    const bool comment = strstr(walk->text, "--") != NULL;
    return arena_printf(walk->arena, "%.*s%s%s%s%s;", (int)at, walk->text, comment ? "\n" : " ",
                        words, walk->text + at, comment ? "\n" : "");
}

void lint_walk_control(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__TransactionStmt *control = statement->transaction_stmt;
    struct lint_transaction *transaction = walk->transaction;

    if (control->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT &&
        transaction->savepoint_count < LINT_SAVEPOINTS_MAX) {
        transaction->savepoints[transaction->savepoint_count++] = (struct lint_savepoint){
            .name = arena_strdup(walk->arena, control->savepoint_name),
            .held = transaction->held,
        };
    } else if (control->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO) {
        for (size_t i = transaction->savepoint_count; i > 0; i--) {
            if (strcmp(transaction->savepoints[i - 1].name, control->savepoint_name) == 0) {
                transaction->held = transaction->savepoints[i - 1].held;
                transaction->savepoint_count = i;
                return;
            }
        }
    } else if (control->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT ||
               control->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK ||
               control->kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE) {
        *transaction = (struct lint_transaction){ .held.relation = "" };
    }
}

void lint_walk_end(struct lint_walk *walk)
{
    struct lint_statement *statement = walk->statement;
    struct lint_transaction *transaction = walk->transaction;
    bool held = transaction->held.mode >= LINT_SHARE;

    if (walk->work.any && held && statement->transactional && !transaction->told_long) {
        transaction->told_long = true;
        lint_walk_find(walk, LINT_LONG_WORK, NULL,
                       arena_printf(walk->arena,
                                    "%s is under %s since an earlier statement. Put this work into "
                                    "a migration of its own, in another rollout.",
                                    transaction->held.relation,
                                    lint_mode_name(transaction->held.mode)));
    }
    for (size_t i = 0; i < statement->lock_count; i++) {
        const struct lint_lock *lock = &statement->locks[i];

        if (lock->mode > transaction->held.mode) {
            transaction->held.mode = lock->mode;
            transaction->held.relation = lock->relation;
        }
        if (lock->mode == LINT_ACCESS_EXCLUSIVE && lock->own &&
            strcmp(lock->relation, transaction->held.relation) != 0) {
            transaction->held.exclusive_count++;
        }
    }
    statement->grows = walk->work.any && transaction->held.mode >= LINT_SHARE;
    if (transaction->held.exclusive_count > 0 && statement->transactional &&
        !transaction->told_many) {
        transaction->told_many = true;
        lint_walk_find(walk, LINT_MANY_LOCKS, NULL, NULL);
    }
}
