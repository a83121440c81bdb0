#include "agent/decide/tenant_diff.h"

#include <string.h>

#include "common/core/limits.h"

/* A report stays well below a message, also where tenants have many long labels. */
enum { TENANT_REPORT_BYTES_MAX = MESSAGE_BYTES_MAX / 4, TENANT_FRAMING_BYTES = 32 };

static bool labels_equal(const struct labels *a, const struct labels *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
            strcmp(a->items[i].value, b->items[i].value) != 0) {
            return false;
        }
    }
    return true;
}

static bool tenant_equal(const struct tenant_info *a, const struct tenant_info *b)
{
    if (a->version_count != b->version_count || a->has_objects != b->has_objects ||
        !labels_equal(&a->labels, &b->labels)) {
        return false;
    }
    for (size_t i = 0; i < a->version_count; i++) {
        const struct set_version *va = &a->versions[i];
        const struct set_version *vb = &b->versions[i];
        if (va->fence != vb->fence || va->repeatables != vb->repeatables ||
            strcmp(va->set, vb->set) != 0 || strcmp(va->version, vb->version) != 0 ||
            strcmp(va->rollout, vb->rollout) != 0 || strcmp(va->undone, vb->undone) != 0) {
            return false;
        }
    }
    return true;
}

static size_t tenant_bytes(const struct tenant_info *tenant)
{
    size_t bytes = strlen(tenant->name) + TENANT_FRAMING_BYTES;

    for (size_t i = 0; i < tenant->labels.count; i++) {
        bytes += strlen(tenant->labels.items[i].key) + strlen(tenant->labels.items[i].value) +
                 TENANT_FRAMING_BYTES;
    }
    for (size_t i = 0; i < tenant->version_count; i++) {
        const struct set_version *version = &tenant->versions[i];
        bytes += strlen(version->set) + strlen(version->version) + strlen(version->rollout) +
                 strlen(version->undone) + TENANT_FRAMING_BYTES;
    }
    return bytes;
}

/* How many of the tenants fit into one message: one at least. */
static size_t tenant_diff_portion(const struct tenant_info *tenants, size_t count)
{
    size_t bytes = 0;
    size_t taken = 0;

    while (taken < count && taken < TENANTS_PER_MESSAGE_MAX) {
        bytes += tenant_bytes(&tenants[taken]);
        if (taken > 0 && bytes > TENANT_REPORT_BYTES_MAX) {
            break;
        }
        taken++;
    }
    return taken;
}

/* What is to be cut into messages. */
struct tenant_changes {
    const struct tenant_info *changed;
    size_t changed_count;
    const char *const *removed;
    size_t removed_count;
};

/* The next report, of what stands at the front of `changes`, which it takes off. */
static struct tenant_report tenant_diff_next(struct tenant_changes *changes)
{
    size_t changed = tenant_diff_portion(changes->changed, changes->changed_count);
    size_t removed = changes->removed_count < TENANTS_PER_MESSAGE_MAX ? changes->removed_count
                                                                      : TENANTS_PER_MESSAGE_MAX;
    const struct tenant_report report = { .tenants = changes->changed,
                                          .tenant_count = changed,
                                          .removed = changes->removed,
                                          .removed_count = removed };

    if (changed > 0) {
        changes->changed += changed;
        changes->changed_count -= changed;
    }
    if (removed > 0) {
        changes->removed += removed;
        changes->removed_count -= removed;
    }
    return report;
}

static size_t tenant_diff_cut(struct tenant_changes changes, bool full, uint64_t refresh,
                              struct arena *arena, struct tenant_report **ret_reports)
{
    struct tenant_changes uncounted = changes;
    size_t count = 0;

    do {
        (void)tenant_diff_next(&uncounted);
        count++;
    } while (uncounted.changed_count > 0 || uncounted.removed_count > 0);
    struct tenant_report *reports = arena_alloc_array(arena, count, sizeof(*reports));
    for (size_t i = 0; i < count; i++) {
        reports[i] = tenant_diff_next(&changes);
    }
    reports[0].full = full;
    reports[count - 1].last = true;
    reports[count - 1].refresh = refresh;
    *ret_reports = reports;
    return count;
}

size_t tenant_diff(const struct tenant_info *before, size_t before_count,
                   const struct tenant_info *now, size_t now_count, bool full, uint64_t refresh,
                   struct arena *arena, struct tenant_report **ret_reports)
{
    if (full) {
        const struct tenant_changes all = { .changed = now, .changed_count = now_count };
        return tenant_diff_cut(all, true, refresh, arena, ret_reports);
    }
    struct tenant_info *changed = arena_alloc_array(arena, now_count, sizeof(*changed));
    const char **removed = arena_alloc_array(arena, before_count, sizeof(*removed));
    size_t changed_count = 0;
    size_t removed_count = 0;
    size_t i = 0;
    size_t j = 0;
    while (i < before_count || j < now_count) {
        int order = i == before_count ? 1
                    : j == now_count  ? -1
                                      : strcmp(before[i].name, now[j].name);
        if (order < 0) {
            removed[removed_count++] = before[i++].name;
            continue;
        }
        if (order > 0 || !tenant_equal(&before[i], &now[j])) {
            changed[changed_count++] = now[j];
        }
        i += order == 0 ? 1 : 0;
        j++;
    }
    const struct tenant_changes changes = { changed, changed_count, removed, removed_count };
    return tenant_diff_cut(changes, false, refresh, arena, ret_reports);
}
