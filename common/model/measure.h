/* measure.h - what the dry run of a tenant measured, and what those of a rollout come to.
 *
 * Pure. proto/skein/v1/model.proto documents each field. Pointers borrow, as in message.h; no text
 * is NULL. */
#ifndef SKEIN_COMMON_MODEL_MEASURE_H
#define SKEIN_COMMON_MODEL_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/limits.h"

struct measured_lock {
    const char *relation;
    const char *mode; /* "ACCESS EXCLUSIVE" */
};

struct measured_statement {
    const char *file;
    uint32_t statement;
    uint32_t line;
    uint64_t took_us;
    uint64_t rows;
    uint64_t wal_bytes;
    uint64_t blocked_us;
    const struct measured_lock *locks; /* at most MEASURE_NAMES_MAX of each */
    size_t lock_count;
    const char *const *rewrites;
    size_t rewrite_count;
    const char *const *scans;
    size_t scan_count;
};

struct task_measure {
    const char *tenant; /* "shard/name"; "" in a result */
    uint64_t took_us;
    uint64_t blocked_us;          /* some table is locked against writers for so long */
    uint64_t exclusive_us;        /* and against everybody */
    const char *blocked_relation; /* that table; "" for none */
    uint64_t wal_bytes;
    uint64_t rows;
    uint32_t rewrites;
    uint32_t scans;
    uint32_t statements;                    /* looked at */
    const struct measured_statement *worst; /* of them, at most MEASURE_STATEMENTS_MAX */
    size_t worst_count;
    const char *const *sequences; /* moved for good; at most MEASURE_NAMES_MAX */
    size_t sequence_count;
};

enum { MEASURE_BUCKETS = 8 };

/* The record of the store, and what is shown. */
struct rollout_measures {
    uint64_t tenants;
    uint64_t took[MEASURE_BUCKETS]; /* how many took no longer than measure_bounds_us[i] */
    uint64_t blocked[MEASURE_BUCKETS];
    const struct task_measure *const *worst; /* the worst first, at most MEASURE_WORST_MAX */
    size_t worst_count;
};

/* Upper bounds of the buckets but the last, which has none. */
extern const uint64_t measure_bounds_us[MEASURE_BUCKETS - 1];
size_t measure_bucket(uint64_t us);

struct task_measure *measure_copy(struct arena *arena, const struct task_measure *from);

/* Below, at or above 0, as for qsort: longer locked comes first, then longer at work. */
int measure_compare(const struct task_measure *a, const struct task_measure *b);

#endif
