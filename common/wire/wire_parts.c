#include "common/wire/wire_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/semver.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_enum.h"

Skein__V1__Label **wire_parts_of_labels(const struct labels *labels, struct arena *arena)
{
    Skein__V1__Label **items = arena_alloc_array(arena, labels->count, sizeof(Skein__V1__Label *));

    for (size_t i = 0; i < labels->count; i++) {
        items[i] = wire_codec_new(&skein__v1__label__descriptor, arena);
        items[i]->key = wire_codec_borrow(labels->items[i].key);
        items[i]->value = wire_codec_borrow(labels->items[i].value);
    }
    return items;
}

static int wire_parts_compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

struct labels wire_parts_to_labels(struct wire_check *check, Skein__V1__Label *const *items,
                                   size_t count, struct arena *arena)
{
    wire_check_number(check, "labels", count, LABELS_MAX);
    if (check->failed || count == 0) {
        return (struct labels){ 0 };
    }
    struct label *labels = arena_alloc_array(arena, count, sizeof(*labels));
    for (size_t i = 0; i < count; i++) {
        labels[i].key = wire_check_name(check, "labels.key", items[i]->key);
        labels[i].value = wire_check_text(check, "labels.value", items[i]->value, TEXT_BYTES_MAX);
    }
    qsort(labels, count, sizeof(*labels), wire_parts_compare_labels);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(labels[i - 1].key, labels[i].key) == 0) {
            wire_check_fail(check, "labels.key", "'%s' comes twice", labels[i].key);
        }
    }
    return (struct labels){ labels, count };
}

Skein__V1__SetVersion **wire_parts_of_versions(const struct set_version *versions, size_t count,
                                               struct arena *arena)
{
    Skein__V1__SetVersion **items =
        arena_alloc_array(arena, count, sizeof(Skein__V1__SetVersion *));

    for (size_t i = 0; i < count; i++) {
        items[i] = wire_codec_new(&skein__v1__set_version__descriptor, arena);
        items[i]->set = wire_codec_borrow(versions[i].set);
        items[i]->version = wire_codec_borrow(versions[i].version);
        items[i]->rollout = wire_codec_borrow(versions[i].rollout);
        items[i]->fence = versions[i].fence;
        items[i]->undone = wire_codec_borrow(versions[i].undone);
        items[i]->repeatables = versions[i].repeatables;
    }
    return items;
}

Skein__V1__TenantInfo *wire_parts_of_tenant(const struct tenant_info *tenant, struct arena *arena)
{
    Skein__V1__TenantInfo *message = wire_codec_new(&skein__v1__tenant_info__descriptor, arena);

    message->name = wire_codec_borrow(tenant->name);
    message->labels = wire_parts_of_labels(&tenant->labels, arena);
    message->n_labels = tenant->labels.count;
    message->versions = wire_parts_of_versions(tenant->versions, tenant->version_count, arena);
    message->n_versions = tenant->version_count;
    message->has_objects = tenant->has_objects;
    return message;
}

struct tenant_info wire_parts_to_tenant(struct wire_check *check,
                                        const Skein__V1__TenantInfo *tenant, struct arena *arena)
{
    struct tenant_info info = {
        .name = wire_check_key(check, "name", tenant->name),
        .labels = wire_parts_to_labels(check, tenant->labels, tenant->n_labels, arena),
        .has_objects = tenant->has_objects != 0,
    };

    wire_check_number(check, "versions", tenant->n_versions, VERSIONS_PER_TENANT_MAX);
    if (check->failed || tenant->n_versions == 0) {
        return info;
    }
    struct set_version *versions = arena_alloc_array(arena, tenant->n_versions, sizeof(*versions));
    for (size_t i = 0; i < tenant->n_versions; i++) {
        const Skein__V1__SetVersion *from = tenant->versions[i];
        /* There is none where a rollback took the first version away, or that is half done. */
        versions[i] = (struct set_version){
            .set = wire_check_key(check, "versions.set", from->set),
            .version = wire_check_name_or_empty(check, "versions.version", from->version),
            .rollout = wire_check_name_or_empty(check, "versions.rollout", from->rollout),
            .fence = from->fence,
            .undone = wire_check_name_or_empty(check, "versions.undone", from->undone),
            .repeatables = from->repeatables,
        };
    }
    info.versions = versions;
    info.version_count = tenant->n_versions;
    return info;
}

