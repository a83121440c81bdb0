#include "coordinator/serve/operator_view.h"

#include <string.h>

#include "common/core/limits.h"
#include "common/model/plan.h"
#include "common/wire/wire_codec.h"
#include "common/wire/wire_enum.h"
#include "common/wire/wire_measure.h"
#include "common/wire/wire_parts.h"
#include "common/wire/wire_record.h"
#include "coordinator/decide/copy.h"

/* ---- rollouts ---- */

static void operator_view_add_locked(Skein__V1__Rollout *rollout, const struct rollout_view *view,
                                     struct arena *arena)
{
    rollout->locked =
        arena_alloc_array(arena, view->locked_count, sizeof(Skein__V1__LockedTenant *));
    for (size_t i = 0; i < view->locked_count; i++) {
        const struct lock_record *lock = view->locked[i].lock;
        Skein__V1__LockedTenant *locked =
            wire_codec_new(&skein__v1__locked_tenant__descriptor, arena);
        locked->tenant = wire_codec_borrow(lock->tenant);
        locked->owner = wire_codec_text(arena, lock->owner, TEXT_BYTES_MAX);
        locked->reason = wire_codec_text(arena, lock->reason, TEXT_BYTES_MAX);
        locked->rollout = wire_codec_borrow(lock->rollout);
        locked->locked_at_ms = lock->since_ms;
        locked->skip_at_ms = view->locked[i].skip_at_ms;
        rollout->locked[rollout->n_locked++] = locked;
    }
    rollout->locked_total = view->locked_total;
}

static void operator_view_add_progress(Skein__V1__Rollout *rollout, const struct rollout_view *view,
                                       struct arena *arena)
{
    rollout->progress =
        arena_alloc_array(arena, view->progress_count, sizeof(Skein__V1__TaskProgress *));
    for (size_t i = 0; i < view->progress_count; i++) {
        const struct progress_view *progress = &view->progress[i];
        struct task_progress task = *progress->task;

        /* Copied: the next heartbeat may come before the message goes. */
        task.rollout = arena_strdup(arena, task.rollout);
        task.tenant = arena_printf(arena, "%s/%s", progress->shard, task.tenant);
        task.words = arena_strdup(arena, task.words);
        rollout->progress[rollout->n_progress++] = wire_parts_of_progress(&task, arena);
    }
}

static char *operator_view_stage(enum rollback_stage stage)
{
    static const char *const names[ROLLBACK_STAGE_COUNT] = {
        [ROLLBACK_NONE] = "",
        [ROLLBACK_STOPPING] = "stopping",
        [ROLLBACK_LOOKING] = "looking",
        [ROLLBACK_UNDOING] = "undoing",
    };

    assert(stage < ROLLBACK_STAGE_COUNT);
    return wire_codec_borrow(names[stage]);
}

Skein__V1__Rollout *operator_view_rollout(const struct rollout_view *view, struct arena *arena)
{
    Skein__V1__Rollout *rollout = wire_codec_new(&skein__v1__rollout__descriptor, arena);

    rollout->id = wire_codec_borrow(view->spec->id);
    rollout->set = wire_codec_borrow(view->spec->set);
    rollout->digest = wire_codec_borrow(view->spec->digest);
    rollout->target = wire_codec_borrow(view->spec->target);
    rollout->phase = wire_enum_of_phase(view->state.phase);
    /* Copied: the view itself may go before the message does. */
    rollout->waiting_for = arena_strdup(arena, view->waiting_for);
    rollout->policy = wire_enum_of_policy(view->spec->policy);
    rollout->counts = wire_parts_of_counts(&view->state.counts, arena);
    rollout->started_at_ms = view->state.started_at_ms;
    rollout->finished_at_ms = view->state.finished_at_ms;
    rollout->spec = wire_record_of_spec(view->spec, arena);
    rollout->tasks_per_second = view->tasks_per_second;
    rollout->left_min_ms = view->left_min_ms;
    rollout->left_max_ms = view->left_max_ms;
    rollout->rollback = operator_view_stage(view->state.rollback);
    rollout->phase_reason = wire_codec_text(arena, view->state.phase_reason, TEXT_BYTES_MAX);
    rollout->changed_by = wire_codec_text(arena, view->state.changed_by, TEXT_BYTES_MAX);
    rollout->skips = wire_parts_of_skips(view->state.skips, arena, &rollout->n_skips);
    rollout->dry_run_class_total = view->state.dry_run_class_total;
    rollout->n_dry_run_classes = view->state.dry_run_class_count;
    rollout->dry_run_classes =
        wire_parts_of_classes(view->state.dry_run_classes, view->state.dry_run_class_count, arena);
    operator_view_add_locked(rollout, view, arena);
    operator_view_add_progress(rollout, view, arena);
    return rollout;
}

/* As many errors as `bytes_max` hold; returns how many. */
static size_t operator_view_errors(const struct task_error *const *errors, size_t count,
                                   size_t bytes_max, struct arena *arena,
                                   Skein__V1__TaskError ***ret_items)
{
    Skein__V1__TaskError **items = arena_alloc_array(arena, count, sizeof(*items));
    size_t bytes = 0;
    size_t used = 0;

    for (; used < count; used++) {
        items[used] = wire_parts_of_error(errors[used], arena);
        bytes += protobuf_c_message_get_packed_size(&items[used]->base) + 8;
        if (bytes > bytes_max) {
            break;
        }
    }
    *ret_items = items;
    return used;
}

