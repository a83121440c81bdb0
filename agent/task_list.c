#include "agent/task_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

struct listed_task {
    struct listed_task *next;
    struct running_task task; /* texts owned */
    char *set;
    struct agent_event *result; /* NULL while it is at work */
    uint64_t sequence;          /* 0: not sent */
};

/* Bounded by what the coordinator hands out at once, so a list is fast enough. */
struct task_list {
    struct listed_task *first;
    struct listed_task **last;
    size_t count;
    size_t unsent;
};

struct task_list *task_list_new(void)
{
    struct task_list *list = memory_alloc(sizeof(*list));

    list->last = &list->first;
    return list;
}

static void task_list_remove(struct task_list *list, struct listed_task **at)
{
    struct listed_task *task = *at;

    *at = task->next;
    if (list->last == &task->next) {
        list->last = at;
    }
    list->count--;
    if (task->result != NULL && task->sequence == 0) {
        list->unsent--;
    }
    memory_free(&task->task.rollout);
    memory_free(&task->task.tenant);
    free(task->set);
    agent_event_free(&task->result);
    free(task);
}

void task_list_free(struct task_list **pointer)
{
    struct task_list *list = *pointer;

    if (list == NULL) {
        return;
    }
    while (list->first != NULL) {
        task_list_remove(list, &list->first);
    }
    free(list);
    *pointer = NULL;
}

static struct listed_task **task_list_find(struct task_list *list, const char *rollout,
                                           enum task_mode mode, const char *tenant, uint64_t token)
{
    struct listed_task **at = &list->first;

    while (*at != NULL) {
        const struct running_task *task = &(*at)->task;
        if (task->token == token && task->mode == mode && strcmp(task->tenant, tenant) == 0 &&
            strcmp(task->rollout, rollout) == 0) {
            break;
        }
        at = &(*at)->next;
    }
    return at;
}

bool task_list_add(struct task_list *list, const struct task_assignment *assignment,
                   const struct task_item *item)
{
    if (*task_list_find(list, assignment->rollout, assignment->mode, item->tenant,
                        assignment->token) != NULL) {
        return false;
    }
    struct listed_task *task = memory_alloc(sizeof(*task));
    task->task = (struct running_task){ .rollout = memory_strdup(assignment->rollout),
                                        .mode = assignment->mode,
                                        .tenant = memory_strdup(item->tenant),
                                        .token = assignment->token };
    task->set = memory_strdup(assignment->set);
    *list->last = task;
    list->last = &task->next;
    list->count++;
    return true;
}

void task_list_drop(struct task_list *list, const struct task_assignment *assignment,
                    const struct task_item *item)
{
    struct listed_task **at = task_list_find(list, assignment->rollout, assignment->mode,
                                             item->tenant, assignment->token);

    if (*at != NULL && (*at)->result == NULL) {
        task_list_remove(list, at);
    }
}

const char *task_list_find_set(struct task_list *list, const struct task_result *result)
{
    struct listed_task **at =
        task_list_find(list, result->rollout, result->mode, result->tenant, result->token);

    return *at == NULL ? NULL : (*at)->set;
}

void task_list_finish(struct task_list *list, struct agent_event *result)
{
    const struct task_result *is = &result->result;
    struct listed_task **at = task_list_find(list, is->rollout, is->mode, is->tenant, is->token);

    if (*at == NULL || (*at)->result != NULL) {
        agent_event_free(&result); /* answered already */
        return;
    }
    (*at)->result = result;
    list->unsent++;
}

size_t task_list_take_results(struct task_list *list, uint64_t sequence, size_t max,
                              struct task_result *ret_results)
{
    size_t count = 0;

    for (struct listed_task *task = list->first; task != NULL && count < max; task = task->next) {
        if (task->result != NULL && task->sequence == 0) {
            task->sequence = sequence;
            ret_results[count++] = task->result->result;
        }
    }
    list->unsent -= count;
    return count;
}

void task_list_acknowledge(struct task_list *list, uint64_t sequence)
{
    struct listed_task **at = &list->first;

    while (*at != NULL) {
        if ((*at)->result != NULL && (*at)->sequence == sequence) {
            task_list_remove(list, at);
        } else {
            at = &(*at)->next;
        }
    }
}

void task_list_send_again(struct task_list *list)
{
    list->unsent = 0;
    for (struct listed_task *task = list->first; task != NULL; task = task->next) {
        if (task->result != NULL) {
            task->sequence = 0;
            list->unsent++;
        }
    }
}

size_t task_list_count(const struct task_list *list)
{
    return list->count;
}

size_t task_list_unsent(const struct task_list *list)
{
    return list->unsent;
}

struct running_task *task_list_running(const struct task_list *list, struct arena *arena)
{
    struct running_task *running = arena_alloc_array(arena, list->count, sizeof(*running));
    size_t count = 0;

    for (const struct listed_task *task = list->first; task != NULL; task = task->next) {
        running[count++] = task->task;
    }
    return running;
}
