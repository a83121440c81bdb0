#include "common/lint/lint_type.h"

#include <string.h>

enum lint_type_widening {
    LINT_WIDENING_FREE,      /* whatever the modifiers */
    LINT_WIDENING_LENGTH,    /* a larger maximum, or none */
    LINT_WIDENING_PRECISION, /* a larger first modifier and the same second, or none */
    LINT_WIDENING_UNBOUNDED, /* the new type has no maximum */
    LINT_WIDENING_UTC,       /* the same, and only where the session's time zone is UTC */
};

static const struct {
    const char *from;
    const char *to;
    enum lint_type_widening widening;
} lint_type_changes[] = {
    { "varchar", "varchar", LINT_WIDENING_LENGTH },
    { "varchar", "text", LINT_WIDENING_FREE },
    { "text", "varchar", LINT_WIDENING_LENGTH },
    { "varchar", "bpchar", LINT_WIDENING_UNBOUNDED },
    { "text", "bpchar", LINT_WIDENING_UNBOUNDED },
    { "text", "citext", LINT_WIDENING_FREE },
    { "varchar", "citext", LINT_WIDENING_FREE },
    { "citext", "text", LINT_WIDENING_FREE },
    { "citext", "varchar", LINT_WIDENING_UNBOUNDED },
    { "xml", "text", LINT_WIDENING_FREE },
    { "xml", "varchar", LINT_WIDENING_UNBOUNDED },
    { "numeric", "numeric", LINT_WIDENING_PRECISION },
    { "varbit", "varbit", LINT_WIDENING_LENGTH },
    { "timestamp", "timestamp", LINT_WIDENING_LENGTH },
    { "timestamptz", "timestamptz", LINT_WIDENING_LENGTH },
    { "time", "time", LINT_WIDENING_LENGTH },
    { "timetz", "timetz", LINT_WIDENING_LENGTH },
    { "interval", "interval", LINT_WIDENING_LENGTH },
    { "cidr", "inet", LINT_WIDENING_FREE },
    { "bit", "varbit", LINT_WIDENING_UNBOUNDED },
    { "timestamp", "timestamptz", LINT_WIDENING_UTC },
    { "timestamptz", "timestamp", LINT_WIDENING_UTC },
};

/* How an index orders a type that borrows another one's way; those with the same way can share an
 * index. The second half of them is stored as an oid is. */
static const struct {
    const char *type;
    const char *order;
} lint_type_orders[] = {
    { "varchar", "text" },     { "cidr", "inet" },       { "regclass", "oid" },
    { "regtype", "oid" },      { "regproc", "oid" },     { "regprocedure", "oid" },
    { "regoper", "oid" },      { "regoperator", "oid" }, { "regrole", "oid" },
    { "regnamespace", "oid" }, { "regconfig", "oid" },   { "regdictionary", "oid" },
    { "regcollation", "oid" },
};

static const char *lint_type_order(const struct lint_type *type)
{
    for (size_t i = 0; i < COUNT_OF(lint_type_orders); i++) {
        if (strcmp(lint_type_orders[i].type, type->name) == 0) {
            return lint_type_orders[i].order;
        }
    }
    return type->name;
}

/* int4, oid and the types that name an object are the same four bytes. */
static bool lint_type_is_oid(const struct lint_type *type)
{
    return strcmp(type->name, "int4") == 0 || strcmp(lint_type_order(type), "oid") == 0;
}

static bool lint_type_same(const struct lint_type *a, const struct lint_type *b)
{
    if (strcmp(a->name, b->name) != 0 || a->array != b->array ||
        a->modifier_count != b->modifier_count) {
        return false;
    }
    for (size_t i = 0; i < a->modifier_count; i++) {
        if (a->modifiers[i] != b->modifiers[i]) {
            return false;
        }
    }
    return true;
}

/* An interval's first modifier is its fields, the precision comes last. */
static int32_t lint_type_length(const struct lint_type *type)
{
    return type->modifiers[type->modifier_count - 1];
}

