#include "agent/register_desk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"

struct register_item {
    struct register_item *next;
    struct agent_event *result;
};

/* What is known of all tenants. */
struct register_picture {
    struct arena arena;
    struct tenant_register_row *rows; /* NULL: there is none */
    size_t count;
    uint64_t started_ms;
};

struct register_desk {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all but `reg` and `set` */
    pthread_cond_t asked;
    bool stopped;
    struct register_item *first, **last; /* oldest first; bounded by the tasks an agent may have */
    struct register_picture picture;
    uint64_t newest_ms; /* when the newest result came in */
    struct mailbox *inbox;
    char *set, *shard;
    struct tenant_register *reg; /* the thread's own */
    uint64_t rest_until_ms;      /* the same: it could not be reached a moment ago */
    struct error why;            /* the same */
};

static bool register_desk_is_move(const struct task_result *result)
{
    bool moves = result->mode == TASK_RUN || result->mode == TASK_BASELINE ||
                 result->mode == TASK_CREATE || result->mode == TASK_ROLLBACK ||
                 result->mode == TASK_DROP || result->mode == TASK_SETTLE;

    return moves && result->outcome == TASK_SUCCEEDED;
}

/* ---- one group ---- */

static bool register_desk_is_last_of(const struct register_item *item)
{
    for (const struct register_item *later = item->next; later != NULL; later = later->next) {
        if (strcmp(later->result->result.tenant, item->result->result.tenant) == 0) {
            return false;
        }
    }
    return true;
}

static void register_desk_warn(const struct register_desk *desk, struct agent_event *event,
                               const char *message)
{
    struct task_result *result = &event->result;
    struct arena *arena = &event->arena;
    struct task_error *warnings =
        arena_alloc_array(arena, result->warning_count + 1, sizeof(*warnings));

    for (size_t i = 0; i < result->warning_count; i++) {
        warnings[i] = result->warnings[i];
    }
    warnings[result->warning_count] = (struct task_error){
        .tenant = arena_printf(arena, "%s/%s", desk->shard, result->tenant),
        .mode = result->mode,
        .code = TASK_CODE_REGISTRY,
        .sqlstate = "",
        .message = arena_strdup(arena, message),
        .detail = "",
        .hint = "The tenant itself is as reported. It is written again until it works.",
        .file = "",
    };
    result->warnings = warnings;
    result->warning_count++;
}

static bool register_desk_is_among(const char *tenant, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], tenant) == 0) {
            return true;
        }
    }
    return false;
}

static bool register_desk_write(struct register_desk *desk, struct register_item *items,
                                struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *const *missing = NULL;
    size_t missing_count = 0;
    size_t count = 0;

    for (const struct register_item *item = items; item != NULL; item = item->next) {
        count++;
    }
    struct tenant_register_row *rows = arena_alloc_array(&arena, count, sizeof(*rows));
    count = 0;
    for (const struct register_item *item = items; item != NULL; item = item->next) {
        const struct task_result *result = &item->result->result;
        if (!register_desk_is_last_of(item)) {
            continue;
        }
        if (result->mode == TASK_DROP) {
            if (!tenant_register_remove(desk->reg, result->tenant, err)) {
                return false;
            }
            continue;
        }
        rows[count++] = (struct tenant_register_row){
            .tenant = result->tenant, .version = result->version[0] == '\0' ? NULL : result->version
        };
    }
    if (count > 0 &&
        !tenant_register_put(desk->reg, rows, count, &arena, &missing, &missing_count, err)) {
        return false;
    }
    for (struct register_item *item = items; item != NULL && missing_count > 0; item = item->next) {
        if (register_desk_is_among(item->result->result.tenant, missing, missing_count)) {
            register_desk_warn(desk, item->result, "the registry has no row of this tenant");
        }
    }
    return true;
}

static void register_desk_group(struct register_desk *desk, struct register_item *items)
{
    struct error err = { 0 };
    /* A registry that is away must not slow every group down by its timeout. */
    bool rests = clock_monotonic_ms() < desk->rest_until_ms;
    bool written = !rests && register_desk_write(desk, items, &err);

    if (!written && !rests) {
        desk->rest_until_ms = clock_monotonic_ms() + REGISTER_REST_MS;
        desk->why = err;
        log_failure("registry_not_written", &err, "results=waiting");
    }
    while (items != NULL) {
        struct register_item *item = items;
        items = item->next;
        if (!written) {
            register_desk_warn(desk, item->result, desk->why.message);
        }
        item->result->registered = true;
        mailbox_post_reserved(desk->inbox, item->result);
        free(item);
    }
}

/* ---- everything ---- */

