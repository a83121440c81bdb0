/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

struct versions_row {
    const char *name;
    const char *version; /* "" for none */
    bool has_objects;
    uint64_t repeatables;
    const char *rollout; /* that moved it */
};

static void versions_report_on(struct fixture *f, uint64_t stream, uint64_t refresh,
                               const struct versions_row *rows, size_t count)
{
    struct tenant_info infos[FIXTURE_ROWS_MAX];
    struct set_version versions[FIXTURE_ROWS_MAX];
    struct agent_message message = { .kind = AGENT_MESSAGE_TENANTS };

    for (size_t i = 0; i < count; i++) {
        versions[i] =
            (struct set_version){ .set = "billing",
                                  .version = rows[i].version,
                                  .rollout = rows[i].rollout == NULL ? "" : rows[i].rollout,
                                  .undone = "",
                                  .repeatables = rows[i].repeatables };
        infos[i] = (struct tenant_info){ .name = rows[i].name,
                                         .versions = &versions[i],
                                         .version_count = rows[i].version[0] == '\0' ? 0 : 1,
                                         .has_objects = rows[i].has_objects };
    }
    message.tenants = (struct tenant_report){
        .full = true, .last = true, .refresh = refresh, .tenants = infos, .tenant_count = count
    };
    fixture_agent(f, stream, message);
}

static void versions_report(struct fixture *f, uint64_t refresh, const struct versions_row *rows,
                            size_t count)
{
    versions_report_on(f, 1, refresh, rows, count);
}

/* Another leader, and the agent comes to it with nothing under way. */
static void versions_change_leader(struct fixture *f)
{
    int64_t lease = f->lease;

    fixture_restart(f);
    fixture_hello_running(f, 5, "eu-1", "agent-a", lease, NULL, 0);
}

static const struct set *versions_publish(struct fixture *f, unsigned edition)
{
    struct set *set = sim_set_new_of(edition, (struct sim_set_kind){ .repeatable = true });

    fixture_publish_set(f, set); /* which takes it over, and keeps it */
    return set;
}

/* The task of a tenant in the newest assignment of this mode, or NULL. */
static const struct task_item *versions_task(const struct fixture *f, enum task_mode mode,
                                             const char *tenant)
{
    const struct coordinator_message *message = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, 0);

    for (size_t i = 0;
         message != NULL && message->assign.mode == mode && i < message->assign.task_count; i++) {
        if (strcmp(message->assign.tasks[i].tenant, tenant) == 0) {
            return &message->assign.tasks[i];
        }
    }
    return NULL;
}

static void versions_succeed(struct fixture *f, const char *rollout, enum task_mode mode,
                             const char *tenant, uint64_t repeatables)
{
    const struct coordinator_message *message = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, 0);

    fixture_result(f, 1, 50,
                   (struct task_result){ .rollout = rollout,
                                         .mode = mode,
                                         .tenant = tenant,
                                         .token = message->assign.token,
                                         .outcome = TASK_SUCCEEDED,
                                         .version = message->assign.target,
                                         .repeatables = repeatables });
}

