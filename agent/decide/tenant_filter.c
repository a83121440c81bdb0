#include "agent/decide/tenant_filter.h"

#include <stdbool.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/utf8.h"

enum { FILTER_SHOWN_BYTES = 64 };

static bool filter_has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F) {
            return true;
        }
    }
    return false;
}

/* NULL, or why the text is no name. */
static const char *filter_check_name(const char *name)
{
    size_t bytes = strlen(name);

    if (bytes == 0) {
        return "is empty";
    }
    if (bytes > NAME_BYTES_MAX) {
        return "is too long";
    }
    if (strchr(name, '/') != NULL) {
        return "holds a '/'";
    }
    if (filter_has_control(name)) {
        return "holds a control character";
    }
    return utf8_find_invalid((const uint8_t *)name, bytes) < bytes ? "is not UTF-8" : NULL;
}

static bool filter_is_label(const struct label *label)
{
    size_t key_bytes = strlen(label->key);
    size_t value_bytes = strlen(label->value);

    return key_bytes > 0 && key_bytes <= NAME_BYTES_MAX && value_bytes <= TEXT_BYTES_MAX &&
           !filter_has_control(label->key) &&
           utf8_find_invalid((const uint8_t *)label->key, key_bytes) == key_bytes &&
           utf8_find_invalid((const uint8_t *)label->value, value_bytes) == value_bytes;
}

static bool filter_is_version(const struct set_version *version)
{
    /* A tenant has none where a rollback took the first one away, or its first is half done. */
    return filter_check_name(version->set) == NULL && strlen(version->version) <= NAME_BYTES_MAX &&
           !filter_has_control(version->version) && strlen(version->rollout) <= NAME_BYTES_MAX &&
           !filter_has_control(version->rollout) && strlen(version->undone) <= NAME_BYTES_MAX &&
           !filter_has_control(version->undone);
}

/* NULL, or what is wrong. A label or a version is never just dropped: selectors and plans would
 * quietly mean something else. */
static const char *filter_check(const struct tenant_info *tenant, struct arena *arena)
{
    const char *why = filter_check_name(tenant->name);

    if (why != NULL) {
        return arena_printf(arena, "its name %s", why);
    }
    if (tenant->labels.count > LABELS_MAX) {
        return arena_printf(arena, "it has more than %d labels", LABELS_MAX);
    }
    for (size_t i = 0; i < tenant->labels.count; i++) {
        if (!filter_is_label(&tenant->labels.items[i])) {
            return arena_printf(arena,
                                "a label's key has 1 to %d bytes and no control characters, its "
                                "value at most %d bytes",
                                NAME_BYTES_MAX, TEXT_BYTES_MAX);
        }
    }
    for (size_t i = 0; i < tenant->version_count; i++) {
        if (!filter_is_version(&tenant->versions[i])) {
            return "its row in skein.tenant was not written by skein";
        }
    }
    return NULL;
}

static const char *filter_show(const char *name, struct arena *arena)
{
    char *shown = arena_strndup(
        arena, name, strlen(name) < FILTER_SHOWN_BYTES ? strlen(name) : FILTER_SHOWN_BYTES);

    for (char *c = shown; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7F) {
            *c = '?';
        }
    }
    return shown;
}

size_t tenant_filter(const struct tenant_info *tenants, size_t count, struct arena *arena,
                     const struct tenant_info **ret_tenants, const char **ret_trouble)
{
    struct tenant_info *kept = arena_alloc_array(arena, count, sizeof(*kept));
    const char *first = NULL;
    size_t kept_count = 0;

    for (size_t i = 0; i < count; i++) {
        const char *why = filter_check(&tenants[i], arena);
        if (why == NULL) {
            kept[kept_count++] = tenants[i];
        } else if (first == NULL) {
            first = arena_printf(arena, "tenant '%s' is left out: %s",
                                 filter_show(tenants[i].name, arena), why);
        }
    }
    *ret_tenants = kept;
    *ret_trouble = first == NULL ? "" : first;
    if (count - kept_count > 1) {
        *ret_trouble =
            arena_printf(arena, "%s; %zu tenants are left out", first, count - kept_count);
    }
    return kept_count;
}