static int32_t lint_type_scale(const struct lint_type *type)
{
    return type->modifier_count > 1 ? type->modifiers[1] : 0;
}

/* The largest precision of a time says nothing. */
static bool lint_type_is_unbounded(const struct lint_type *type)
{
    static const char *const times[] = { "timestamp", "timestamptz", "time", "timetz", "interval" };
    enum { PRECISION_MAX = 6 };

    for (size_t i = 0; i < COUNT_OF(times) && type->modifier_count > 0; i++) {
        if (strcmp(type->name, times[i]) == 0 && lint_type_length(type) >= PRECISION_MAX) {
            return true;
        }
    }
    return type->modifier_count == 0;
}

static bool lint_type_widens(const struct lint_catalog *catalog, const struct lint_type *from,
                             const struct lint_type *to, enum lint_type_widening widening)
{
    if (widening == LINT_WIDENING_UTC && !catalog->utc) {
        return false;
    }
    if (widening == LINT_WIDENING_FREE || lint_type_is_unbounded(to)) {
        return true;
    }
    if (from->modifier_count == 0 || widening == LINT_WIDENING_UNBOUNDED ||
        widening == LINT_WIDENING_UTC) {
        return false;
    }
    if (widening == LINT_WIDENING_PRECISION) {
        return to->modifiers[0] >= from->modifiers[0] &&
               lint_type_scale(to) == lint_type_scale(from);
    }
    return lint_type_length(to) >= lint_type_length(from);
}

static const struct lint_thing *lint_type_domain(const struct lint_catalog *catalog,
                                                 const struct lint_type *type)
{
    const struct lint_thing *thing = lint_catalog_thing(catalog, type->name);

    return thing != NULL && thing->domain ? thing : NULL;
}

bool lint_type_change_rewrites(const struct lint_catalog *catalog, const struct lint_type *from,
                               const struct lint_type *to)
{
    const struct lint_thing *old_domain = lint_type_domain(catalog, from);
    const struct lint_thing *new_domain = lint_type_domain(catalog, to);
    struct lint_type old_base = old_domain != NULL ? old_domain->base : *from;
    const struct lint_type *new_base = new_domain != NULL ? &new_domain->base : to;

    if (from->name[0] == '\0') {
        return true;
    }
    if (lint_type_same(from, to)) {
        return false;
    }
    if (new_domain != NULL && new_domain->constrained) {
        return true;
    }
    if (from->array || to->array) {
        return true;
    }
    if (old_domain != NULL) {
        old_base.modifier_count = 0; /* PostgreSQL forgets a domain's own */
    }
    if (lint_type_same(&old_base, new_base) ||
        (lint_type_is_oid(&old_base) && lint_type_is_oid(new_base))) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(lint_type_changes); i++) {
        if (strcmp(old_base.name, lint_type_changes[i].from) == 0 &&
            strcmp(new_base->name, lint_type_changes[i].to) == 0) {
            return !lint_type_widens(catalog, &old_base, new_base, lint_type_changes[i].widening);
        }
    }
    return true;
}

bool lint_type_change_reindexes(const struct lint_catalog *catalog, const struct lint_type *from,
                                const struct lint_type *to)
{
    const struct lint_thing *old_domain = lint_type_domain(catalog, from);
    const struct lint_thing *new_domain = lint_type_domain(catalog, to);

    return strcmp(lint_type_order(old_domain != NULL ? &old_domain->base : from),
                  lint_type_order(new_domain != NULL ? &new_domain->base : to)) != 0;
}

bool lint_type_is_constrained(const struct lint_catalog *catalog, const struct lint_type *type)
{
    const struct lint_thing *domain = lint_type_domain(catalog, type);

    return domain != NULL && domain->constrained;
}

bool lint_type_is_serial(const struct lint_type *type)
{
    static const char *const serials[] = { "serial",  "bigserial", "smallserial",
                                           "serial4", "serial8",   "serial2" };

    for (size_t i = 0; i < COUNT_OF(serials); i++) {
        if (strcmp(type->name, serials[i]) == 0) {
            return true;
        }
    }
    return false;
}
