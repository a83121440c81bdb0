#include "common/lint/lint_setting.h"

#include <string.h>
#include <strings.h>

#include "common/lint/lint_tree.h"

static const struct {
    const char *name;
    enum lint_rule rule;
} lint_settings[] = {
    { "search_path", LINT_SEARCH_PATH },
    { "role", LINT_ROLE },
    { "session_authorization", LINT_ROLE },
    { "lock_timeout", LINT_LOCK_TIMEOUT },
};

static const char *lint_setting_constant(const PgQuery__Node *node)
{
    return node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                   node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL
               ? node->a_const->sval->sval
               : "";
}

/* Appends the schemas of one value, "a" or "a, b", to the path. */
static void lint_setting_path(struct lint_catalog *catalog, const char *value)
{
    struct lint_name **end = &catalog->path;

    while (*end != NULL) {
        end = &(*end)->next;
    }
    while (*value != '\0') {
        size_t size = strcspn(value, ",");
        size_t skip = strspn(value, " \t\"");
        size_t length = skip < size ? size - skip : 0;
        while (length > 0 && strchr(" \t\"", value[skip + length - 1]) != NULL) {
            length--;
        }
        if (length > 0) {
            lint_name_add(catalog, end,
                          arena_printf(&catalog->arena, "%.*s", (int)length, value + skip));
            end = &(*end)->next;
        }
        value += size + (value[size] == ',' ? 1 : 0);
    }
}

/* Between timestamp and timestamptz nothing changes where the zone is UTC. */
static void lint_setting_zone(struct lint_catalog *catalog, const char *value)
{
    static const char *const names[] = { "utc",      "gmt",       "etc/utc", "etc/gmt", "zulu",
                                         "etc/zulu", "universal", "uct",     "etc/uct", "0" };

    catalog->utc = false;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        catalog->utc = catalog->utc || strcasecmp(value, names[i]) == 0;
    }
}

static bool lint_setting_warn(struct lint_walk *walk, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(lint_settings); i++) {
        if (strcasecmp(name, lint_settings[i].name) == 0) {
            lint_walk_find(walk, lint_settings[i].rule, NULL, NULL);
            return true;
        }
    }
    return false;
}

void lint_setting(struct lint_walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__VariableSetStmt *set = statement->variable_set_stmt;
    struct lint_catalog *catalog = walk->catalog;
    bool value = set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE;

    if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL) {
        lint_walk_find(walk, LINT_LOCK_TIMEOUT, NULL, NULL);
        return;
    }
    if (strcasecmp(set->name, "search_path") == 0) {
        catalog->path = NULL;
        for (size_t i = 0; i < set->n_args; i++) {
            lint_setting_path(catalog, lint_setting_constant(set->args[i]));
        }
    }
    if (strcasecmp(set->name, "timezone") == 0 && value && set->n_args > 0) {
        lint_setting_zone(catalog, lint_setting_constant(set->args[0]));
    } else if (strcasecmp(set->name, "timezone") == 0) {
        catalog->utc = catalog->utc_at_home;
    }
    if (!lint_setting_warn(walk, set->name) && !set->is_local && value) {
        lint_walk_find(walk, LINT_SESSION_STATE, NULL, NULL);
    }
}

void lint_setting_call(struct lint_walk *walk, const PgQuery__FuncCall *call)
{
    if (strcmp(lint_tree_last(call->funcname, call->n_funcname), "set_config") != 0 ||
        call->n_args != 3) {
        return;
    }
    const char *name = lint_setting_constant(call->args[0]);
    const char *value = lint_setting_constant(call->args[1]);

    if (strcasecmp(name, "search_path") == 0) {
        walk->catalog->path = NULL;
        lint_setting_path(walk->catalog, value);
    } else if (strcasecmp(name, "timezone") == 0) {
        lint_setting_zone(walk->catalog, value);
    }
    (void)lint_setting_warn(walk, name);
}
