#include "coordinator/decide/copy.h"

#include <assert.h>
#include <string.h>

#include "common/core/memory.h"

const char *copy_text(struct arena *arena, const char *text)
{
    return text == NULL || text[0] == '\0' ? "" : arena_strdup(arena, text);
}

struct labels copy_labels(struct arena *arena, const struct labels *from)
{
    struct label *items = arena_alloc_array(arena, from->count, sizeof(*items));

    for (size_t i = 0; i < from->count; i++) {
        items[i].key = copy_text(arena, from->items[i].key);
        items[i].value = copy_text(arena, from->items[i].value);
    }
    return (struct labels){ .items = items, .count = from->count };
}

struct task_error copy_error(struct arena *arena, const struct task_error *from)
{
    struct task_error copy = *from;

    copy.tenant = copy_text(arena, from->tenant);
    copy.sqlstate = copy_text(arena, from->sqlstate);
    copy.message = copy_text(arena, from->message);
    copy.detail = copy_text(arena, from->detail);
    copy.hint = copy_text(arena, from->hint);
    copy.file = copy_text(arena, from->file);
    return copy;
}

struct rollout_measures copy_measures(struct arena *arena, const struct rollout_measures *from)
{
    const struct task_measure **worst = arena_alloc_array(arena, from->worst_count, sizeof(*worst));
    struct rollout_measures copy = *from;

    for (size_t i = 0; i < from->worst_count; i++) {
        worst[i] = measure_copy(arena, from->worst[i]);
    }
    copy.worst = worst;
    return copy;
}

struct rollout_spec copy_spec(struct arena *arena, const struct rollout_spec *from)
{
    struct rollout_spec copy = *from;

    copy.id = copy_text(arena, from->id);
    copy.set = copy_text(arena, from->set);
    copy.digest = copy_text(arena, from->digest);
    copy.target = copy_text(arena, from->target);
    copy.selector = copy_text(arena, from->selector);
    copy.created_by = copy_text(arena, from->created_by);
    copy.reason = copy_text(arena, from->reason);
    copy.baseline_unmanaged = copy_text(arena, from->baseline_unmanaged);
    copy.tenant = copy_text(arena, from->tenant);
    copy.from_ledger = copy_text(arena, from->from_ledger);
    copy.labels = copy_labels(arena, &from->labels);
    return copy;
}

const struct dry_run_class *copy_classes(struct arena *arena, const struct dry_run_class *from,
                                         size_t count)
{
    struct dry_run_class *copy = arena_alloc_array(arena, count, sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i].tenant = copy_text(arena, from[i].tenant);
        copy[i].tenants = from[i].tenants;
    }
    return copy;
}

struct session_record copy_session(struct arena *arena, const struct session_record *from)
{
    struct session_record copy = *from;

    copy.shard = copy_text(arena, from->shard);
    copy.agent = copy_text(arena, from->agent);
    copy.peer = copy_text(arena, from->peer);
    return copy;
}

struct shard_record copy_shard(struct arena *arena, const struct shard_record *from)
{
    struct shard_record copy = *from;

    copy.name = copy_text(arena, from->name);
    copy.labels = copy_labels(arena, &from->labels);
    return copy;
}

struct lock_record copy_lock(struct arena *arena, const struct lock_record *from)
{
    struct lock_record copy = *from;

    copy.tenant = copy_text(arena, from->tenant);
    copy.owner = copy_text(arena, from->owner);
    copy.reason = copy_text(arena, from->reason);
    copy.rollout = copy_text(arena, from->rollout);
    copy.id = copy_text(arena, from->id);
    return copy;
}

struct set_head copy_head(struct arena *arena, const struct set_head *from)
{
    struct set_head copy = *from;

    copy.name = copy_text(arena, from->name);
    copy.digest = copy_text(arena, from->digest);
    copy.latest = copy_text(arena, from->latest);
    copy.min_version = copy_text(arena, from->min_version);
    copy.published_by = copy_text(arena, from->published_by);
    return copy;
}

struct audit_event copy_event(struct arena *arena, const struct audit_event *from)
{
    struct audit_event copy = *from;

    copy.actor = copy_text(arena, from->actor);
    copy.action = copy_text(arena, from->action);
    copy.object = copy_text(arena, from->object);
    copy.reason = copy_text(arena, from->reason);
    copy.detail = copy_text(arena, from->detail);
    return copy;
}

struct schema_reply copy_schemas(struct arena *arena, const struct schema_reply *from)
{
    struct tenant_schema *items = arena_alloc_array(arena, from->count, sizeof(*items));

    for (size_t i = 0; i < from->count; i++) {
        const struct tenant_schema *item = &from->items[i];
        const char **lines = arena_alloc_array(arena, item->line_count, sizeof(*lines));
        for (size_t l = 0; l < item->line_count; l++) {
            lines[l] = copy_text(arena, item->lines[l]);
        }
        items[i] = (struct tenant_schema){ .tenant = copy_text(arena, item->tenant),
                                           .digest = copy_text(arena, item->digest),
                                           .lines = lines,
                                           .line_count = item->line_count,
                                           .error = copy_text(arena, item->error) };
    }
    return (struct schema_reply){ .request = from->request,
                                  .items = items,
                                  .count = from->count,
                                  .error = copy_text(arena, from->error) };
}

struct history_reply copy_history(struct arena *arena, const struct history_reply *from)
{
    struct history_entry *entries = arena_alloc_array(arena, from->count, sizeof(*entries));

