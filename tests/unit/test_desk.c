/* LIBS: agent_shell */
/* The desk with a database that is not there: what needs none is done all the same. */
#include "tests/unit/agent_fixture.h"

#include <stdio.h>

#include "agent/desk.h"
#include "common/wire/wire.h"

struct fixture {
    struct mailbox *inbox;
    struct sql_parser *parser;
    struct desk *desk;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    const struct desk_options options = {
        .tenants = { .conninfo = "host=/nonexistent connect_timeout=1", .query = "" },
        .refresh_interval_ms = 60000,
    };
    struct desk_options all = options;

    fixture.inbox = mailbox_new(256, fixture_discard);
    fixture.parser = sql_parser_new();
    all.inbox = fixture.inbox;
    all.parser = fixture.parser;
    fixture.desk = desk_start(&all);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    desk_stop(&f->desk);
    mailbox_free(&f->inbox);
    sql_parser_free(&f->parser);
    return 0;
}

static void a_database_that_is_away_is_told_and_looked_for_again(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) { /* long before the interval is over */
        struct agent_event *event = fixture_next(f->inbox, AGENT_EVENT_TENANTS);
        assert_int_equal(event->tenants.error.code, ERR_UNAVAILABLE);
        agent_event_free(&event);
    }
}

static void readings_are_numbered(void **state)
{
    struct fixture *f = *state;
    uint64_t before_ms = clock_monotonic_ms();
    uint64_t number = desk_read_anew(f->desk);
    struct agent_event *event = fixture_next(f->inbox, AGENT_EVENT_TENANTS);

    while (event->tenants.reading < number) {
        agent_event_free(&event);
        event = fixture_next(f->inbox, AGENT_EVENT_TENANTS);
    }
    assert_int_equal(event->tenants.reading, number);
    assert_true(event->tenants.started_ms >= before_ms);
    agent_event_free(&event);
    assert_true(desk_read_anew(f->desk) > number);
}

static void a_history_that_cannot_be_read_is_answered(void **state)
{
    struct fixture *f = *state;
    const struct history_request request = { .request = 7, .tenant = "t_1", .limit = 10 };

    assert_true(desk_history(f->desk, &request));
    struct agent_event *event = fixture_next(f->inbox, AGENT_EVENT_HISTORY);
    assert_int_equal(event->history.request, 7);
    assert_string_not_equal(event->history.error, "");
    agent_event_free(&event);
}

static struct agent_event *archive_of(const char *digest)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct agent_event *event = agent_event_new(AGENT_EVENT_ARCHIVE);
    struct bytes wire = wire_encode_set_archive(fixture_files, COUNT_OF(fixture_files), &arena);

    event->archive.name = "billing";
    event->archive.digest = arena_strdup(&event->arena, digest);
    event->archive.bytes.size = wire.size;
    event->archive.bytes.data = arena_memdup(&event->arena, wire.data, wire.size);
    return event;
}

static void a_set_is_prepared_if_it_is_the_one_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    CLEANUP(set_release) struct set model = { 0 };

    assert_true(desk_prepare(f->desk, archive_of(fixture_digest(&model))));
    struct agent_event *event = fixture_next(f->inbox, AGENT_EVENT_SET);
    assert_non_null(event->set.prepared);
    assert_string_equal(prepared_set_model(event->set.prepared)->name, "billing");
    agent_event_free(&event);
    assert_true(desk_prepare(f->desk, archive_of("sha256:0")));
    event = fixture_next(f->inbox, AGENT_EVENT_SET);
    assert_null(event->set.prepared);
    assert_int_equal(event->set.error.code, ERR_INVALID);
    agent_event_free(&event);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_database_that_is_away_is_told_and_looked_for_again),
        TEST(readings_are_numbered),
        TEST(a_history_that_cannot_be_read_is_answered),
        TEST(a_set_is_prepared_if_it_is_the_one_that_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
