/* LIBS: coordinator_decide sim_parts */
#include "tests/unit/decide_fixture.h"

static struct set *control_set(void)
{
    static const char yaml[] = "name: billing\ncontrol: eu-2/control\n";
    static const char script[] = "-- skein:scope control\nSELECT 1;\n";
    const struct set_file files[] = {
        { "skein.yaml", bytes_of_text(yaml) },
        { "0.2.0__tell.sql", bytes_of_text(script) },
    };
    struct set *set = memory_alloc(sizeof(*set));
    struct error err = { 0 };

    if (!set_parse(files, COUNT_OF(files), "billing", set, &err)) {
        fail_msg("%s", err.message);
    }
    return set;
}

/* Both shards work, and a dry run of eu-1/t_001 is under way; gives back its token. */
static uint64_t control_begin(struct fixture *f)
{
    fixture_publish_set(f, control_set());
    fixture_shard(f, 1, "eu-1", 1, "0.1.0");
    fixture_shard(f, 2, "eu-2", 0, "0.1.0");
    assert_int_equal(fixture_start(f, "r1")->reply.code, ERR_NONE);
    fixture_report(f, 1, 1, "0.1.0", fixture_refresh(f, 1));
    fixture_report(f, 2, 0, "0.1.0", fixture_refresh(f, 2));
    const struct coordinator_message *assigned = fixture_sent(f, 1, COORDINATOR_MESSAGE_ASSIGN, 0);
    assert_non_null(assigned);
    return assigned->assign.token;
}

static void control_ask(struct fixture *f, uint64_t stream, uint64_t token)
{
    struct agent_message message = { .kind = AGENT_MESSAGE_CONTROL_CALL };

    message.control_call = (struct control_call){ .number = 9,
                                                  .rollout = "r1",
                                                  .tenant = "t_001",
                                                  .token = token,
                                                  .mode = TASK_DRY_RUN,
                                                  .from = "0.1.0",
                                                  .file = "",
                                                  .key = "" };
    fixture_agent(f, stream, message);
}

static enum task_code control_answer(const struct fixture *f, size_t since)
{
    const struct coordinator_message *answer =
        fixture_sent(f, 1, COORDINATOR_MESSAGE_CONTROL_ANSWER, since);

    assert_non_null(answer);
    assert_int_equal(answer->control_answer.number, 9);
    return answer->control_answer.error.code;
}

static void a_call_reaches_the_agent_next_to_the_control_database(void **state)
{
    struct fixture *f = *state;
    uint64_t token = control_begin(f);
    struct agent_message done = { .kind = AGENT_MESSAGE_CONTROL_DONE };
    size_t mark = fixture_mark(f);

    control_ask(f, 1, token);
    const struct coordinator_message *asked =
        fixture_sent(f, 2, COORDINATOR_MESSAGE_CONTROL_RUN, mark);
    assert_non_null(asked);
    assert_string_equal(asked->control_run.shard, "eu-1");
    assert_string_equal(asked->control_run.database, "control");
    assert_string_equal(asked->control_run.set, "billing");
    assert_string_equal(asked->control_run.target, "0.2.0");
    assert_string_equal(asked->control_run.digest, fixture_view(f, "r1").spec->digest);
    assert_int_equal(asked->control_run.call.token, token);
    assert_null(fixture_sent(f, 1, COORDINATOR_MESSAGE_CONTROL_ANSWER, mark));
    done.control_done = (struct control_done){ .number = 9, .shard = "eu-1" };
    done.control_done.error = (struct task_error){ .tenant = "",
                                                   .code = TASK_CODE_SQL,
                                                   .sqlstate = "42P01",
                                                   .message = "no",
                                                   .detail = "",
                                                   .hint = "",
                                                   .file = "" };
    fixture_agent(f, 2, done);
    assert_int_equal(control_answer(f, mark), TASK_CODE_SQL);
}

static void only_a_task_that_is_under_way_may_call(void **state)
{
    struct fixture *f = *state;
    uint64_t token = control_begin(f);
    size_t mark = fixture_mark(f);

    control_ask(f, 1, token - 1);
    assert_int_equal(control_answer(f, mark), TASK_CODE_FENCED);
    mark = fixture_mark(f);
    fixture_answer_tasks(f, 1, 0, NULL, TASK_FAILED, TASK_CODE_SQL);
    control_ask(f, 1, token);
    assert_int_equal(control_answer(f, mark), TASK_CODE_FENCED);
    assert_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_CONTROL_RUN, 0));
}

static void an_agent_that_stands_by_is_not_heard(void **state)
{
    struct fixture *f = *state;
    uint64_t token = control_begin(f);
    size_t mark = fixture_mark(f);

    fixture_hello(f, 3, "eu-1", "agent-b");
    control_ask(f, 3, token);
    assert_null(fixture_sent(f, 2, COORDINATOR_MESSAGE_CONTROL_RUN, mark));
    assert_null(fixture_sent(f, 3, COORDINATOR_MESSAGE_CONTROL_ANSWER, mark));
}

static void while_nobody_works_there_the_caller_is_told_to_ask_again(void **state)
{
    struct fixture *f = *state;
    uint64_t token = control_begin(f);
    size_t mark = fixture_mark(f);

    fixture_close(f, 2);
    control_ask(f, 1, token);
    assert_int_equal(control_answer(f, mark), TASK_CODE_AGENT_LOST);
    fixture_hello_running(f, 4, "eu-2", "agent-a", f->lease, NULL, 0);
    mark = fixture_mark(f);
    control_ask(f, 1, token);
    assert_non_null(fixture_sent(f, 4, COORDINATOR_MESSAGE_CONTROL_RUN, mark));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_reaches_the_agent_next_to_the_control_database,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(only_a_task_that_is_under_way_may_call, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(an_agent_that_stands_by_is_not_heard, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(while_nobody_works_there_the_caller_is_told_to_ask_again,
                                        fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