    for (size_t i = 0; i < from->count; i++) {
        const struct history_entry *entry = &from->entries[i];
        entries[i] = *entry;
        entries[i].set = copy_text(arena, entry->set);
        entries[i].version = copy_text(arena, entry->version);
        entries[i].script = copy_text(arena, entry->script);
        entries[i].direction = copy_text(arena, entry->direction);
        entries[i].checksum = copy_text(arena, entry->checksum);
        entries[i].rollout = copy_text(arena, entry->rollout);
        entries[i].agent = copy_text(arena, entry->agent);
        entries[i].state = copy_text(arena, entry->state);
    }
    return (struct history_reply){ .request = from->request,
                                   .entries = entries,
                                   .count = from->count,
                                   .error = copy_text(arena, from->error) };
}

/* ---- one block: the sizes are added up, then everything is laid behind the struct ---- */

struct block {
    char *at;
    const char *end;
};

static size_t block_text_bytes(const char *text)
{
    return text == NULL ? 1 : strlen(text) + 1;
}

static const char *block_text(struct block *block, const char *text)
{
    size_t bytes = block_text_bytes(text);
    char *copy = block->at;

    assert(block->at + bytes <= block->end);
    if (bytes > 1) {
        memcpy(copy, text, bytes);
    } else {
        copy[0] = '\0';
    }
    block->at += bytes;
    return copy;
}

static size_t block_labels_bytes(const struct labels *labels)
{
    size_t bytes = labels->count * sizeof(struct label);

    for (size_t i = 0; i < labels->count; i++) {
        bytes += block_text_bytes(labels->items[i].key) + block_text_bytes(labels->items[i].value);
    }
    return bytes;
}

/* The array is laid at `items`, which is aligned; texts follow in the block. */
static struct labels block_labels(struct block *block, struct label *items,
                                  const struct labels *from)
{
    for (size_t i = 0; i < from->count; i++) {
        items[i].key = block_text(block, from->items[i].key);
        items[i].value = block_text(block, from->items[i].value);
    }
    return (struct labels){ .items = items, .count = from->count };
}

struct labels *copy_labels_block(const struct labels *from)
{
    size_t bytes = sizeof(*from) + block_labels_bytes(from);
    struct labels *copy = memory_alloc(bytes);
    struct label *items = (struct label *)(void *)(copy + 1);
    struct block block = { .at = (char *)(items + from->count), .end = (char *)copy + bytes };

    *copy = block_labels(&block, items, from);
    return copy;
}

struct tenant_info *copy_tenant_block(const struct tenant_info *from)
{
    size_t bytes = sizeof(*from) + block_text_bytes(from->name) + block_labels_bytes(&from->labels);

    for (size_t i = 0; i < from->version_count; i++) {
        const struct set_version *version = &from->versions[i];
        bytes += sizeof(*version) + block_text_bytes(version->set) +
                 block_text_bytes(version->version) + block_text_bytes(version->rollout) +
                 block_text_bytes(version->undone);
    }
    struct tenant_info *copy = memory_alloc(bytes);
    struct set_version *versions = (struct set_version *)(void *)(copy + 1);
    struct label *labels = (struct label *)(void *)(versions + from->version_count);
    struct block block = { .at = (char *)(labels + from->labels.count),
                           .end = (char *)copy + bytes };

    copy->name = block_text(&block, from->name);
    copy->labels = block_labels(&block, labels, &from->labels);
    for (size_t i = 0; i < from->version_count; i++) {
        versions[i].set = block_text(&block, from->versions[i].set);
        versions[i].version = block_text(&block, from->versions[i].version);
        versions[i].rollout = block_text(&block, from->versions[i].rollout);
        versions[i].fence = from->versions[i].fence;
        versions[i].undone = block_text(&block, from->versions[i].undone);
        versions[i].repeatables = from->versions[i].repeatables;
    }
    copy->versions = versions;
    copy->version_count = from->version_count;
    copy->has_objects = from->has_objects;
    return copy;
}

struct failure_record *copy_failure_block(const struct failure_record *from)
{
    const struct task_error *error = &from->error;
    size_t bytes = sizeof(*from) + block_text_bytes(error->tenant) +
                   block_text_bytes(error->sqlstate) + block_text_bytes(error->message) +
                   block_text_bytes(error->detail) + block_text_bytes(error->hint) +
                   block_text_bytes(error->file);
    struct failure_record *copy = memory_alloc(bytes);
    struct block block = { .at = (char *)(copy + 1), .end = (char *)copy + bytes };

    *copy = *from;
    copy->error.tenant = block_text(&block, error->tenant);
    copy->error.sqlstate = block_text(&block, error->sqlstate);
    copy->error.message = block_text(&block, error->message);
    copy->error.detail = block_text(&block, error->detail);
    copy->error.hint = block_text(&block, error->hint);
    copy->error.file = block_text(&block, error->file);
    return copy;
}

struct audit_event *copy_event_block(const struct audit_event *from)
{
    size_t bytes = sizeof(*from) + block_text_bytes(from->actor) + block_text_bytes(from->action) +
                   block_text_bytes(from->object) + block_text_bytes(from->reason) +
                   block_text_bytes(from->detail);
    struct audit_event *copy = memory_alloc(bytes);
    struct block block = { .at = (char *)(copy + 1), .end = (char *)copy + bytes };

    *copy = *from;
    copy->actor = block_text(&block, from->actor);
    copy->action = block_text(&block, from->action);
    copy->object = block_text(&block, from->object);
    copy->reason = block_text(&block, from->reason);
    copy->detail = block_text(&block, from->detail);
    return copy;
}
