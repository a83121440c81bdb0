#include "coordinator/cli/failure_group.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/base.h"
#include "coordinator/cli/field.h"

struct failure_key {
    const char *text;
    size_t index;
};

static const struct {
    const char *code;
    const char *sqlstate; /* "": any */
    const char *advice;
} failure_group_advices[] = {
    { "SQL", "42P07", "it exists already: changed by hand? compare with a healthy tenant" },
    { "SQL", "42701", "it exists already: changed by hand? compare with a healthy tenant" },
    { "SQL", "42710", "it exists already: changed by hand? compare with a healthy tenant" },
    { "SQL", "42P01", "it is missing: changed by hand? compare with a healthy tenant" },
    { "SQL", "42703", "it is missing: changed by hand? compare with a healthy tenant" },
    { "SQL", "42501", "grant the agent's role what it needs, then retry" },
    { "SQL", "23", "the tenant's rows break the new rule: repair them, then retry" },
    { "SQL", "", "repair the tenant, then retry" },
    { "LOCK_TIMEOUT", "", "live traffic held the lock: retry at a quieter time" },
    { "YIELDED", "", "it holds locks for longer than the application can wait: see 'skein lint'" },
    { "SERVER_BUSY", "", "see the shard's server, then retry" },
    { "TENANT_LOCKED", "", "see 'skein lock list'; 'skein tenant unlock' frees it" },
    { "FENCED", "", "a later task has worked there: retry looks again" },
    { "VERSION_MOVED", "", "its version moved meanwhile: retry looks again" },
    { "VERSION_TOO_OLD", "",
      "below the set's min_version: bring it there with an older set first" },
    { "FUTURE_VERSION", "", "newer than the set: publish the set that knows its version" },
    { "PRERELEASE", "", "prereleases need 'prereleases: true' in the set's skein.yaml" },
    { "CHECKSUM_MISMATCH", "", "an applied script was changed: restore it in the set" },
    { "UNMANAGED", "",
      "tell skein its version: 'skein tenant baseline TENANT --set SET --to VERSION'" },
    { "TENANT_MISSING", "", "it is gone from its shard" },
    { "TRANSACTION_CONTROL", "", "take BEGIN, COMMIT and the like out of the script" },
    { "ROLLBACK", "", "see the tenant; what cannot be undone there is undone by a new migration" },
    { "OUTCOME_UNKNOWN", "", "see 'skein tenant history' when the shard is back" },
    { "LEDGER", "", "bring the other tool's table in order with that tool, then retry" },
    { "TENANT_EXISTS", "", "it is there already: a rollout or a baseline takes it up" },
    { "TENANT_REFUSED", "", "see the tenants that the shard's agent is configured for" },
    { "REGISTRY", "", "see that the agent reaches its registry; it writes again by itself" },
    { "OTHERS_BEHIND", "", "retry when the other tenants can be migrated" },
    { "AGENT_LOST", "", "see 'skein shard list', then retry" },
    { "DATABASE_LOST", "", "the database went away: retry when it is back" },
    { "LINT", "", "'skein lint --explain RULE' says more" },
    { "CANCELLED", "", "" },
};

static bool failure_group_is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Digits count as one "#", the tenant's own name as "~": what is left is the cause. */
static char *failure_group_normalise(const json_t *error, struct arena *arena)
{
    const char *message = field_text(error, "message");
    const char *slash = strchr(field_text(error, "tenant"), '/');
    const char *name = slash == NULL ? "" : slash + 1;
    const size_t name_size = strlen(name);
    char *key = arena_alloc(arena, strlen(message) + 1);
    char *end = key;

    for (char last = ' '; *message != '\0'; last = message[-1]) {
        if (name_size > 0 && strncmp(message, name, name_size) == 0 &&
            !failure_group_is_word(last) && !failure_group_is_word(message[name_size])) {
            *end++ = '~';
            message += name_size;
        } else if (isdigit((unsigned char)*message)) {
            *end++ = '#';
            while (isdigit((unsigned char)*message)) {
                message++;
            }
        } else {
            *end++ = *message++;
        }
    }
    *end = '\0';
    return key;
}

static int failure_group_compare_keys(const void *a, const void *b)
{
    const struct failure_key *left = a;
    const struct failure_key *right = b;
    int order = strcmp(left->text, right->text);

    if (order != 0) {
        return order;
    }
    return left->index < right->index ? -1 : left->index > right->index;
}

/* Most frequent first; equally frequent ones by their texts, so that the view does not flicker. */
static int failure_group_compare(const void *a, const void *b)
{
    const struct failure_group *left = a;
    const struct failure_group *right = b;

    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    return strcmp(left->tenants[0], right->tenants[0]);
}

struct failure_groups failure_group_make(const json_t *errors, struct arena *arena)
{
    const size_t count = json_array_size(errors);
    struct failure_key *keys = arena_alloc_array(arena, count, sizeof(*keys));
    struct failure_groups groups = { .items =
                                         arena_alloc_array(arena, count, sizeof(*groups.items)) };

    for (size_t i = 0; i < count; i++) {
        const json_t *error = json_array_get(errors, i);
        keys[i].index = i;
        keys[i].text = arena_printf(arena, "%s\n%s\n%s\n%llu\n%s", field_text(error, "code"),
                                    field_text(error, "sqlstate"), field_text(error, "file"),
                                    (unsigned long long)field_u64(error, "statement"),
                                    failure_group_normalise(error, arena));
    }
    if (count > 0) {
        qsort(keys, count, sizeof(*keys), failure_group_compare_keys);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *error = json_array_get(errors, keys[i].index);
        if (i == 0 || strcmp(keys[i].text, keys[i - 1].text) != 0) {
            groups.items[groups.count++] = (struct failure_group){ .example = error };
        }
        struct failure_group *group = &groups.items[groups.count - 1];
        group->count++;
        if (group->tenant_count < FAILURE_GROUP_TENANTS) {
            group->tenants[group->tenant_count++] = field_text(error, "tenant");
        }
    }
    if (groups.count > 0) {
        qsort(groups.items, groups.count, sizeof(*groups.items), failure_group_compare);
    }
    return groups;
}

const char *failure_group_advice(const struct failure_group *group)
{
    const char *code = field_text(group->example, "code");
    const char *sqlstate = field_text(group->example, "sqlstate");

    for (size_t i = 0; i < COUNT_OF(failure_group_advices); i++) {
        const char *wanted = failure_group_advices[i].sqlstate;
        if (strcmp(failure_group_advices[i].code, code) == 0 &&
            strncmp(sqlstate, wanted, strlen(wanted)) == 0) {
            return failure_group_advices[i].advice;
        }
    }
    return "";
}
