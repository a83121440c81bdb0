#include "common/wire/wire_measure.h"

#include "common/core/limits.h"
#include "common/wire/wire.h"
#include "common/wire/wire_codec.h"

static Skein__V1__MeasuredStatement *
wire_measure_of_statement(const struct measured_statement *from, struct arena *arena)
{
    Skein__V1__MeasuredStatement *to =
        wire_codec_new(&skein__v1__measured_statement__descriptor, arena);

    to->file = wire_codec_text(arena, from->file, TEXT_BYTES_MAX);
    to->statement = from->statement;
    to->line = from->line;
    to->took_us = from->took_us;
    to->rows = from->rows;
    to->wal_bytes = from->wal_bytes;
    to->blocked_us = from->blocked_us;
    to->n_locks = from->lock_count;
    to->locks = arena_alloc_array(arena, from->lock_count, sizeof(*to->locks));
    for (size_t i = 0; i < from->lock_count; i++) {
        to->locks[i] = wire_codec_new(&skein__v1__measured_lock__descriptor, arena);
        to->locks[i]->relation = wire_codec_text(arena, from->locks[i].relation, TEXT_BYTES_MAX);
        to->locks[i]->mode = wire_codec_borrow(from->locks[i].mode);
    }
    to->n_rewrites = from->rewrite_count;
    to->rewrites = wire_parts_of_texts(from->rewrites, from->rewrite_count, arena);
    to->n_scans = from->scan_count;
    to->scans = wire_parts_of_texts(from->scans, from->scan_count, arena);
    return to;
}

Skein__V1__TaskMeasure *wire_measure_of_task(const struct task_measure *from, struct arena *arena)
{
    Skein__V1__TaskMeasure *to = wire_codec_new(&skein__v1__task_measure__descriptor, arena);

    to->tenant = wire_codec_borrow(from->tenant);
    to->took_us = from->took_us;
    to->blocked_us = from->blocked_us;
    to->exclusive_us = from->exclusive_us;
    to->blocked_relation = wire_codec_text(arena, from->blocked_relation, TEXT_BYTES_MAX);
    to->wal_bytes = from->wal_bytes;
    to->rows = from->rows;
    to->rewrites = from->rewrites;
    to->scans = from->scans;
    to->statements = from->statements;
    to->n_worst = from->worst_count;
    to->worst = arena_alloc_array(arena, from->worst_count, sizeof(*to->worst));
    for (size_t i = 0; i < from->worst_count; i++) {
        to->worst[i] = wire_measure_of_statement(&from->worst[i], arena);
    }
    to->n_sequences = from->sequence_count;
    to->sequences = wire_parts_of_texts(from->sequences, from->sequence_count, arena);
    return to;
}

static const char *const *wire_measure_to_names(struct wire_check *check, const char *field,
                                                char *const *names, size_t count,
                                                struct arena *arena)
{
    const char **copy = arena_alloc_array(arena, count, sizeof(*copy));

    for (size_t i = 0; i < count; i++) {
        copy[i] = wire_check_text(check, field, names[i], TEXT_BYTES_MAX);
    }
    return copy;
}

static struct measured_statement wire_measure_to_statement(struct wire_check *check,
                                                           const Skein__V1__MeasuredStatement *from,
                                                           struct arena *arena)
{
    struct measured_statement to = {
        .file = wire_check_text(check, "measure.file", from->file, TEXT_BYTES_MAX),
        .statement = from->statement,
        .line = from->line,
        .took_us = from->took_us,
        .rows = from->rows,
        .wal_bytes = from->wal_bytes,
        .blocked_us = from->blocked_us,
        .lock_count = from->n_locks,
        .rewrite_count = from->n_rewrites,
        .scan_count = from->n_scans,
    };

    wire_check_number(check, "measure.locks", from->n_locks, MEASURE_NAMES_MAX);
    wire_check_number(check, "measure.rewrites", from->n_rewrites, MEASURE_NAMES_MAX);
    wire_check_number(check, "measure.scans", from->n_scans, MEASURE_NAMES_MAX);
    if (check->failed) {
        return to;
    }
    struct measured_lock *locks = arena_alloc_array(arena, from->n_locks, sizeof(*locks));
    for (size_t i = 0; i < from->n_locks; i++) {
        locks[i].relation =
            wire_check_text(check, "measure.relation", from->locks[i]->relation, TEXT_BYTES_MAX);
        locks[i].mode =
            wire_check_text(check, "measure.mode", from->locks[i]->mode, TEXT_BYTES_MAX);
    }
    to.locks = locks;
    to.rewrites =
        wire_measure_to_names(check, "measure.rewrites", from->rewrites, from->n_rewrites, arena);
    to.scans = wire_measure_to_names(check, "measure.scans", from->scans, from->n_scans, arena);
    return to;
}