Skein__V1__TaskError *wire_parts_of_error(const struct task_error *error, struct arena *arena)
{
    Skein__V1__TaskError *message = wire_codec_new(&skein__v1__task_error__descriptor, arena);

    message->tenant = wire_codec_borrow(error->tenant);
    message->mode = wire_enum_of_mode(error->mode);
    message->code = wire_enum_of_code(error->code);
    message->sqlstate = wire_codec_borrow(error->sqlstate);
    message->message = wire_codec_text(arena, error->message, ERROR_BYTES_MAX);
    message->detail = wire_codec_text(arena, error->detail, ERROR_BYTES_MAX);
    message->hint = wire_codec_text(arena, error->hint, ERROR_BYTES_MAX);
    message->file = wire_codec_text(arena, error->file, TEXT_BYTES_MAX);
    message->statement = error->statement;
    message->line = error->line;
    return message;
}

struct task_error wire_parts_to_error(struct wire_check *check, const Skein__V1__TaskError *error,
                                      enum task_mode mode)
{
    struct task_error result = {
        .tenant = "",
        .mode = mode,
        .sqlstate = "",
        .message = "",
        .detail = "",
        .hint = "",
        .file = "",
    };

    if (error == NULL) {
        return result;
    }
    result.tenant = error->tenant;
    if (error->tenant[0] != '\0') {
        wire_check_tenant(check, "error.tenant", error->tenant);
    }
    if (error->mode != SKEIN__V1__TASK_MODE__TASK_MODE_UNSPECIFIED) {
        result.mode = wire_enum_to_mode(check, "error.mode", error->mode);
    }
    result.code = wire_enum_to_code(check, "error.code", error->code);
    result.sqlstate = wire_check_name_or_empty(check, "error.sqlstate", error->sqlstate);
    result.message = wire_check_text(check, "error.message", error->message, ERROR_BYTES_MAX);
    result.detail = wire_check_text(check, "error.detail", error->detail, ERROR_BYTES_MAX);
    result.hint = wire_check_text(check, "error.hint", error->hint, ERROR_BYTES_MAX);
    result.file = wire_check_text(check, "error.file", error->file, TEXT_BYTES_MAX);
    result.statement = error->statement;
    result.line = error->line;
    return result;
}

Skein__V1__RolloutCounts *wire_parts_of_counts(const struct rollout_counts *counts,
                                               struct arena *arena)
{
    Skein__V1__RolloutCounts *message =
        wire_codec_new(&skein__v1__rollout_counts__descriptor, arena);

    message->total = counts->total;
    message->queued = counts->queued;
    message->running = counts->running;
    message->migrated = counts->migrated;
    message->skipped = counts->skipped;
    message->failed = counts->failed;
    message->unknown = counts->unknown;
    message->rolled_back = counts->rolled_back;
    message->dry_run_passed = counts->dry_run_passed;
    return message;
}

struct rollout_counts wire_parts_to_counts(const Skein__V1__RolloutCounts *counts)
{
    if (counts == NULL) {
        return (struct rollout_counts){ 0 };
    }
    return (struct rollout_counts){
        .total = counts->total,
        .queued = counts->queued,
        .running = counts->running,
        .migrated = counts->migrated,
        .skipped = counts->skipped,
        .failed = counts->failed,
        .unknown = counts->unknown,
        .rolled_back = counts->rolled_back,
        .dry_run_passed = counts->dry_run_passed,
    };
}

Skein__V1__DryRunClass **wire_parts_of_classes(const struct dry_run_class *classes, size_t count,
                                               struct arena *arena)
{
    Skein__V1__DryRunClass **items = arena_alloc_array(arena, count, sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        items[i] = wire_codec_new(&skein__v1__dry_run_class__descriptor, arena);
        items[i]->tenant = wire_codec_borrow(classes[i].tenant);
        items[i]->tenants = classes[i].tenants;
    }
    return items;
}

const struct dry_run_class *wire_parts_to_classes(struct wire_check *check,
                                                  Skein__V1__DryRunClass *const *items,
                                                  size_t count, struct arena *arena)
{
    struct dry_run_class *classes = arena_alloc_array(arena, count, sizeof(*classes));

    for (size_t i = 0; i < count; i++) {
        classes[i].tenant = wire_check_tenant(check, "dry_run_classes.tenant", items[i]->tenant);
        classes[i].tenants = items[i]->tenants;
    }
    return classes;
}

Skein__V1__SkipCount **wire_parts_of_skips(const uint64_t skips[TASK_CODE_COUNT],
                                           struct arena *arena, size_t *ret_count)
{
    Skein__V1__SkipCount **items = arena_alloc_array(arena, TASK_CODE_COUNT, sizeof(*items));
    size_t count = 0;

    for (int code = 0; code < TASK_CODE_COUNT; code++) {
        if (skips[code] > 0) {
            items[count] = wire_codec_new(&skein__v1__skip_count__descriptor, arena);
            items[count]->code = wire_enum_of_code((enum task_code)code);
            items[count]->count = skips[code];
            count++;
        }
    }
    *ret_count = count;
    return items;
}

