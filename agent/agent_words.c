#include "agent/agent_words.h"

#include "common/core/limits.h"

enum {
    AGENT_PROTOCOL = 1,
    /* With errors and warnings of the greatest length they still fit into one message. */
    AGENT_RESULTS_PER_MESSAGE = 128,
};

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
    struct agent_message message = { .kind = AGENT_MESSAGE_HEARTBEAT };
    char waits[TEXT_BYTES_MAX];

    message.heartbeat.sequence = sequence;
    message.heartbeat.tasks_in_flight = (uint32_t)task_list_count(tasks);
    executor_trouble(parts->executor, waits);
    message.heartbeat.trouble = trouble[0] != '\0' ? trouble : waits;
    line_send(line, &message);
}

uint64_t agent_words_results(struct line *line, struct task_list *tasks, uint64_t sequence)
{
    struct task_result results[AGENT_RESULTS_PER_MESSAGE];

    while (task_list_unsent(tasks) > 0) {
        struct agent_message message = { .kind = AGENT_MESSAGE_RESULTS };
        message.results.sequence = ++sequence;
        message.results.items = results;
        message.results.count =
            task_list_take_results(tasks, sequence, AGENT_RESULTS_PER_MESSAGE, results);
        line_send(line, &message);
    }
    return sequence;
}

void agent_words_history(struct line *line, const struct history_reply *reply)
{
    const struct agent_message message = { .kind = AGENT_MESSAGE_HISTORY, .history = *reply };

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
