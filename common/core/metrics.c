#include "common/core/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

enum { METRICS_SERIES_MAX = 4096, METRIC_BUCKET_COUNT = 16 };

static const uint64_t metric_bounds_us[METRIC_BUCKET_COUNT] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000,
};

/* Names, labels and kind never change; the numbers are atomic, so that an update takes no lock. */
struct metric {
    enum metric_kind kind;
    bool is_overflow; /* counts the updates that found no series of their own */
    char *name;
    char *labels;
    char *help;
    _Atomic uint64_t count; /* counter; of a histogram, how many were observed */
    _Atomic double value;   /* gauge */
    _Atomic uint64_t sum_us;
    _Atomic uint64_t buckets[METRIC_BUCKET_COUNT];
};

struct metrics {
    pthread_mutex_t mutex;  /* guards the array */
    struct metric **series; /* sorted by name, then labels */
    size_t count;
    size_t capacity;
    struct metric *overflow; /* in the array once it is needed */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = memory_alloc(sizeof(*metrics));

    pthread_mutex_init(&metrics->mutex, NULL);
    return metrics;
}

void metrics_free(struct metrics **metrics_at)
{
    struct metrics *metrics = *metrics_at;

    if (metrics == NULL) {
        return;
    }
    for (size_t i = 0; i < metrics->count; i++) {
        free(metrics->series[i]->name);
        free(metrics->series[i]->labels);
        free(metrics->series[i]->help);
        free(metrics->series[i]);
    }
    free(metrics->series);
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
    *metrics_at = NULL;
}

static int metric_compare(const struct metric *metric, const char *name, const char *labels)
{
    int order = strcmp(metric->name, name);

    return order != 0 ? order : strcmp(metric->labels, labels);
}