static void register_desk_compare_all(struct register_desk *desk, struct register_picture *picture)
{
    struct error err = { 0 };
    const char *const *missing = NULL;
    size_t missing_count = 0;

    if (clock_monotonic_ms() < desk->rest_until_ms) {
        return; /* the next reading is compared, too */
    }
    if (!tenant_register_put(desk->reg, picture->rows, picture->count, &picture->arena, &missing,
                             &missing_count, &err)) {
        desk->rest_until_ms = clock_monotonic_ms() + REGISTER_REST_MS;
        desk->why = err;
        log_failure("registry_not_compared", &err, "tenants=%zu", picture->count);
    } else if (missing_count > 0) {
        log_debug("registry_rows_missing", "count=%zu first=%s", missing_count, missing[0]);
    }
}

static void *register_desk_run(void *argument)
{
    struct register_desk *desk = argument;

    pthread_setname_np(pthread_self(), "registry");
    pthread_mutex_lock(&desk->mutex);
    while (!desk->stopped) {
        struct register_item *items = desk->first;
        if (items != NULL) {
            desk->first = NULL;
            desk->last = &desk->first;
            pthread_mutex_unlock(&desk->mutex);
            register_desk_group(desk, items);
            pthread_mutex_lock(&desk->mutex);
        } else if (desk->picture.rows != NULL) {
            /* What was seen before the newest result may be older than what that has written. */
            bool holds = desk->picture.started_ms > desk->newest_ms;
            struct register_picture picture = TAKE(desk->picture);
            pthread_mutex_unlock(&desk->mutex);
            if (holds) {
                register_desk_compare_all(desk, &picture);
            }
            arena_release(&picture.arena);
            pthread_mutex_lock(&desk->mutex);
        } else {
            pthread_cond_wait(&desk->asked, &desk->mutex);
        }
    }
    pthread_mutex_unlock(&desk->mutex);
    return NULL;
}

/* ---- from outside ---- */

struct register_desk *register_desk_start(const struct tenant_register_options *options,
                                          struct mailbox *inbox)
{
    if (options->conninfo[0] == '\0') {
        return NULL;
    }
    struct register_desk *desk = memory_alloc(sizeof(*desk));
    desk->reg = tenant_register_new(options);
    desk->set = memory_strdup(options->set);
    desk->shard = memory_strdup(options->shard);
    desk->inbox = inbox;
    desk->last = &desk->first;
    pthread_mutex_init(&desk->mutex, NULL);
    clock_cond_init(&desk->asked);
    pthread_create(&desk->thread, NULL, register_desk_run, desk);
    return desk;
}

void register_desk_stop(struct register_desk **pointer)
{
    struct register_desk *desk = *pointer;

    if (desk == NULL) {
        return;
    }
    pthread_mutex_lock(&desk->mutex);
    desk->stopped = true;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
    pthread_join(desk->thread, NULL);
    while (desk->first != NULL) {
        struct register_item *item = desk->first;
        desk->first = item->next;
        agent_event_free(&item->result); /* the journals have it, and so will the next agent */
        free(item);
    }
    arena_release(&desk->picture.arena);
    tenant_register_free(&desk->reg);
    pthread_cond_destroy(&desk->asked);
    pthread_mutex_destroy(&desk->mutex);
    free(desk->set);
    free(desk->shard);
    free(desk);
    *pointer = NULL;
}

bool register_desk_take(struct register_desk *desk, struct agent_event *result, const char *set)
{
    if (desk == NULL || result->registered || set == NULL || strcmp(set, desk->set) != 0 ||
        !register_desk_is_move(&result->result)) {
        return false;
    }
    struct register_item *item = memory_alloc(sizeof(*item));
    item->result = result;
    pthread_mutex_lock(&desk->mutex);
    *desk->last = item;
    desk->last = &item->next;
    desk->newest_ms = clock_monotonic_ms();
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
    return true;
}

void register_desk_compare(struct register_desk *desk, const struct tenant_info *tenants,
                           size_t count, uint64_t started_ms)
{
    struct register_picture picture = { .started_ms = started_ms };

    if (desk == NULL) {
        return;
    }
    picture.rows = arena_alloc_array(&picture.arena, count + 1, sizeof(*picture.rows));
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < tenants[i].version_count; v++) {
            if (strcmp(tenants[i].versions[v].set, desk->set) == 0) {
                picture.rows[picture.count++] = (struct tenant_register_row){
                    .tenant = arena_strdup(&picture.arena, tenants[i].name),
                    .version = arena_strdup(&picture.arena, tenants[i].versions[v].version)
                };
            }
        }
    }
    pthread_mutex_lock(&desk->mutex);
    arena_release(&desk->picture.arena);
    desk->picture = picture;
    pthread_cond_signal(&desk->asked);
    pthread_mutex_unlock(&desk->mutex);
}
