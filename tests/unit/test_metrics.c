/* LIBS: skein_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/metrics.h"

static void series_are_sorted_and_described_once(void **state)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };

    (void)state;
    metric_add(metrics_get(metrics, METRIC_COUNTER, "skein_b_total", "state=\"Z\"", "Bees."), 2);
    metric_set(metrics_get(metrics, METRIC_GAUGE, "skein_a", "", "Ays."), 1.5);
    metric_add(metrics_get(metrics, METRIC_COUNTER, "skein_b_total", "state=\"A\"", "Bees."), 1);
    metric_add(metrics_get(metrics, METRIC_COUNTER, "skein_b_total", "state=\"Z\"", "Bees."), 1);
    metric_set(metrics_get(metrics, METRIC_GAUGE, "skein_c", "", "Cees."), 7);
    metrics_print(metrics, &text);
    assert_string_equal(buf_text(&text), "# HELP skein_a Ays.\n"
                                         "# TYPE skein_a gauge\n"
                                         "skein_a 1.5\n"
                                         "# HELP skein_b_total Bees.\n"
                                         "# TYPE skein_b_total counter\n"
                                         "skein_b_total{state=\"A\"} 1\n"
                                         "skein_b_total{state=\"Z\"} 3\n"
                                         "# HELP skein_c Cees.\n"
                                         "# TYPE skein_c gauge\n"
                                         "skein_c 7\n");
}

static void a_histogram_is_cumulative(void **state)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    struct metric *metric =
        metrics_get(metrics, METRIC_HISTOGRAM, "skein_task_seconds", "mode=\"run\"", "Tasks.");

    (void)state;
    metric_observe_us(metric, 400);
    metric_observe_us(metric, 500);
    metric_observe_us(metric, 700000);
    metric_observe_us(metric, UINT64_C(120000000));
    metrics_print(metrics, &text);
    const char *all = buf_text(&text);
    assert_non_null(strstr(all, "skein_task_seconds_bucket{mode=\"run\",le=\"0.0005\"} 2\n"));
    assert_non_null(strstr(all, "skein_task_seconds_bucket{mode=\"run\",le=\"0.5\"} 2\n"));
    assert_non_null(strstr(all, "skein_task_seconds_bucket{mode=\"run\",le=\"1\"} 3\n"));
    assert_non_null(strstr(all, "skein_task_seconds_bucket{mode=\"run\",le=\"60\"} 3\n"));
    assert_non_null(strstr(all, "skein_task_seconds_bucket{mode=\"run\",le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(all, "skein_task_seconds_sum{mode=\"run\"} 120.700900\n"));
    assert_non_null(strstr(all, "skein_task_seconds_count{mode=\"run\"} 4\n"));
}

static void too_many_series_share_one(void **state)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text = { .size_max = 1 << 20 };
    char labels[32];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(labels, sizeof(labels), "i=\"%d\"", i);
        metric_set(metrics_get(metrics, METRIC_GAUGE, "skein_many", labels, "Many."), i);
    }
    metrics_print(metrics, &text);
    assert_non_null(strstr(buf_text(&text), "\nskein_metrics_overflow 904\n"));
    assert_non_null(strstr(buf_text(&text), "skein_many{i=\"4095\"} 4095\n"));
    assert_null(strstr(buf_text(&text), "skein_many{i=\"4096\"}"));
}

static void *count_up(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        metric_add(metrics_get(arg, METRIC_COUNTER, "skein_x_total", "", "X."), 1);
        metric_observe_us(metrics_get(arg, METRIC_HISTOGRAM, "skein_y_seconds", "", "Y."), 1);
    }
    return NULL;
}

static void updates_from_many_threads_all_count(void **state)
{
    CLEANUP(metrics_free) struct metrics *metrics = metrics_new();
    CLEANUP(buf_release) struct buf text = { .size_max = 65536 };
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, metrics), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    metrics_print(metrics, &text);
    assert_non_null(strstr(buf_text(&text), "\nskein_x_total 40000\n"));
    assert_non_null(strstr(buf_text(&text), "\nskein_y_seconds_count 40000\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_sorted_and_described_once),
        cmocka_unit_test(a_histogram_is_cumulative),
        cmocka_unit_test(too_many_series_share_one),
        cmocka_unit_test(updates_from_many_threads_all_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
