#include "agent/agent_intake.h"

#include "agent/control_post.h"
#include "common/core/log.h"

/* The task never started. */
static void agent_intake_answer(struct agent_intake *intake,
                                const struct task_assignment *assignment,
                                const struct task_item *item, enum task_code code, const char *why)
{
    task_list_finish(intake->tasks,
                     agent_event_new_answer(intake->parts->shard, assignment, item, code, why));
    result_post_due_at(intake->post, intake->now_ms);
}

static void agent_intake_start(struct agent_intake *intake,
                               const struct task_assignment *assignment, struct prepared_set *set)
{
    for (size_t i = 0; i < assignment->task_count; i++) {
        if (intake->draining) {
            agent_intake_answer(intake, assignment, &assignment->tasks[i], TASK_CODE_CANCELLED,
                                "the agent is shutting down");
        } else {
            executor_submit(intake->parts->executor,
                            executor_task_new(assignment, &assignment->tasks[i], set));
        }
    }
}

static void agent_intake_on_dropped(void *context, const struct task_assignment *assignment)
{
    struct agent_intake *intake = context;

    for (size_t i = 0; i < assignment->task_count; i++) {
        agent_intake_answer(intake, assignment, &assignment->tasks[i], TASK_CODE_CANCELLED,
                            "cancelled before it started");
    }
}

void agent_intake_set(struct agent_intake *intake, const char *name, const char *digest,
                      struct prepared_set *set, const struct error *err)
{
    struct agent_event *event;

    if (set != NULL) {
        shelf_put(intake->shelf, name, digest, set);
    } else {
        log_failure("set_not_ready", err, "set=%s digest=%s", name, digest);
    }
    while ((event = shelf_take_waiting(intake->shelf, name, digest)) != NULL) {
        if (event->message.kind == COORDINATOR_MESSAGE_CONTROL_RUN) {
            control_post_run(intake->parts->control, event, set, err);
            agent_event_free(&event);
            continue;
        }
        const struct task_assignment *assignment = &event->message.assign;
        if (set != NULL) {
            agent_intake_start(intake, assignment, set);
        } else {
            for (size_t i = 0; i < assignment->task_count; i++) {
                agent_intake_answer(intake, assignment, &assignment->tasks[i],
                                    err->code == ERR_INVALID ? TASK_CODE_RUNNER
                                                             : TASK_CODE_AGENT_LOST,
                                    err->message);
            }
        }
        agent_event_free(&event);
    }
}

/* The message waits for its set, which is fetched unless it is on its way. Takes the event over. */
static void agent_intake_wait(struct agent_intake *intake, struct agent_event *event)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *name;
    const char *digest;
    struct error err = { 0 };

    agent_event_wanted_set(event, &name, &digest);
    name = arena_strdup(&arena, name);
    digest = arena_strdup(&arena, digest);
    if (shelf_wait(intake->shelf, event) && !line_fetch(intake->line, name, digest, &err)) {
        agent_intake_set(intake, name, digest, NULL, &err);
    }
}

void agent_intake_control(struct agent_intake *intake, struct agent_event *event)
{
    const struct control_run *run = &event->message.control_run;
    struct prepared_set *set = shelf_find(intake->shelf, run->set, run->digest);
    const struct error leaving = { .code = ERR_UNAVAILABLE,
                                   .message = "the agent is shutting down" };

    if (set != NULL || intake->draining) {
        control_post_run(intake->parts->control, event, intake->draining ? NULL : set, &leaving);
        agent_event_free(&event);
    } else {
        agent_intake_wait(intake, event);
    }
}

void agent_intake_assign(struct agent_intake *intake, struct agent_event *event)
{
    struct task_assignment *assignment = &event->message.assign;
    struct task_item *fresh =
        arena_alloc_array(&event->arena, assignment->task_count, sizeof(*fresh));
    size_t count = 0;

    for (size_t i = 0; i < assignment->task_count; i++) {
        if (task_list_add(intake->tasks, assignment, &assignment->tasks[i])) {
            fresh[count++] = assignment->tasks[i];
        }
    }
    assignment->tasks = fresh;
    assignment->task_count = count;
    struct prepared_set *set = shelf_find(intake->shelf, assignment->set, assignment->digest);
    if (set != NULL || intake->draining) {
        agent_intake_start(intake, assignment, set);
        agent_event_free(&event);
    } else {
        agent_intake_wait(intake, event);
    }
}

void agent_intake_archive(struct agent_intake *intake, struct agent_event **event)
{
    const struct error *err = &(*event)->archive.error;

    if (err->code != ERR_NONE) {
        agent_intake_set(intake, (*event)->archive.name, (*event)->archive.digest, NULL, err);
        return;
    }
    struct error busy = { .code = ERR_LIMIT, .message = "the agent's desk is full" };
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *name = arena_strdup(&arena, (*event)->archive.name);
    const char *digest = arena_strdup(&arena, (*event)->archive.digest);
    if (!desk_prepare(intake->parts->desk, *event)) {
        agent_intake_set(intake, name, digest, NULL, &busy);
    }
    *event = NULL;
}

void agent_intake_drop(struct agent_intake *intake, const char *rollout)
{
    shelf_drop_waiting(intake->shelf, rollout, agent_intake_on_dropped, intake);
}
