#include "agent/agent_words.h"

#include "common/core/limits.h"

enum { AGENT_PROTOCOL = 1 };

void agent_words_hello(struct line *line, const struct agent_brain_parts *parts, int64_t lease_id,
                       const struct task_list *tasks)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct agent_message message = { .kind = AGENT_MESSAGE_HELLO };

    message.hello = (struct agent_hello){
        .protocol = AGENT_PROTOCOL,
        .shard = parts->shard,
        .agent = parts->agent,
        .version = SKEIN_VERSION,
        .labels = parts->labels,
        .workers = parts->workers,
        .lease_id = lease_id,
        .running = task_list_running(tasks, &arena),
        .running_count = task_list_count(tasks),
    };
    line_send(line, &message);
}

void agent_words_heartbeat(struct line *line, const struct agent_brain_parts *parts,
                           uint64_t sequence, const struct task_list *tasks, const char *trouble)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };
    struct task_progress *progress = NULL;
    char waits[TEXT_BYTES_MAX];

    message.heartbeat.sequence = sequence;
    message.heartbeat.tasks_in_flight = (uint32_t)task_list_count(tasks);
    executor_trouble(parts->executor, waits);
    message.heartbeat.trouble = trouble[0] != '\0' ? trouble : waits;
    message.heartbeat.progress_count = executor_progress(parts->executor, &arena, &progress);
    message.heartbeat.progress = progress;
    message.heartbeat.workers_now =
        executor_workers_now(parts->executor, &message.heartbeat.workers_reason);
    line_send(line, &message);
}

void agent_words_schemas(struct line *line, const struct schema_reply *reply)
{
    const struct agent_message message = { .kind = AGENT_MESSAGE_SCHEMAS, .schemas = *reply };

    line_send(line, &message);
}

void agent_words_history(struct line *line, const struct history_reply *reply)
{
    const struct agent_message message = { .kind = AGENT_MESSAGE_HISTORY, .history = *reply };

    line_send(line, &message);
}

void agent_words_control_done(struct line *line, const struct control_done *done)
{
    const struct agent_message message = { .kind = AGENT_MESSAGE_CONTROL_DONE,
                                           .control_done = *done };

    line_send(line, &message);
}

void agent_words_leaving(struct line *line, bool done)
{
    const struct agent_message message = { .kind = AGENT_MESSAGE_LEAVING, .leaving_done = done };

    line_send(line, &message);
    if (done) {
        line_half_close(line);
    }
}