void operator_view_add_lists(Skein__V1__Rollout *rollout, const struct rollout_view *view,
                             uint32_t errors_max, struct arena *arena)
{
    enum { ERRORS_BYTES = ANSWER_BYTES_MAX / 2, WARNINGS_BYTES = ANSWER_BYTES_MAX / 4 };
    static_assert(ERRORS_BYTES + WARNINGS_BYTES + ANSWER_BYTES_MAX / 4 <= MESSAGE_BYTES_MAX,
                  "errors, warnings and shards fit in one message");
    size_t max = errors_max == 0 ? ERRORS_PER_REPORT_DEFAULT : errors_max;
    size_t errors = view->error_count < max ? view->error_count : max;
    size_t warnings = view->warning_count < max ? view->warning_count : max;
    size_t bytes = 0;

    rollout->n_errors =
        operator_view_errors(view->errors, errors, ERRORS_BYTES, arena, &rollout->errors);
    rollout->n_warnings =
        operator_view_errors(view->warnings, warnings, WARNINGS_BYTES, arena, &rollout->warnings);
    if (view->measures != NULL) { /* copied: the next result may come before the message goes */
        struct rollout_measures *measures = arena_alloc(arena, sizeof(*measures));
        *measures = copy_measures(arena, view->measures);
        rollout->measures = wire_measure_of_rollout(measures, arena);
        rollout->estimate_min_ms = view->estimate_min_ms;
        rollout->estimate_max_ms = view->estimate_max_ms;
    }
    rollout->shards =
        arena_alloc_array(arena, view->shard_count, sizeof(Skein__V1__ShardProgress *));
    for (size_t i = 0; i < view->shard_count && bytes < ANSWER_BYTES_MAX / 4; i++) {
        rollout->shards[i] = wire_record_of_progress(&view->shards[i], arena);
        bytes += protobuf_c_message_get_packed_size(&rollout->shards[i]->base) + 8;
        rollout->n_shards++;
    }
}

/* ---- shards and tenants ---- */

Skein__V1__ShardStatus *operator_view_shard(const struct shard_view *view, struct arena *arena)
{
    Skein__V1__ShardStatus *shard = wire_codec_new(&skein__v1__shard_status__descriptor, arena);
    const char *offline = view->standbys > 0 ? "standby-only" : "offline";
    const char *online = view->leaving ? "leaving" : "online";

    shard->name = wire_codec_borrow(view->name);
    shard->labels = wire_parts_of_labels(view->labels, arena);
    shard->n_labels = view->labels->count;
    shard->state = wire_codec_borrow(view->presence == SHARD_ONLINE ? online : offline);
    shard->agent = wire_codec_borrow(view->agent);
    shard->agent_version = wire_codec_borrow(view->agent_version);
    shard->peer = wire_codec_text(arena, view->peer, TEXT_BYTES_MAX);
    shard->tenants = view->tenant_count;
    shard->workers = view->workers;
    shard->workers_now = view->workers_now;
    shard->workers_reason = wire_codec_text(arena, view->workers_reason, TEXT_BYTES_MAX);
    shard->tasks_in_flight = view->tasks_in_flight;
    shard->since_ms = view->since_ms;
    shard->trouble = wire_codec_text(arena, view->trouble, ERROR_BYTES_MAX);
    shard->standbys = view->standbys;
    shard->standby_agents = wire_parts_of_texts(view->standby_agents, view->standbys, arena);
    shard->n_standby_agents = view->standbys;
    return shard;
}

static char *operator_view_name(const struct tenant_view *view, struct arena *arena)
{
    return arena_printf(arena, "%s/%s", view->shard, view->info->name);
}

Skein__V1__Tenant *operator_view_tenant(const struct tenant_view *view, struct arena *arena)
{
    Skein__V1__Tenant *tenant = wire_codec_new(&skein__v1__tenant__descriptor, arena);

    tenant->tenant = operator_view_name(view, arena);
    tenant->shard = wire_codec_borrow(view->shard);
    tenant->name = wire_codec_borrow(view->info->name);
    tenant->labels = wire_parts_of_labels(&view->info->labels, arena);
    tenant->n_labels = view->info->labels.count;
    struct set_version *versions =
        arena_alloc_array(arena, view->info->version_count, sizeof(*versions));
    size_t count = 0;
    for (size_t i = 0; i < view->info->version_count; i++) {
        /* One that has no version any more is none that people want to see. */
        if (view->info->versions[i].version[0] != '\0') {
            versions[count++] = view->info->versions[i];
        }
    }
    tenant->versions = wire_parts_of_versions(versions, count, arena);
    tenant->n_versions = count;
    tenant->locked_by = arena_strdup(arena, view->locked_by);
    tenant->has_objects = view->info->has_objects;
    return tenant;
}

