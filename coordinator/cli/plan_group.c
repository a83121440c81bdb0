#include "coordinator/cli/plan_group.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/base.h"
#include "coordinator/cli/field.h"

static bool plan_group_is_there(const json_t *tenant)
{
    return !json_is_object(field_get(tenant, "error")) &&
           json_array_size(field_get(tenant, "scripts")) == 0 &&
           strcmp(field_text(tenant, "from"), field_text(tenant, "to")) == 0;
}

static bool plan_group_is_same_way(const json_t *a, const json_t *b)
{
    static const char *const keys[] = { "from", "to", "error", "scripts" };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (!json_equal(field_get(a, keys[i]), field_get(b, keys[i]))) {
            return false;
        }
    }
    return true;
}

/* Those of equal size by their first tenants, so that two looks at one plan are alike. */
static int plan_group_compare(const void *a, const void *b)
{
    const struct plan_group *left = a;
    const struct plan_group *right = b;

    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    return strcmp(left->tenants[0], right->tenants[0]);
}

/* Ways are few even where tenants are many, and the next tenant mostly goes the way of the last
 * one: so they are looked through backwards. */
static struct plan_group *plan_group_of(struct plan_groups *groups, const json_t *tenant)
{
    for (size_t i = groups->count; i > 0; i--) {
        if (plan_group_is_same_way(groups->items[i - 1].example, tenant)) {
            return &groups->items[i - 1];
        }
    }
    groups->items[groups->count] = (struct plan_group){ .example = tenant };
    return &groups->items[groups->count++];
}

struct plan_groups plan_group_make(const json_t *tenants, struct arena *arena)
{
    const size_t count = json_array_size(tenants);
    struct plan_groups groups = { .items = arena_alloc_array(arena, count, sizeof(*groups.items)) };

    for (size_t i = 0; i < count; i++) {
        const json_t *tenant = json_array_get(tenants, i);
        if (plan_group_is_there(tenant)) {
            continue;
        }
        struct plan_group *group = plan_group_of(&groups, tenant);
        if (group->count < PLAN_GROUP_TENANTS) {
            group->tenants[group->count] = field_text(tenant, "tenant");
        }
        group->count++;
    }
    if (groups.count > 0) {
        qsort(groups.items, groups.count, sizeof(*groups.items), plan_group_compare);
    }
    return groups;
}
