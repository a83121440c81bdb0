#include "agent/result_post.h"

#include "common/core/limits.h"

enum {
    /* With errors and warnings of the greatest length they still fit into one message. */
    RESULTS_PER_MESSAGE = 128,
};

void result_post_init(struct result_post *post)
{
    *post = (struct result_post){ .due_ms = UINT64_MAX };
}

void result_post_due_at(struct result_post *post, uint64_t at_ms)
{
    if (at_ms < post->due_ms) {
        post->due_ms = at_ms;
    }
}

void result_post_send(struct result_post *post, struct line *line, struct task_list *tasks,
                      size_t load, uint64_t now_ms)
{
    struct task_result results[RESULTS_PER_MESSAGE];
    size_t unsent = task_list_unsent(tasks);

    if (unsent > 0 && unsent < TASK_WINDOW && now_ms < post->due_ms && load > 0) {
        return;
    }
    post->due_ms = UINT64_MAX;
    while (task_list_unsent(tasks) > 0) {
        struct agent_message message = { .kind = AGENT_MESSAGE_RESULTS };
        message.results.sequence = ++post->sequence;
        message.results.items = results;
        message.results.count =
            task_list_take_results(tasks, post->sequence, RESULTS_PER_MESSAGE, results);
        line_send(line, &message);
    }
}