void wire_parts_to_skips(struct wire_check *check, Skein__V1__SkipCount *const *items, size_t count,
                         uint64_t ret_skips[TASK_CODE_COUNT])
{
    for (size_t i = 0; i < count; i++) {
        ret_skips[wire_enum_to_code(check, "skips.code", items[i]->code)] = items[i]->count;
    }
}

Skein__V1__HistoryEntry **wire_parts_of_history(const struct history_entry *entries, size_t count,
                                                struct arena *arena)
{
    Skein__V1__HistoryEntry **items =
        arena_alloc_array(arena, count, sizeof(Skein__V1__HistoryEntry *));

    for (size_t i = 0; i < count; i++) {
        const struct history_entry *from = &entries[i];
        Skein__V1__HistoryEntry *to = wire_codec_new(&skein__v1__history_entry__descriptor, arena);
        to->id = from->id;
        to->set = wire_codec_text(arena, from->set, TEXT_BYTES_MAX);
        to->version = wire_codec_text(arena, from->version, TEXT_BYTES_MAX);
        to->script = wire_codec_text(arena, from->script, TEXT_BYTES_MAX);
        to->direction = wire_codec_text(arena, from->direction, TEXT_BYTES_MAX);
        to->checksum = wire_codec_text(arena, from->checksum, TEXT_BYTES_MAX);
        to->rollout = wire_codec_text(arena, from->rollout, TEXT_BYTES_MAX);
        to->agent = wire_codec_text(arena, from->agent, TEXT_BYTES_MAX);
        to->fence = from->fence;
        to->state = wire_codec_text(arena, from->state, TEXT_BYTES_MAX);
        to->started_at_ms = from->started_at_ms;
        to->duration_ms = from->duration_ms;
        items[i] = to;
    }
    return items;
}

const struct history_entry *wire_parts_to_history(struct wire_check *check,
                                                  Skein__V1__HistoryEntry *const *entries,
                                                  size_t count, struct arena *arena)
{
    wire_check_number(check, "entries", count, HISTORY_ENTRIES_MAX);
    if (check->failed || count == 0) {
        return NULL;
    }
    struct history_entry *items = arena_alloc_array(arena, count, sizeof(*items));
    check->list = "entries";
    for (size_t i = 0; i < count; i++) {
        const Skein__V1__HistoryEntry *from = entries[i];
        check->index = i;
        items[i] = (struct history_entry){
            .id = from->id,
            .set = wire_check_text(check, "set", from->set, TEXT_BYTES_MAX),
            .version = wire_check_text(check, "version", from->version, TEXT_BYTES_MAX),
            .script = wire_check_text(check, "script", from->script, TEXT_BYTES_MAX),
            .direction = wire_check_text(check, "direction", from->direction, TEXT_BYTES_MAX),
            .checksum = wire_check_text(check, "checksum", from->checksum, TEXT_BYTES_MAX),
            .rollout = wire_check_text(check, "rollout", from->rollout, TEXT_BYTES_MAX),
            .agent = wire_check_text(check, "agent", from->agent, TEXT_BYTES_MAX),
            .fence = from->fence,
            .state = wire_check_text(check, "state", from->state, TEXT_BYTES_MAX),
            .started_at_ms = from->started_at_ms,
            .duration_ms = from->duration_ms,
        };
    }
    check->list = NULL;
    return items;
}

char **wire_parts_of_texts(const char *const *texts, size_t count, struct arena *arena)
{
    char **items = arena_alloc_array(arena, count, sizeof(char *));

    for (size_t i = 0; i < count; i++) {
        items[i] = wire_codec_borrow(texts[i]);
    }
    return items;
}

Skein__V1__TaskProgress *wire_parts_of_progress(const struct task_progress *progress,
                                                struct arena *arena)
{
    Skein__V1__TaskProgress *message = wire_codec_new(&skein__v1__task_progress__descriptor, arena);

    message->rollout = wire_codec_borrow(progress->rollout);
    message->tenant = wire_codec_borrow(progress->tenant);
    message->done = progress->done;
    message->total = progress->total;
    message->words = wire_codec_text(arena, progress->words, PROGRESS_BYTES_MAX);
    message->waits = progress->waits;
    return message;
}

struct task_progress wire_parts_to_progress(struct wire_check *check,
                                            const Skein__V1__TaskProgress *progress)
{
    return (struct task_progress){
        .rollout = wire_check_key(check, "rollout", progress->rollout),
        .tenant = wire_check_key(check, "tenant", progress->tenant),
        .done = progress->done,
        .total = progress->total,
        .words = wire_check_text(check, "words", progress->words, PROGRESS_BYTES_MAX),
        .waits = progress->waits,
    };
}
