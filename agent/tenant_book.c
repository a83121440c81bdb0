#include "agent/tenant_book.h"

#include <stdlib.h>
#include <string.h>

#include "agent/decide/tenant_diff.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

/* Something that this agent did. */
struct tenant_note {
    const char *tenant;
    struct set_version version;
    uint64_t at_ms;
};

struct tenant_book {
    struct tenants_snapshot tenants; /* as last read, and changed since by our own results */
    bool known;
    bool sent;        /* the coordinator has all of `tenants` */
    uint64_t wanted;  /* older readings say nothing */
    uint64_t refresh; /* newest that `tenants` answers */
    /* What was done since the last reading began, oldest first. */
    struct arena notes_arena;
    struct tenant_note *notes;
    size_t note_count;
    size_t note_capacity;
};

struct tenant_book *tenant_book_new(void)
{
    return memory_alloc(sizeof(struct tenant_book));
}

void tenant_book_free(struct tenant_book **pointer)
{
    if (*pointer != NULL) {
        tenants_snapshot_release(&(*pointer)->tenants);
        arena_release(&(*pointer)->notes_arena);
        free((*pointer)->notes);
        free(*pointer);
        *pointer = NULL;
    }
}

static void tenant_book_send(struct tenant_book *book, struct line *line,
                             const struct tenant_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS, .tenants = reports[i] };
        line_send(line, &message);
    }
    book->sent = true;
}

void tenant_book_welcome(struct tenant_book *book, struct line *line)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct tenant_report *reports;

    book->refresh = 0; /* what is still wanted is asked for again, after the welcome */
    book->sent = false;
    if (!book->known) {
        return; /* sent when they are read for the first time */
    }
    size_t count = tenant_diff(NULL, 0, book->tenants.items, book->tenants.count, true,
                               book->refresh, &arena, &reports);
    tenant_book_send(book, line, reports, count);
}

void tenant_book_distrust(struct tenant_book *book, uint64_t reading)
{
    book->known = false;
    book->wanted = reading;
}

void tenant_book_closed(struct tenant_book *book)
{
    book->sent = false;
}

/* ---- what this agent did ---- */

static struct tenant_info *tenant_book_find(struct tenants_snapshot *tenants, const char *name)
{
    size_t low = 0;
    size_t high = tenants->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(tenants->items[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == tenants->count || strcmp(tenants->items[low].name, name) != 0) {
        return NULL;
    }
    /* The snapshot is ours alone; it is const so that who reports it does not change it. */
    return (struct tenant_info *)(uintptr_t)&tenants->items[low];
}

static void tenant_book_apply(struct tenants_snapshot *tenants, const struct tenant_note *note)
{
    struct tenant_info *tenant = tenant_book_find(tenants, note->tenant);
    struct arena *arena = &tenants->arena;
    size_t count = 0;

    if (tenant == NULL) {
        return; /* dropped since, or not to be reported */
    }
    struct set_version *versions =
        arena_alloc_array(arena, tenant->version_count + 1, sizeof(*versions));
    for (size_t i = 0; i < tenant->version_count; i++) {
        if (strcmp(tenant->versions[i].set, note->version.set) != 0) {
            versions[count++] = tenant->versions[i];
        }
    }
    versions[count++] = (struct set_version){ .set = arena_strdup(arena, note->version.set),
                                              .version = arena_strdup(arena, note->version.version),
                                              .rollout = arena_strdup(arena, note->version.rollout),
                                              .fence = note->version.fence,
                                              .undone = arena_strdup(arena, note->version.undone),
                                              .repeatables = note->version.repeatables };
    tenant->versions = versions;
    tenant->version_count = count;
}

static void tenant_book_keep(struct tenant_book *book, const struct tenant_note *note)
{
    struct arena *arena = &book->notes_arena;

    book->notes =
        memory_reserve(book->notes, book->note_count, &book->note_capacity, sizeof(*book->notes));
    book->notes[book->note_count++] = (struct tenant_note){
        .tenant = arena_strdup(arena, note->tenant),
        .version = { .set = arena_strdup(arena, note->version.set),
                     .version = arena_strdup(arena, note->version.version),
                     .rollout = arena_strdup(arena, note->version.rollout),
                     .fence = note->version.fence,
                     .undone = arena_strdup(arena, note->version.undone),
                     .repeatables = note->version.repeatables },
        .at_ms = note->at_ms,
    };
}

void tenant_book_note(struct tenant_book *book, const struct task_result *result, const char *set,
                      uint64_t now_ms)
{
    bool undone = result->mode == TASK_ROLLBACK;
    bool moved = result->outcome == TASK_SUCCEEDED && !task_mode_is_dry(result->mode) &&
                 result->version != NULL && (undone || result->version[0] != '\0');

    if (moved) {
        const struct tenant_note note = { .tenant = result->tenant,
                                          .version = { .set = set,
                                                       .version = result->version,
                                                       .rollout = undone ? "" : result->rollout,
                                                       .fence = result->token,
                                                       .undone = undone ? result->rollout : "",
                                                       .repeatables = result->repeatables },
                                          .at_ms = now_ms };
        tenant_book_keep(book, &note);
        tenant_book_apply(&book->tenants, &note);
    }
}

/* A reading has seen all that was done before it began. What was done later is written into it. */
static void tenant_book_apply_notes(struct tenant_book *book, struct tenants_snapshot *tenants,
                                    uint64_t started_ms)
{
    struct arena old_arena = TAKE(book->notes_arena); /* holds the texts until they are copied */
    size_t count = book->note_count;

    /* In their order: what is kept never stands behind where it stood. */
    book->note_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (book->notes[i].at_ms >= started_ms) {
            const struct tenant_note note = book->notes[i];
            tenant_book_apply(tenants, &note);
            tenant_book_keep(book, &note);
        }
    }
    arena_release(&old_arena);
}

/* ---- what was read ---- */

void tenant_book_put(struct tenant_book *book, const struct tenant_reading *reading,
                     struct line *line)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct tenants_snapshot *now = reading->snapshot;
    struct tenant_report *reports;

    if (reading->number < book->wanted) {
        tenants_snapshot_release(now);
        return;
    }
    tenant_book_apply_notes(book, now, reading->started_ms);
    if (line != NULL) {
        size_t count = tenant_diff(book->tenants.items, book->tenants.count, now->items, now->count,
                                   !book->sent, reading->refresh, &arena, &reports);
        tenant_book_send(book, line, reports, count);
    }
    tenants_snapshot_release(&book->tenants);
    book->tenants = TAKE(*now);
    book->known = true;
    book->refresh = reading->refresh;
}

size_t tenant_book_count(const struct tenant_book *book)
{
    return book->tenants.count;
}
