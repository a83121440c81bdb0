/* metrics.h - counters, gauges and histograms, printed as Prometheus text.
 *
 * A registry belongs to the program's main and is passed around; updates are atomic and may come
 * from any thread. Series are made at start-up or on first use and live as long as the registry. */
#ifndef SKEIN_COMMON_CORE_METRICS_H
#define SKEIN_COMMON_CORE_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"

struct metrics;
struct metric;

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics *metrics_new(void);
void metrics_free(struct metrics **metrics);

/* Finds or makes a series. `labels` is "" or `state="RUNNING",mode="run"`; names and help follow
 * Prometheus' conventions (skein_tasks_total, _seconds). A histogram has fixed buckets from 0.5 ms
 * to 60 s. At most 4,096 series; further ones share one that is called skein_metrics_overflow. */
struct metric *metrics_get(struct metrics *metrics, enum metric_kind kind, const char *name,
                           const char *labels, const char *help);
void metric_add(struct metric *metric, uint64_t count); /* counter or gauge */
/* A gauge, or a counter that is counted elsewhere and only shown here. */
void metric_set(struct metric *metric, double value);
void metric_observe_us(struct metric *metric, uint64_t microseconds);

/* Text format 0.0.4: HELP and TYPE once per name, series sorted. */
void metrics_print(struct metrics *metrics, struct buf *buf);

#endif
