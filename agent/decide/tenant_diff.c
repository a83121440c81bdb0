#include "agent/decide/tenant_diff.h"

#include <string.h>

#include "common/core/limits.h"

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
        if (va->fence != vb->fence || strcmp(va->set, vb->set) != 0 ||
            strcmp(va->version, vb->version) != 0 || strcmp(va->rollout, vb->rollout) != 0) {
            return false;
        }
    }
    return true;
}

/* Cuts `changed` and `removed` into messages. */
static size_t tenant_diff_cut(const struct tenant_info *changed, size_t changed_count,
                              const char *const *removed, size_t removed_count, bool full,
                              uint64_t refresh, struct arena *arena,
                              struct tenant_report **ret_reports)
{
    size_t most = changed_count > removed_count ? changed_count : removed_count;
    size_t count = (most + TENANTS_PER_MESSAGE_MAX - 1) / TENANTS_PER_MESSAGE_MAX;

    if (count == 0) {
        count = 1;
    }
    struct tenant_report *reports = arena_alloc_array(arena, count, sizeof(*reports));
    for (size_t i = 0; i < count; i++) {
        size_t at = i * TENANTS_PER_MESSAGE_MAX;
        struct tenant_report *report = &reports[i];
        *report = (struct tenant_report){ .full = full && i == 0,
                                          .last = i + 1 == count,
                                          .refresh = i + 1 == count ? refresh : 0 };
        if (at < changed_count) {
            size_t rest = changed_count - at;
            report->tenants = changed + at;
            report->tenant_count = rest < TENANTS_PER_MESSAGE_MAX ? rest : TENANTS_PER_MESSAGE_MAX;
        }
        if (at < removed_count) {
            size_t rest = removed_count - at;
            report->removed = removed + at;
            report->removed_count = rest < TENANTS_PER_MESSAGE_MAX ? rest : TENANTS_PER_MESSAGE_MAX;
        }
    }
    *ret_reports = reports;
    return count;
}

size_t tenant_diff(const struct tenant_info *before, size_t before_count,
                   const struct tenant_info *now, size_t now_count, bool full, uint64_t refresh,
                   struct arena *arena, struct tenant_report **ret_reports)
{
    if (full) {
        return tenant_diff_cut(now, now_count, NULL, 0, true, refresh, arena, ret_reports);
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
    return tenant_diff_cut(changed, changed_count, removed, removed_count, false, refresh, arena,
                           ret_reports);
}