static void a_tenant_at_the_target_gets_repeatable_scripts_that_changed(void **state)
{
    struct fixture *f = *state;
    const struct set *set = versions_publish(f, 2);
    uint64_t digest = set->repeatables_digest;
    const struct versions_row rows[] = {
        { "a", "0.2.0", true, digest, NULL }, /* has them */
        { "b", "0.2.0", true, 77, NULL },     /* has others */
    };

    fixture_hello(f, 1, "eu-1", "agent-a");
    versions_report(f, 0, rows, 2);
    fixture_start(f, "r1");
    versions_report(f, fixture_refresh(f, 1), rows, 2);
    assert_null(versions_task(f, TASK_DRY_RUN, "a"));
    const struct task_item *task = versions_task(f, TASK_DRY_RUN, "b");
    assert_non_null(task);
    assert_string_equal(task->from, "0.2.0");
    assert_int_equal(task->repeatables, 77);
    assert_string_equal(task->baseline, "");
    versions_succeed(f, "r1", TASK_DRY_RUN, "b", 77);
    assert_non_null(versions_task(f, TASK_RUN, "b"));
    versions_succeed(f, "r1", TASK_RUN, "b", digest);
    fixture_expect_phase(f, "r1", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
    assert_int_equal(fixture_view(f, "r1").state.skips[TASK_CODE_UP_TO_DATE], 1);

    /* What the result said is known at once. */
    size_t mark = fixture_mark(f);
    fixture_start(f, "r2");
    fixture_report_rows(f, 1, false, fixture_refresh(f, 1), NULL, 0);
    fixture_expect_phase(f, "r2", ROLLOUT_SUCCEEDED);
    assert_int_equal(fixture_assigned(f, 1, TASK_DRY_RUN, mark), 0);
}

static void who_has_the_version_but_not_the_scripts_is_not_migrated_yet(void **state)
{
    struct fixture *f = *state;
    const struct set *set = versions_publish(f, 2);
    uint64_t digest = set->repeatables_digest;
    const struct versions_row first[] = { { "a", "0.1.0", true, 0, NULL } };
    const struct versions_row half[] = { { "a", "0.2.0", true, 0, "r1" } };
    const struct versions_row whole[] = { { "a", "0.2.0", true, digest, "r1" } };

    fixture_hello(f, 1, "eu-1", "agent-a");
    versions_report(f, 0, first, 1);
    fixture_start(f, "r1");
    versions_report(f, fixture_refresh(f, 1), first, 1);
    versions_succeed(f, "r1", TASK_DRY_RUN, "a", 0);
    assert_non_null(versions_task(f, TASK_RUN, "a"));
    /* The leader dies; the next one hears that the version has moved, and no more. */
    versions_change_leader(f);
    size_t mark = fixture_mark(f);
    versions_report_on(f, 5, 0, half, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 0);
    assert_int_equal(fixture_assigned(f, 5, TASK_DRY_RUN, mark), 1);
    assert_string_equal(fixture_sent(f, 5, COORDINATOR_MESSAGE_ASSIGN, mark)->assign.tasks[0].from,
                        "0.2.0");
    versions_change_leader(f);
    versions_report_on(f, 5, 0, whole, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
}

static void unmanaged_tenants_are_recorded_on_the_way(void **state)
{
    struct fixture *f = *state;
    const struct versions_row rows[] = {
        { "empty", "", false, 0, NULL },
        { "managed", "0.2.0", true, 0, NULL },
        { "old", "", true, 0, NULL },
    };

    fixture_publish(f, 3);
    fixture_hello(f, 1, "eu-1", "agent-a");
    versions_report(f, 0, rows, 3);
    const struct effect *reply =
        fixture_start_spec(f, (struct rollout_spec){ .id = "r0", .baseline_unmanaged = "0.4.0" });
    assert_int_equal(reply->reply.code, ERR_REFUSED);
    reply = fixture_start_spec(f, (struct rollout_spec){ .id = "r0",
                                                         .kind = ROLLOUT_BASELINE,
                                                         .target = "0.1.0",
                                                         .baseline_unmanaged = "0.1.0" });
    assert_int_equal(reply->reply.code, ERR_INVALID);
    fixture_start_spec(f, (struct rollout_spec){ .id = "r1", .baseline_unmanaged = "0.1.0" });
    versions_report(f, fixture_refresh(f, 1), rows, 3);
    assert_string_equal(versions_task(f, TASK_DRY_RUN, "empty")->baseline, "");
    assert_string_equal(versions_task(f, TASK_DRY_RUN, "managed")->baseline, "");
    assert_string_equal(versions_task(f, TASK_DRY_RUN, "managed")->from, "0.2.0");
    assert_string_equal(versions_task(f, TASK_DRY_RUN, "old")->baseline, "0.1.0");
    assert_string_equal(versions_task(f, TASK_DRY_RUN, "old")->from, "");
    /* It survives the leader. */
    fixture_restart(f);
    assert_string_equal(fixture_view(f, "r1").spec->baseline_unmanaged, "0.1.0");
}

static void a_baseline_of_unmanaged_tenants_is_of_no_others(void **state)
{
    struct fixture *f = *state;
    const struct versions_row rows[] = {
        { "empty", "", false, 0, NULL },
        { "managed", "0.2.0", true, 0, NULL },
        { "old", "", true, 0, NULL },
    };
    const struct versions_row done[] = {
        { "empty", "", false, 0, NULL },
        { "managed", "0.2.0", true, 0, NULL },
        { "old", "0.1.0", true, 0, "r1" },
    };

    fixture_publish(f, 3);
    fixture_hello(f, 1, "eu-1", "agent-a");
    versions_report(f, 0, rows, 3);
    fixture_start_spec(
        f, (struct rollout_spec){
               .id = "r1", .kind = ROLLOUT_BASELINE, .target = "0.1.0", .unmanaged_only = true });
    versions_report(f, fixture_refresh(f, 1), rows, 3);
    assert_int_equal(fixture_view(f, "r1").state.counts.total, 1);
    assert_non_null(versions_task(f, TASK_BASELINE, "old"));
    /* A new leader counts what was done before it. */
    versions_change_leader(f);
    versions_report_on(f, 5, 0, done, 3);
    assert_int_equal(fixture_view(f, "r1").state.counts.total, 1);
    assert_int_equal(fixture_view(f, "r1").state.counts.migrated, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
        TEST(a_tenant_at_the_target_gets_repeatable_scripts_that_changed),
        TEST(who_has_the_version_but_not_the_scripts_is_not_migrated_yet),
        TEST(unmanaged_tenants_are_recorded_on_the_way),
        TEST(a_baseline_of_unmanaged_tenants_is_of_no_others),
#undef TEST
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
