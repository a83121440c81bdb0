#include "agent/run/look_group.h"

#include <assert.h>
#include <string.h>

#include "common/sql/sql_text.h"

enum look_kind {
    LOOK_ANY,   /* who knows what it does */
    LOOK_KNOWN, /* what lint foresees */
    LOOK_LIGHT, /* locks and reads nothing that was there before: should it, the next look sees it
                 */
};

/* By the first two words; the first that fits. */
static const struct {
    const char *words[2];
    enum look_kind kind;
} look_group_kinds[] = {
    { { "INSERT", "" }, LOOK_LIGHT },         { { "COMMENT", "" }, LOOK_LIGHT },
    { { "GRANT", "" }, LOOK_LIGHT },          { { "REVOKE", "" }, LOOK_LIGHT },
    { { "CREATE", "FUNCTION" }, LOOK_LIGHT }, { { "CREATE", "PROCEDURE" }, LOOK_LIGHT },
    { { "CREATE", "VIEW" }, LOOK_LIGHT },     { { "CREATE", "TYPE" }, LOOK_LIGHT },
    { { "CREATE", "SEQUENCE" }, LOOK_LIGHT }, { { "CREATE", "SCHEMA" }, LOOK_LIGHT },
    { { "CREATE", "DOMAIN" }, LOOK_LIGHT },   { { "CREATE", "EXTENSION" }, LOOK_ANY },
    { { "ALTER", "EXTENSION" }, LOOK_ANY },   { { "CREATE", "MATERIALIZED" }, LOOK_KNOWN },
    { { "UPDATE", "" }, LOOK_KNOWN },         { { "DELETE", "" }, LOOK_KNOWN },
    { { "TRUNCATE", "" }, LOOK_KNOWN },       { { "CREATE", "" }, LOOK_KNOWN },
    { { "ALTER", "" }, LOOK_KNOWN },          { { "DROP", "" }, LOOK_KNOWN },
    { { "LOCK", "" }, LOOK_KNOWN },
};

static enum look_kind look_group_kind(const struct sql_statement *statement)
{
    struct sql_text text = { .data = statement->text, .size = strlen(statement->text) };
    struct sql_token first = sql_text_next(&text);
    struct sql_token second = sql_text_next(&text);

    if (sql_token_is(first, "INSERT") && strcasestr(statement->text, "select") != NULL) {
        return LOOK_KNOWN; /* of whatever table */
    }
    for (size_t i = 0; i < COUNT_OF(look_group_kinds); i++) {
        const char *const *words = look_group_kinds[i].words;

        if (sql_token_is(first, words[0]) &&
            (words[1][0] == '\0' || sql_token_is(second, words[1]))) {
            return look_group_kinds[i].kind;
        }
    }
    return LOOK_ANY;
}

bool look_group_is_insert(const struct sql_statement *statement)
{
    struct sql_text text = { .data = statement->text, .size = strlen(statement->text) };

    return sql_token_is(sql_text_next(&text), "INSERT") && look_group_kind(statement) == LOOK_LIGHT;
}

/* Behind it names stand for something else than before, and what is seen could not be told apart.
 */
static bool look_group_renames(const struct sql_statement *statement)
{
    return strcasestr(statement->text, "rename") != NULL ||
           strcasestr(statement->text, "set schema") != NULL;
}

/* Of a tenant in which nothing was, only relations outside of it were there before. */
static bool look_group_is_live(const struct look_group *group, const struct lint_lock *lock)
{
    return !group->fresh || strchr(lock->relation, '.') != NULL;
}

static bool look_group_is_idle(const struct look_group *group,
                               const struct lint_statement *statement)
{
    for (size_t i = 0; i < statement->lock_count; i++) {
        if (look_group_is_live(group, &statement->locks[i]) &&
            statement->locks[i].mode > LINT_ROW_SHARE) {
            return false;
        }
    }
    return true;
}

static bool look_group_touches(const struct lint_statement *statement, const char *relation)
{
    for (size_t i = 0; i < statement->lock_count; i++) {
        if (strcmp(statement->locks[i].relation, relation) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether what the statement does could be taken for another's of the group, or theirs for its. */
static bool look_group_meets(const struct look_group *group, const struct lint_statement *statement)
{
    for (size_t m = 0; m < group->count; m++) {
        const struct lint_statement *member = group->members[m];

        for (size_t i = 0; i < member->lock_count; i++) {
            if (look_group_is_live(group, &member->locks[i]) &&
                look_group_touches(statement, member->locks[i].relation)) {
                return true;
            }
        }
    }
    return false;
}

/* Whether it can be measured together with those of the group. */
static bool look_group_fits(const struct look_group *group, const struct prepared_file *file,
                            size_t index)
{
    enum look_kind kind = look_group_kind(&file->script.statements[index]);

    if (kind == LOOK_LIGHT) {
        return true;
    }
    return kind != LOOK_ANY && !group->renamed && file->foreseen != NULL &&
           group->count < LOOK_GROUP_MAX && !look_group_meets(group, &file->foreseen[index]);
}

bool look_group_must_end(struct look_group *group, const struct prepared_file *next)
{
    bool ends = group->count > 0 && (next == NULL || !look_group_fits(group, next, 0));

    group->count = ends ? 0 : group->count;
    return ends;
}

struct look_choice look_group_after(struct look_group *group, const struct prepared_file *file,
                                    size_t index)
{
    const struct sql_statement *statement = &file->script.statements[index];
    enum look_kind kind = look_group_kind(statement);
    struct look_choice choice = { .locks = kind != LOOK_LIGHT };

    if (!group->each && !group->renamed && kind > LOOK_ANY && file->foreseen != NULL) {
        bool last = index + 1 == file->script.count; /* see look_group_must_end */

        choice.foreseen = kind != LOOK_LIGHT;
        if (choice.foreseen && !look_group_is_idle(group, &file->foreseen[index])) {
            assert(group->count <
                   LOOK_GROUP_MAX); /* whoever came before it has seen that it fits */
            group->members[group->count++] = &file->foreseen[index];
        }
        group->renamed = look_group_renames(statement);
        choice.locks = group->count > 0 && !last && !look_group_fits(group, file, index + 1);
    }
    group->renamed = group->renamed || look_group_renames(statement);
    group->count = choice.locks ? 0 : group->count;
    return choice;
}
