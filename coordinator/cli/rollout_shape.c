#include "coordinator/cli/rollout_shape.h"

#include <stddef.h>

#include "common/core/base.h"
#include "coordinator/cli/field.h"

static void rollout_shape_copy_all(json_t *to, const json_t *from, const char *const keys[],
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        field_copy(to, keys[i], from, keys[i]);
    }
}

json_t *rollout_shape_error(const json_t *error)
{
    static const char *const keys[] = { "sqlstate", "message",   "detail", "hint",
                                        "file",     "statement", "line" };
    json_t *shaped = json_object();

    field_copy(shaped, "tenant", error, "tenant");
    field_copy(shaped, "mode", error, "mode");
    field_copy(shaped, "code", error, "code");
    rollout_shape_copy_all(shaped, error, keys, COUNT_OF(keys));
    return shaped;
}

static json_t *rollout_shape_errors(const json_t *errors)
{
    json_t *shaped = json_array();

    for (size_t i = 0; i < json_array_size(errors); i++) {
        json_array_append_new(shaped, rollout_shape_error(json_array_get(errors, i)));
    }
    return shaped;
}

static json_t *rollout_shape_counts(const json_t *counts)
{
    static const char *const keys[] = { "total",    "queued",      "running",
                                        "migrated", "skipped",     "failed",
                                        "unknown",  "rolled_back", "dry_run_passed" };
    json_t *shaped = json_object();

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        json_object_set_new(shaped, keys[i], json_integer((json_int_t)field_u64(counts, keys[i])));
    }
    return shaped;
}

static json_t *rollout_shape_shards(const json_t *shards)
{
    json_t *shaped = json_array();

    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        json_t *item = json_object();
        field_copy(item, "shard", shard, "shard");
        json_object_set_new(item, "counts", rollout_shape_counts(field_get(shard, "counts")));
        json_array_append_new(shaped, item);
    }
    return shaped;
}

static json_t *rollout_shape_skips(const json_t *skips)
{
    json_t *shaped = json_object();

    for (size_t i = 0; i < json_array_size(skips); i++) {
        const json_t *skip = json_array_get(skips, i);
        field_copy(shaped, field_text(skip, "code"), skip, "count");
    }
    return shaped;
}

static json_t *rollout_shape_locked(const json_t *locked)
{
    static const char *const keys[] = { "tenant",  "owner",     "reason",
                                        "rollout", "locked_at", "skip_at" };
    json_t *shaped = json_array();

    for (size_t i = 0; i < json_array_size(locked); i++) {
        json_t *item = json_object();
        rollout_shape_copy_all(item, json_array_get(locked, i), keys, COUNT_OF(keys));
        json_array_append_new(shaped, item);
    }
    return shaped;
}

static json_t *rollout_shape_progress(const json_t *progress)
{
    static const char *const keys[] = { "tenant", "done", "total", "words" };
    json_t *shaped = json_array();

    for (size_t i = 0; i < json_array_size(progress); i++) {
        json_t *item = json_object();
        rollout_shape_copy_all(item, json_array_get(progress, i), keys, COUNT_OF(keys));
        json_array_append_new(shaped, item);
    }
    return shaped;
}

/* Which tenant was dry-run for how many. */
static void rollout_shape_classes(json_t *shaped, const json_t *rollout)
{
    static const char *const keys[] = { "tenant", "tenants" };
    const json_t *classes = field_get(rollout, "dry_run_classes");
    json_t *list = json_array();

    for (size_t i = 0; i < json_array_size(classes); i++) {
        json_t *item = json_object();
        rollout_shape_copy_all(item, json_array_get(classes, i), keys, COUNT_OF(keys));
        json_array_append_new(list, item);
    }
    json_object_set_new(shaped, "dry_run_class_total",
                        json_integer((json_int_t)field_u64(rollout, "dry_run_class_total")));
    json_object_set_new(shaped, "dry_run_classes", list);
}

static void rollout_shape_spec(json_t *shaped, const json_t *spec)
{
    static const char *const keys[] = { "selector",
                                        "max_failures",
                                        "max_failures_percent",
                                        "concurrency",
                                        "concurrency_per_shard",
                                        "dry_run_only",
                                        "dry_run",
                                        "rehearse_rollback",
                                        "size_limit_bytes",
                                        "allow_large",
                                        "lock_timeout_ms",
                                        "patience_ms",
                                        "lock_budget_ms",
                                        "created_by",
                                        "created_at",
                                        "reason",
                                        "baseline_unmanaged" };

    field_copy(shaped, "kind", spec, "kind");
    rollout_shape_copy_all(shaped, spec, keys, COUNT_OF(keys));
}

json_t *rollout_shape(const json_t *rollout)
{
    static const char *const head[] = { "id", "set", "digest", "target", "phase", "waiting_for" };
    static const char *const tail[] = { "started_at",   "finished_at", "tasks_per_second",
                                        "left_min_ms",  "left_max_ms", "rollback",
                                        "phase_reason", "changed_by" };
    json_t *shaped = json_object();

    rollout_shape_copy_all(shaped, rollout, head, COUNT_OF(head));
    field_copy(shaped, "policy", rollout, "policy");
    json_object_set_new(shaped, "counts", rollout_shape_counts(field_get(rollout, "counts")));
    json_object_set_new(shaped, "errors", rollout_shape_errors(field_get(rollout, "errors")));
    json_object_set_new(shaped, "warnings", rollout_shape_errors(field_get(rollout, "warnings")));
    rollout_shape_copy_all(shaped, rollout, tail, COUNT_OF(tail));
    rollout_shape_spec(shaped, field_get(rollout, "spec"));
    rollout_shape_classes(shaped, rollout);
    json_object_set_new(shaped, "locked", rollout_shape_locked(field_get(rollout, "locked")));
    json_object_set_new(shaped, "locked_total",
                        json_integer((json_int_t)field_u64(rollout, "locked_total")));
    json_object_set_new(shaped, "progress", rollout_shape_progress(field_get(rollout, "progress")));
    field_copy(shaped, "measures", rollout, "measures");
    field_copy(shaped, "estimate_min_ms", rollout, "estimate_min_ms");
    field_copy(shaped, "estimate_max_ms", rollout, "estimate_max_ms");
    json_object_set_new(shaped, "skips", rollout_shape_skips(field_get(rollout, "skips")));
    json_object_set_new(shaped, "shards", rollout_shape_shards(field_get(rollout, "shards")));
    return shaped;
}
