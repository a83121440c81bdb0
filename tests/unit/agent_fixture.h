/* agent_fixture.h - for tests of the agent's parts: a prepared set, assignments, a mailbox. */
#ifndef SKEIN_TESTS_UNIT_AGENT_FIXTURE_H
#define SKEIN_TESTS_UNIT_AGENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_event.h"
#include "common/core/clock.h"
#include "common/core/mailbox.h"

static const char fixture_yaml[] = "name: billing\n";
static const char fixture_script[] = "CREATE TABLE a (n int);";
static const struct set_file fixture_files[] = {
    { "skein.yaml", { (const uint8_t *)fixture_yaml, sizeof(fixture_yaml) - 1 } },
    { "0.1.0__a.sql", { (const uint8_t *)fixture_script, sizeof(fixture_script) - 1 } },
};

/* The digest of the set above; lives as long as the model. */
static inline const char *fixture_digest(struct set *model)
{
    struct error err = { 0 };

    assert_true(set_parse(fixture_files, COUNT_OF(fixture_files), "", model, &err));
    return model->digest;
}

static inline struct prepared_set *fixture_set(struct sql_parser *parser)
{
    CLEANUP(set_release) struct set model = { 0 };
    struct prepared_set *set = NULL;
    struct error err = { 0 };

    if (!prepared_set_new(parser, "billing", fixture_digest(&model), fixture_files,
                          COUNT_OF(fixture_files), &set, &err)) {
        fail_msg("%s", err.message);
    }
    return set;
}

/* An assignment of one task, in an event of its own. */
static inline struct agent_event *fixture_assignment(const char *rollout, const char *set,
                                                     const char *digest)
{
    struct agent_event *event = agent_event_new(AGENT_EVENT_MESSAGE);
    struct task_item *item = arena_alloc(&event->arena, sizeof(*item));

    *item = (struct task_item){ .tenant = "t_1", .from = "", .baseline = "" };
    event->message.kind = COORDINATOR_MESSAGE_ASSIGN;
    event->message.assign =
        (struct task_assignment){ .rollout = arena_strdup(&event->arena, rollout),
                                  .mode = TASK_RUN,
                                  .set = arena_strdup(&event->arena, set),
                                  .digest = arena_strdup(&event->arena, digest),
                                  .target = "0.1.0",
                                  .token = 5,
                                  .tasks = item,
                                  .task_count = 1 };
    return event;
}

static inline void fixture_discard(void *message)
{
    struct agent_event *event = message;

    agent_event_free(&event);
}

/* The next event of this type; others are dropped. Fails after ten seconds. */
static inline struct agent_event *fixture_next(struct mailbox *inbox, enum agent_event_type type)
{
    uint64_t deadline_ms = clock_monotonic_ms() + 10000;
    void *message = NULL;

    while (mailbox_take(inbox, &message, 1, deadline_ms) == 1) {
        struct agent_event *event = message;
        if (event->type == type) {
            return event;
        }
        agent_event_free(&event);
    }
    fail_msg("no event of type %d", (int)type);
    return NULL;
}

#endif
