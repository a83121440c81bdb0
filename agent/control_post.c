#include "agent/control_post.h"

#include <stdlib.h>

#include "common/core/memory.h"

struct control_post {
    struct mailbox *inbox;
    struct control_client *client;
    struct control_desk *desk;
};

/* Worker's thread. */
static void control_post_wake(void *context)
{
    struct control_post *post = context;

    struct agent_event *event = agent_event_new(AGENT_EVENT_WAKE);

    if (!mailbox_try_post(post->inbox, event)) {
        agent_event_free(&event); /* it wakes by itself soon enough */
    }
}

/* The desk's thread, or the brain's: the arena moves into an event. */
static void control_post_on_done(void *context, struct arena *arena,
                                 const struct control_done *done)
{
    struct control_post *post = context;
    struct agent_event *event = agent_event_new(AGENT_EVENT_CONTROL);

    event->arena = *arena;
    event->control_done = *done;
    *arena = (struct arena){ 0 };
    if (!mailbox_try_post(post->inbox, event)) {
        agent_event_free(&event); /* who asked asks again, and is told the same */
    }
}

struct control_post *control_post_start(const struct control_desk_options *desk, uint64_t seed,
                                        struct mailbox *inbox)
{
    struct control_post *post = memory_alloc(sizeof(*post));
    struct control_desk_options options = *desk;

    post->inbox = inbox;
    post->client = control_client_new(seed, control_post_wake, post);
    options.on_done = control_post_on_done;
    options.context = post;
    post->desk = control_desk_start(&options);
    return post;
}

void control_post_stop(struct control_post **pointer)
{
    struct control_post *post = *pointer;

    if (post == NULL) {
        return;
    }
    control_desk_stop(&post->desk);
    control_client_free(&post->client);
    free(post);
    *pointer = NULL;
}

struct control_client *control_post_client(struct control_post *post)
{
    return post->client;
}

void control_post_run(struct control_post *post, const struct agent_event *message,
                      struct prepared_set *set, const struct error *err)
{
    const struct control_run *run = &message->message.control_run;

    if (set != NULL) {
        control_desk_submit(post->desk, run, set);
    } else {
        control_desk_refuse(post->desk, run,
                            err->code == ERR_INVALID ? TASK_CODE_RUNNER : TASK_CODE_AGENT_LOST,
                            err->message);
    }
}

static void control_post_send_call(void *context, const struct control_call *call)
{
    struct line *line = context;
    const struct agent_message message = { .kind = AGENT_MESSAGE_CONTROL_CALL,
                                           .control_call = *call };

    line_send(line, &message);
}

void control_post_send(struct control_post *post, struct line *line, uint64_t now_ms, bool anew)
{
    control_client_send(post->client, now_ms, anew, control_post_send_call, line);
}
