#include <string.h>

#include "common/model/checksum.h"
#include "common/model/set.h"

#define SET_GROWTH_RULE                                                                            \
    "a published set may only grow: leave what was published as it was and add a new version "     \
    "above "

static bool set_growth_same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static bool set_growth_same_content(struct bytes a, struct bytes b)
{
    uint8_t digest_a[CHECKSUM_BYTES];
    uint8_t digest_b[CHECKSUM_BYTES];

    checksum_of_text(a, digest_a); /* as for the scripts: line ends do not count */
    checksum_of_text(b, digest_b);
    return memcmp(digest_a, digest_b, CHECKSUM_BYTES) == 0;
}

static bool set_growth_refuse(const struct set *old_set, const char *path, const char *what,
                              struct error *err)
{
    return error_set(err, ERR_REFUSED, "file '%s' %s: " SET_GROWTH_RULE "'%s'", path, what,
                     old_set->latest_text);
}

static bool set_growth_check_operation(const struct set *old_set, const struct operation *old_one,
                                       const struct operation *new_one, struct error *err)
{
    if (memcmp(old_one->checksum, new_one->checksum, CHECKSUM_BYTES) != 0) {
        return set_growth_refuse(old_set, old_one->path, "has changed since it was published", err);
    }
    if (old_one->down_path == NULL) {
        return true; /* a rollback may be added later */
    }
    if (!set_growth_same_text(old_one->down_path, new_one->down_path)) {
        return set_growth_refuse(old_set, old_one->down_path, "was published and is gone", err);
    }
    if (!set_growth_same_content(old_one->down_content, new_one->down_content)) {
        return set_growth_refuse(old_set, old_one->down_path, "has changed since it was published",
                                 err);
    }
    return true;
}

static bool set_growth_check_migration(const struct set *old_set, const struct migration *old_one,
                                       const struct migration *new_one, struct error *err)
{
    for (size_t i = 0; i < old_one->operation_count; i++) {
        const struct operation *operation = &old_one->operations[i];
        if (i >= new_one->operation_count ||
            strcmp(operation->path, new_one->operations[i].path) != 0) {
            return set_growth_refuse(old_set, operation->path, "was published and is gone", err);
        }
        if (!set_growth_check_operation(old_set, operation, &new_one->operations[i], err)) {
            return false;
        }
    }
    if (new_one->operation_count > old_one->operation_count) {
        return set_growth_refuse(old_set, new_one->operations[old_one->operation_count].path,
                                 "was added to a version that is published", err);
    }
    return true;
}

bool set_check_growth(const struct set *old_set, const struct set *new_set, struct error *err)
{
    size_t n = 0;

    /* Both are sorted by version: walk them side by side. */
    for (size_t o = 0; o < old_set->migration_count; o++) {
        const struct migration *old_one = &old_set->migrations[o];
        int order = 1;
        if (n < new_set->migration_count) {
            order = semver_compare(&new_set->migrations[n].version, &old_one->version);
        }
        if (order > 0) {
            return set_growth_refuse(old_set, old_one->operations[0].path,
                                     "was published and is gone", err);
        }
        if (order < 0) {
            break; /* something new below: refused next */
        }
        if (!set_growth_check_migration(old_set, old_one, &new_set->migrations[n], err)) {
            return false;
        }
        n++;
    }
    /* A tenant that is past a version never gets a script that appears there later. */
    if (n < new_set->migration_count &&
        semver_compare(&new_set->migrations[n].version, &old_set->latest) <= 0) {
        return set_growth_refuse(old_set, new_set->migrations[n].operations[0].path,
                                 "is new, but not above the latest version published", err);
    }
    if (semver_compare(&new_set->latest, &old_set->latest) < 0) {
        return error_set(err, ERR_REFUSED,
                         "the latest version '%s' is below '%s', which was published: a published "
                         "set may only grow",
                         new_set->latest_text, old_set->latest_text);
    }
    return true;
}