const struct task_measure *wire_measure_to_task(struct wire_check *check,
                                                const Skein__V1__TaskMeasure *from,
                                                struct arena *arena)
{
    if (from == NULL) {
        return NULL;
    }
    wire_check_number(check, "measure.worst", from->n_worst, MEASURE_STATEMENTS_MAX);
    wire_check_number(check, "measure.sequences", from->n_sequences, MEASURE_NAMES_MAX);
    if (check->failed) {
        return NULL;
    }
    struct task_measure *to = arena_alloc(arena, sizeof(*to));
    struct measured_statement *worst = arena_alloc_array(arena, from->n_worst, sizeof(*worst));
    for (size_t i = 0; i < from->n_worst; i++) {
        worst[i] = wire_measure_to_statement(check, from->worst[i], arena);
    }
    *to = (struct task_measure){
        .tenant = wire_check_text(check, "measure.tenant", from->tenant, SELECTOR_BYTES_MAX),
        .took_us = from->took_us,
        .blocked_us = from->blocked_us,
        .exclusive_us = from->exclusive_us,
        .blocked_relation = wire_check_text(check, "measure.blocked_relation",
                                            from->blocked_relation, TEXT_BYTES_MAX),
        .wal_bytes = from->wal_bytes,
        .rows = from->rows,
        .rewrites = from->rewrites,
        .scans = from->scans,
        .statements = from->statements,
        .worst = worst,
        .worst_count = from->n_worst,
        .sequences = wire_measure_to_names(check, "measure.sequences", from->sequences,
                                           from->n_sequences, arena),
        .sequence_count = from->n_sequences,
    };
    return to;
}

/* ---- the record of a rollout ---- */

static uint64_t *wire_measure_of_numbers(const uint64_t *numbers, size_t count, struct arena *arena)
{
    return arena_memdup(arena, numbers, count * sizeof(*numbers));
}

Skein__V1__RolloutMeasures *wire_measure_of_rollout(const struct rollout_measures *from,
                                                    struct arena *arena)
{
    Skein__V1__RolloutMeasures *to =
        wire_codec_new(&skein__v1__rollout_measures__descriptor, arena);

    to->tenants = from->tenants;
    to->n_upto_us = MEASURE_BUCKETS - 1;
    to->upto_us = wire_measure_of_numbers(measure_bounds_us, MEASURE_BUCKETS - 1, arena);
    to->n_took = MEASURE_BUCKETS;
    to->took = wire_measure_of_numbers(from->took, MEASURE_BUCKETS, arena);
    to->n_blocked = MEASURE_BUCKETS;
    to->blocked = wire_measure_of_numbers(from->blocked, MEASURE_BUCKETS, arena);
    to->n_worst = from->worst_count;
    to->worst = arena_alloc_array(arena, from->worst_count, sizeof(*to->worst));
    for (size_t i = 0; i < from->worst_count; i++) {
        to->worst[i] = wire_measure_of_task(from->worst[i], arena);
    }
    return to;
}

struct bytes wire_encode_rollout_measures(const struct rollout_measures *record,
                                          struct arena *arena)
{
    return wire_codec_pack(&wire_measure_of_rollout(record, arena)->base, arena);
}

/* Buckets are kept by their place: those of a version with others are not worth a conversion. */
static void wire_measure_to_buckets(const uint64_t *numbers, size_t count,
                                    uint64_t ret_buckets[MEASURE_BUCKETS])
{
    for (size_t i = 0; i < count && i < MEASURE_BUCKETS; i++) {
        ret_buckets[i] = numbers[i];
    }
}

bool wire_decode_rollout_measures(struct bytes wire, struct arena *arena,
                                  struct rollout_measures *ret_record, struct error *err)
{
    struct wire_check check = { .message = "RolloutMeasures", .err = err };
    const Skein__V1__RolloutMeasures *from =
        wire_codec_unpack(&skein__v1__rollout_measures__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    wire_check_number(&check, "worst", from->n_worst, MEASURE_WORST_MAX);
    if (check.failed) {
        return false;
    }
    struct rollout_measures measures = { .tenants = from->tenants, .worst_count = from->n_worst };
    const struct task_measure **worst = arena_alloc_array(arena, from->n_worst, sizeof(*worst));
    for (size_t i = 0; i < from->n_worst; i++) {
        worst[i] = wire_measure_to_task(&check, from->worst[i], arena);
    }
    measures.worst = worst;
    wire_measure_to_buckets(from->took, from->n_took, measures.took);
    wire_measure_to_buckets(from->blocked, from->n_blocked, measures.blocked);
    if (!check.failed) {
        *ret_record = measures;
    }
    return !check.failed;
}