/* Where the series is, or where it would have to be. */
static size_t metrics_position(const struct metrics *metrics, const char *name, const char *labels)
{
    size_t low = 0;
    size_t high = metrics->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (metric_compare(metrics->series[middle], name, labels) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct metric *metrics_insert(struct metrics *metrics, size_t position,
                                     enum metric_kind kind, const char *name, const char *labels,
                                     const char *help)
{
    struct metric *metric = memory_alloc(sizeof(*metric));

    metric->kind = kind;
    metric->name = memory_strdup(name);
    metric->labels = memory_strdup(labels);
    metric->help = memory_strdup(help);
    metrics->series = memory_reserve(metrics->series, metrics->count, &metrics->capacity,
                                     sizeof(struct metric *));
    memmove(&metrics->series[position + 1], &metrics->series[position],
            (metrics->count - position) * sizeof(struct metric *));
    metrics->series[position] = metric;
    metrics->count++;
    return metric;
}

static struct metric *metrics_overflow(struct metrics *metrics)
{
    static const char name[] = "skein_metrics_overflow";

    if (metrics->overflow == NULL) {
        metrics->overflow =
            metrics_insert(metrics, metrics_position(metrics, name, ""), METRIC_COUNTER, name, "",
                           "Updates of series beyond the registry's limit.");
        metrics->overflow->is_overflow = true;
    }
    return metrics->overflow;
}

struct metric *metrics_get(struct metrics *metrics, enum metric_kind kind, const char *name,
                           const char *labels, const char *help)
{
    struct metric *metric = NULL;

    pthread_mutex_lock(&metrics->mutex);
    size_t position = metrics_position(metrics, name, labels);
    if (position < metrics->count && metric_compare(metrics->series[position], name, labels) == 0) {
        metric = metrics->series[position];
        assert(metric->kind == kind);
    } else if (metrics->count >= METRICS_SERIES_MAX) {
        metric = metrics_overflow(metrics);
    } else {
        metric = metrics_insert(metrics, position, kind, name, labels, help);
    }
    pthread_mutex_unlock(&metrics->mutex);
    return metric;
}

void metric_add(struct metric *metric, uint64_t count)
{
    if (metric->is_overflow) {
        metric->count++;
    } else if (metric->kind == METRIC_GAUGE) {
        /* `+=` on an atomic double wants libatomic; this loop is the same. */
        double value = metric->value;
        while (!atomic_compare_exchange_weak(&metric->value, &value, value + (double)count)) {
        }
    } else {
        assert(metric->kind == METRIC_COUNTER);
        metric->count += count;
    }
}

void metric_set(struct metric *metric, double value)
{
    if (metric->is_overflow) {
        metric->count++;
    } else if (metric->kind == METRIC_GAUGE) {
        metric->value = value;
    } else {
        assert(metric->kind == METRIC_COUNTER);
        metric->count = value > 0 ? (uint64_t)value : 0;
    }
}

void metric_observe_us(struct metric *metric, uint64_t microseconds)
{
    if (metric->is_overflow) {
        metric->count++;
        return;
    }
    assert(metric->kind == METRIC_HISTOGRAM);
    for (size_t i = 0; i < METRIC_BUCKET_COUNT; i++) {
        if (microseconds <= metric_bounds_us[i]) {
            metric->buckets[i]++;
            break;
        }
    }
    metric->sum_us += microseconds;
    metric->count++;
}

static void metric_print_line(const struct metric *metric, const char *suffix, const char *bound,
                              struct buf *buf)
{
    const bool has_labels = metric->labels[0] != '\0';
    const bool has_bound = bound[0] != '\0';

    buf_printf(buf, "%s%s", metric->name, suffix);
    if (has_labels || has_bound) {
        buf_printf(buf, "{%s%s%s%s%s}", metric->labels, has_labels && has_bound ? "," : "",
                   has_bound ? "le=\"" : "", bound, has_bound ? "\"" : "");
    }
}

static void metric_print_histogram(struct metric *metric, struct buf *buf)
{
    /* Read before the buckets, and never shown smaller than they are: a scraper may look between
     * two updates. */
    uint64_t count = metric->count;
    uint64_t sum_us = metric->sum_us;
    uint64_t below = 0;

    for (size_t i = 0; i < METRIC_BUCKET_COUNT; i++) {
        CLEANUP(buf_release) struct buf bound = { .size_max = 64 };
        below += metric->buckets[i];
        buf_printf(&bound, "%g", (double)metric_bounds_us[i] / 1e6);
        metric_print_line(metric, "_bucket", buf_text(&bound), buf);
        buf_printf(buf, " %" PRIu64 "\n", below);
    }
    count = count < below ? below : count;
    metric_print_line(metric, "_bucket", "+Inf", buf);
    buf_printf(buf, " %" PRIu64 "\n", count);
    metric_print_line(metric, "_sum", "", buf);
    buf_printf(buf, " %.6f\n", (double)sum_us / 1e6);
    metric_print_line(metric, "_count", "", buf);
    buf_printf(buf, " %" PRIu64 "\n", count);
}

static void metric_print(struct metric *metric, struct buf *buf)
{
    if (metric->kind == METRIC_HISTOGRAM) {
        metric_print_histogram(metric, buf);
        return;
    }
    metric_print_line(metric, "", "", buf);
    if (metric->kind == METRIC_COUNTER) {
        buf_printf(buf, " %" PRIu64 "\n", (uint64_t)metric->count);
        return;
    }
    double value = metric->value;
    bool is_whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;
    buf_printf(buf, is_whole ? " %.0f\n" : " %.9g\n", value);
}

void metrics_print(struct metrics *metrics, struct buf *buf)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    const char *last = "";

    pthread_mutex_lock(&metrics->mutex);
    for (size_t i = 0; i < metrics->count; i++) {
        struct metric *metric = metrics->series[i];
        if (strcmp(metric->name, last) != 0) {
            buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                       metric->name, kinds[metric->kind]);
            last = metric->name;
        }
        metric_print(metric, buf);
    }
    pthread_mutex_unlock(&metrics->mutex);
}
