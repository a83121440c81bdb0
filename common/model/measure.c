#include "common/model/measure.h"

#include <string.h>

const uint64_t measure_bounds_us[MEASURE_BUCKETS - 1] = { 1000,     10000,    100000,   1000000,
                                                          10000000, 60000000, 600000000 };

size_t measure_bucket(uint64_t us)
{
    size_t bucket = 0;

    while (bucket < MEASURE_BUCKETS - 1 && us > measure_bounds_us[bucket]) {
        bucket++;
    }
    return bucket;
}

static const char *const *measure_copy_names(struct arena *arena, const char *const *names,
                                             size_t count)
{
    const char **copy = arena_alloc_array(arena, count, sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_strdup(arena, names[i]);
    }
    return copy;
}

static void measure_copy_statement(struct arena *arena, struct measured_statement *to,
                                   const struct measured_statement *from)
{
    struct measured_lock *locks = arena_alloc_array(arena, from->lock_count, sizeof(*locks));

    for (size_t i = 0; i < from->lock_count; i++) {
        locks[i] = (struct measured_lock){
            .relation = arena_strdup(arena, from->locks[i].relation),
            .mode = arena_strdup(arena, from->locks[i].mode),
        };
    }
    *to = *from;
    to->file = arena_strdup(arena, from->file);
    to->locks = locks;
    to->rewrites = measure_copy_names(arena, from->rewrites, from->rewrite_count);
    to->scans = measure_copy_names(arena, from->scans, from->scan_count);
}

struct task_measure *measure_copy(struct arena *arena, const struct task_measure *from)
{
    struct task_measure *to = arena_alloc(arena, sizeof(*to));
    struct measured_statement *worst = arena_alloc_array(arena, from->worst_count, sizeof(*worst));

    for (size_t i = 0; i < from->worst_count; i++) {
        measure_copy_statement(arena, &worst[i], &from->worst[i]);
    }
    *to = *from;
    to->tenant = arena_strdup(arena, from->tenant);
    to->blocked_relation = arena_strdup(arena, from->blocked_relation);
    to->worst = worst;
    to->sequences = measure_copy_names(arena, from->sequences, from->sequence_count);
    return to;
}

int measure_compare(const struct task_measure *a, const struct task_measure *b)
{
    if (a->blocked_us != b->blocked_us) {
        return a->blocked_us > b->blocked_us ? -1 : 1;
    }
    if (a->took_us != b->took_us) {
        return a->took_us > b->took_us ? -1 : 1;
    }
    return strcmp(a->tenant, b->tenant);
}
