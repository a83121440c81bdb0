#include "agent/run/state_program.h"

#include <stdio.h>
#include <string.h>

#include "agent/run/process.h"
#include "agent/run/process_allow.h"
#include "agent/run/process_words.h"
#include "common/model/set_state.h"

enum { STATE_PROGRAM_OBJECT_WORDS = 8 };

/* A plugin's object is loaded by a helper that speaks as a program does. */
static const char *const *state_program_object_words(const struct runner_call *call,
                                                     const char *path,
                                                     const struct set_process *process)
{
    const char **words = arena_alloc_array(
        call->arena, STATE_PROGRAM_OBJECT_WORDS + process->argument_count + 1, sizeof(*words));

    words[0] = call->options->helper;
    words[1] = "fold";
    words[2] = HELPER_PROTOCOL;
    words[3] = path;
    words[4] = call->task->tenant;
    words[5] = call->from == NULL ? "" : call->from;
    words[6] = call->task->target;
    words[7] = task_mode_is_dry(call->task->mode) ? "dry_run" : "run";
    for (size_t i = 0; i < process->argument_count; i++) {
        words[STATE_PROGRAM_OBJECT_WORDS + i] = process->arguments[i];
    }
    return words;
}

bool state_program_make(const struct runner_call *call, struct state_program *ret_program,
                        struct runner_report *report)
{
    const struct set_process *process = call->operation->operation->state->program;
    const char *path = NULL;
    struct error err = { 0 };

    bool is_object = call->operation->operation->state->is_object;

    if (is_object
            ? !process_allow_plugin(call->options, process->program, call->arena, &path, &err)
            : !process_allow_program(call->options, process->program, call->arena, &path, &err)) {
        return runner_fail(call, report, TASK_CODE_RUNNER, "%s", err.message);
    }
    if (call->options->helper == NULL || call->options->helper[0] == '\0') {
        return runner_fail(call, report, TASK_CODE_RUNNER,
                           "the agent of shard '%s' has no skein-helper beside it, which runs "
                           "programs and plugins",
                           call->options->shard);
    }
    *ret_program = (struct state_program){
        .call = call,
        .process = process,
        .words = is_object ? state_program_object_words(call, path, process)
                           : process_words(call, path, process),
        .environment =
            is_object ? process_words_host_environment(call) : process_words_alone(call, process),
    };
    return true;
}

/* The lines of what it has printed, up to the first that is not right. */
static bool state_program_read(const struct state_program_run *run, const struct buf *printed,
                               struct state_answer *ret_answers, size_t *ret_answered,
                               char words[TEXT_BYTES_MAX])
{
    const char *at = buf_text(printed);
    const char *end = at + printed->size;
    struct error err = { 0 };

    for (*ret_answered = 0; *ret_answered < run->count; ++*ret_answered) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct bytes line = { (const uint8_t *)at, 0 };

        if (newline == NULL) {
            (void)snprintf(words, TEXT_BYTES_MAX, "it answered %zu of %zu streams", *ret_answered,
                           run->count);
            return false;
        }
        line.size = (size_t)(newline - at);
        if (!state_answer_parse(line, run->streams[*ret_answered], run->arena,
                                &ret_answers[*ret_answered], &err)) {
            (void)snprintf(words, TEXT_BYTES_MAX, "%s", err.message);
            return false;
        }
        at = newline + 1;
    }
    return true;
}

/* What became of it, in words; false: it is not worth another stream. */
static enum state_program_end state_program_judge(const struct state_program_run *run,
                                                  const struct process_end *end, const char *said,
                                                  bool answered, char words[TEXT_BYTES_MAX])
{
    const char *name = run->program->process->program;
    const char *colon = said[0] == '\0' ? "" : ": ";
    char why[TEXT_BYTES_MAX];

    switch (end->ending) {
    case PROCESS_ENDED:
        if (end->signal != 0) {
            (void)snprintf(words, TEXT_BYTES_MAX, "%.200s was ended by signal %d%s%.200s", name,
                           end->signal, colon, said);
        } else if (end->status != 0) {
            (void)snprintf(words, TEXT_BYTES_MAX, "%.200s ended with exit status %d%s%.200s", name,
                           end->status, colon, said);
        } else if (!answered) {
            memcpy(why, words, sizeof(why));
            (void)snprintf(words, TEXT_BYTES_MAX, "%.200s: %.250s", name, why);
        } else {
            return STATE_PROGRAM_DONE;
        }
        return STATE_PROGRAM_BROKEN;
    case PROCESS_TIMED_OUT:
        (void)snprintf(words, TEXT_BYTES_MAX, "%.200s did not end within its timeout", name);
        return STATE_PROGRAM_BROKEN;
    case PROCESS_LOST:
        (void)snprintf(words, TEXT_BYTES_MAX, "%.200s was ended: %.200s", name, end->words);
        return STATE_PROGRAM_BROKEN;
    case PROCESS_NOT_STARTED:
        (void)snprintf(words, TEXT_BYTES_MAX, "%.200s could not be started: %.200s", name,
                       end->words);
        return STATE_PROGRAM_ABSENT;
    case PROCESS_STOPPED:
        break;
    }
    return STATE_PROGRAM_STOPPED;
}

enum state_program_end state_program_run(const struct state_program_run *run,
                                         struct state_answer *ret_answers, size_t *ret_answered,
                                         char words[TEXT_BYTES_MAX])
{
    CLEANUP(process_output_release) struct process_output output = { 0 };
    CLEANUP(buf_release) struct buf input = { .size_max = 2 * (size_t)STATE_GROUP_BYTES_MAX };
    CLEANUP(buf_release) struct buf printed = { .size_max = STATE_ANSWER_BYTES_MAX };
    struct process_order order = { .helper = run->program->call->options->helper,
                                   .words = run->program->words,
                                   .environment = run->program->environment,
                                   .timeout_ms = run->program->process->timeout_ms,
                                   .may_go_on = run->may_go_on,
                                   .input = &input,
                                   .printed = &printed,
                                   .context = run->context };
    struct process_end end;

    for (size_t i = 0; i < run->count; i++) {
        (void)(buf_puts(&input, run->lines[i]) && buf_puts(&input, "\n"));
    }
    if (input.overflow) {
        *ret_answered = 0;
        (void)snprintf(words, TEXT_BYTES_MAX,
                       "the events are more than a program is given at once");
        return STATE_PROGRAM_BROKEN;
    }
    process_run(&order, &output, &end);
    /* What it has answered before it failed counts: the stream behind that is the one to blame. */
    bool answered = state_program_read(run, &printed, ret_answers, ret_answered, words);
    const char *said = process_output_text(&output, "", run->arena);

    return state_program_judge(run, &end, process_output_last_line(said, run->arena), answered,
                               words);
}