static struct plan_start operator_view_start(const struct tenant_info *tenant, const char *set,
                                             const char *baseline)
{
    struct plan_start start = { .from = "",
                                .has_objects = tenant->has_objects,
                                .baseline = baseline };

    for (size_t i = 0; i < tenant->version_count; i++) {
        if (strcmp(tenant->versions[i].set, set) == 0) {
            start.from = tenant->versions[i].version;
            start.repeatables = tenant->versions[i].repeatables;
        }
    }
    return start;
}

Skein__V1__PlannedTenant *operator_view_plan(const struct tenant_view *view, const struct set *set,
                                             const char *target, const char *baseline,
                                             struct arena *arena)
{
    Skein__V1__PlannedTenant *planned =
        wire_codec_new(&skein__v1__planned_tenant__descriptor, arena);
    const struct plan_start start = operator_view_start(view->info, set->name, baseline);
    struct plan plan = { 0 };

    planned->tenant = operator_view_name(view, arena);
    planned->from = wire_codec_borrow(start.from);
    planned->to = wire_codec_borrow(target);
    plan_make(set, &start, target, &plan);
    if (plan.code != TASK_CODE_NONE && plan.code != TASK_CODE_UP_TO_DATE) {
        const struct task_error error = {
            .tenant = planned->tenant,
            .mode = TASK_DRY_RUN,
            .code = plan.code,
            .sqlstate = "",
            .message = arena_strdup(arena, plan.error.message),
            .detail = "",
            .hint = "",
            .file = "",
        };
        planned->error = wire_parts_of_error(&error, arena);
        return planned;
    }
    planned->scripts = arena_alloc_array(arena, plan.count + set->repeatable_count, sizeof(char *));
    for (size_t i = 0; i < plan.count; i++) {
        planned->scripts[planned->n_scripts++] =
            wire_codec_borrow(set->migrations[plan.first + i].script);
    }
    for (size_t i = 0; plan.repeatables && i < set->repeatable_count; i++) {
        planned->scripts[planned->n_scripts++] = wire_codec_borrow(set->repeatables[i].script);
    }
    return planned;
}

/* ---- sets ---- */

static char *operator_view_checksum(const uint8_t checksum[CHECKSUM_BYTES], struct arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * CHECKSUM_BYTES + 1);

    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        text[2 * i] = digits[checksum[i] >> 4];
        text[2 * i + 1] = digits[checksum[i] & 15];
    }
    return text;
}

static Skein__V1__Migration *operator_view_migration(const struct migration *migration,
                                                     struct arena *arena)
{
    Skein__V1__Migration *message = wire_codec_new(&skein__v1__migration__descriptor, arena);

    message->version = wire_codec_borrow(migration->version_text);
    message->name = wire_codec_borrow(migration->name);
    message->n_operations = migration->operation_count;
    message->operations =
        arena_alloc_array(arena, migration->operation_count, sizeof(Skein__V1__Operation *));
    for (size_t i = 0; i < migration->operation_count; i++) {
        const struct operation *from = &migration->operations[i];
        Skein__V1__Operation *to = wire_codec_new(&skein__v1__operation__descriptor, arena);
        to->path = wire_codec_borrow(from->path);
        to->kind = wire_codec_borrow(operation_kind_name(from->kind));
        to->checksum = operator_view_checksum(from->checksum, arena);
        to->has_rollback = from->down_path != NULL;
        message->operations[i] = to;
    }
    return message;
}

Skein__V1__GetSetResponse *operator_view_set(const struct set *set, const struct set_head *head,
                                             struct arena *arena)
{
    Skein__V1__GetSetResponse *response =
        wire_codec_new(&skein__v1__get_set_response__descriptor, arena);
    const struct set_head older = {
        .name = set->name,
        .digest = set->digest,
        .latest = set->latest_text,
        .min_version = set->min_version_text,
        .published_by = "",
    };

    /* Of an older digest only what the set itself says is known. */
    bool is_head = head != NULL && strcmp(head->digest, set->digest) == 0;
    response->head = wire_record_of_head(is_head ? head : &older, arena);
    response->prereleases = set->prereleases;
    response->reference = wire_codec_borrow(set->reference);
    response->n_migrations = set->migration_count;
    response->migrations =
        arena_alloc_array(arena, set->migration_count, sizeof(Skein__V1__Migration *));
    for (size_t i = 0; i < set->migration_count; i++) {
        response->migrations[i] = operator_view_migration(&set->migrations[i], arena);
    }
    response->n_repeatables = set->repeatable_count;
    response->repeatables =
        arena_alloc_array(arena, set->repeatable_count, sizeof(Skein__V1__Migration *));
    for (size_t i = 0; i < set->repeatable_count; i++) {
        response->repeatables[i] = operator_view_migration(&set->repeatables[i], arena);
    }
    response->hooks = arena_alloc_array(arena, SET_HOOK_COUNT, sizeof(Skein__V1__Migration *));
    for (int hook = 0; hook < SET_HOOK_COUNT; hook++) {
        if (set->hooks[hook] != NULL) {
            response->hooks[response->n_hooks++] = operator_view_migration(set->hooks[hook], arena);
        }
    }
    return response;
}
