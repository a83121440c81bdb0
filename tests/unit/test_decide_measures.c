/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

#include "common/model/measure.h"

/* Answers the tasks since `since`: the n-th tenant's dry run keeps writers out for n times 20 ms,
 * and takes twice as long. Those above `budget_us` fail for it; 0: none does. */
static size_t answer_measured(struct fixture *f, uint64_t stream, size_t since, uint64_t budget_us)
{
    size_t answered = 0;
    size_t end = f->list_count;

    for (size_t i = since; i < end; i++) {
        for (size_t j = 0; j < f->lists[i]->count; j++) {
            const struct effect *effect = &f->lists[i]->items[j];
            if (effect->kind != EFFECT_SEND || effect->send.stream != stream ||
                effect->send.message.kind != COORDINATOR_MESSAGE_ASSIGN) {
                continue;
            }
            const struct task_assignment *assign = &effect->send.message.assign;
            for (size_t k = 0; k < assign->task_count; k++) {
                const char *tenant = assign->tasks[k].tenant;
                uint64_t blocked_us = 20000 * strtoull(tenant + 2, NULL, 10);
                bool over = budget_us > 0 && blocked_us > budget_us;
                const struct task_measure measure = { .tenant = "",
                                                      .took_us = 2 * blocked_us,
                                                      .blocked_us = blocked_us,
                                                      .exclusive_us = blocked_us,
                                                      .blocked_relation = "orders" };
                struct task_result result = { .rollout = assign->rollout,
                                              .mode = assign->mode,
                                              .tenant = tenant,
                                              .token = assign->token,
                                              .outcome = over ? TASK_FAILED : TASK_SUCCEEDED,
                                              .version = assign->target,
                                              .measure =
                                                  assign->mode == TASK_DRY_RUN ? &measure : NULL };
                result.error.code = over ? TASK_CODE_LINT : TASK_CODE_NONE;
                fixture_result(f, stream, 1000 + answered++, result);
            }
        }
    }
    return answered;
}

static uint64_t sum_of(const uint64_t buckets[MEASURE_BUCKETS])
{
    uint64_t sum = 0;

    for (size_t i = 0; i < MEASURE_BUCKETS; i++) {
        sum += buckets[i];
    }
    return sum;
}

static void the_worst_come_first_and_each_tenant_counts_once(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        fixture_begin(f, 1, 15, (struct rollout_spec){ .id = "r1", .dry_run_only = true });

    assert_int_equal(answer_measured(f, 1, mark, 0), 15);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_non_null(view.measures);
    assert_int_equal(view.measures->tenants, 15);
    assert_int_equal(view.measures->worst_count, MEASURE_WORST_MAX);
    assert_string_equal(view.measures->worst[0]->tenant, "eu-1/t_015");
    assert_string_equal(view.measures->worst[MEASURE_WORST_MAX - 1]->tenant, "eu-1/t_006");
    assert_int_equal(view.measures->blocked[measure_bucket(20000)], 5);   /* up to 100 ms */
    assert_int_equal(view.measures->blocked[measure_bucket(200000)], 10); /* up to a second */
    assert_int_equal(sum_of(view.measures->took), 15);
    assert_int_equal(view.shards[0].measured, 15);
    assert_int_equal(view.shards[0].measured_us, 15 * 16 / 2 * 40000);
    assert_int_equal(view.shards[0].measured_max_us, 600000);

    const struct effect *kept = sim_store_find(&f->store, RECORD_MEASURES, "r1", "");
    assert_non_null(kept);
    assert_int_equal(kept->measures.tenants, 15);
}

static void what_was_measured_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1" });

    answer_measured(f, 1, mark, 0);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    int64_t lease = f->lease;
    fixture_restart(f);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.measures->tenants, 4);
    assert_string_equal(view.measures->worst[0]->tenant, "eu-1/t_004");
    assert_string_equal(view.measures->worst[0]->blocked_relation, "orders");

    /* Tenants that are looked at a second time, since nobody knows of the first, count once. */
    size_t again = fixture_mark(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
    fixture_report(f, 5, 4, "0.1.0", 0);
    fixture_expect_phase(f, "r1", ROLLOUT_RUNNING);
    assert_int_equal(answer_measured(f, 5, again, 0), 4);
    view = fixture_view(f, "r1");
    assert_int_equal(view.measures->tenants, 4);
    assert_int_equal(view.measures->worst_count, 4);
}

static void a_dry_run_that_begins_anew_is_measured_anew(void **state)
{
    struct fixture *f = *state;
    size_t mark =
        fixture_begin(f, 1, 4, (struct rollout_spec){ .id = "r1", .concurrency_per_shard = 2 });

    answer_measured(f, 1, mark, 0);
    fixture_tick(f, 2000);
    assert_non_null(sim_store_find(&f->store, RECORD_MEASURES, "r1", ""));
    fixture_restart(f);
    fixture_expect_phase(f, "r1", ROLLOUT_PENDING);
    assert_null(fixture_view(f, "r1").measures);
    assert_null(sim_store_find(&f->store, RECORD_MEASURES, "r1", ""));
}

static void a_tenant_over_its_budget_is_shown_and_counts_when_it_has_passed(void **state)
{
    struct fixture *f = *state;
    size_t mark = fixture_begin(f, 1, 3, (struct rollout_spec){ .id = "r1", .lock_budget_ms = 50 });

    assert_int_equal(fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.lock_budget_ms,
                     50);
    answer_measured(f, 1, mark, 50000);
    fixture_expect_phase(f, "r1", ROLLOUT_DRY_RUN_FAILED);
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.measures->tenants, 2);
    assert_string_equal(view.measures->worst[0]->tenant, "eu-1/t_003");
    assert_int_equal(view.errors[0]->code, TASK_CODE_LINT);
    mark = fixture_mark(f);
    assert_int_equal(fixture_verb(f, OPERATOR_RETRY, "r1")->reply.code, ERR_NONE);
    answer_measured(f, 1, mark, 0);
    view = fixture_view(f, "r1");
    assert_int_equal(view.measures->tenants, 3);
    assert_int_equal(view.measures->worst_count, 3);
}

static void the_estimate_is_what_the_slowest_shard_takes(void **state)
{
    struct fixture *f = *state;

    size_t mark = fixture_begin(f, 1, 10, (struct rollout_spec){ .id = "r1", .concurrency = 1 });
    size_t since = mark;
    while (fixture_view(f, "r1").state.phase == ROLLOUT_DRY_RUN) {
        size_t next = fixture_mark(f);
        answer_measured(f, 1, since, 0);
        since = next;
    }
    struct rollout_view view = fixture_view(f, "r1");
    assert_int_equal(view.estimate_min_ms, 10 * 11 / 2 * 40);
    assert_true(view.estimate_max_ms > view.estimate_min_ms);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_worst_come_first_and_each_tenant_counts_once),
        TEST(what_was_measured_survives_a_restart),
        TEST(a_dry_run_that_begins_anew_is_measured_anew),
        TEST(a_tenant_over_its_budget_is_shown_and_counts_when_it_has_passed),
        TEST(the_estimate_is_what_the_slowest_shard_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
