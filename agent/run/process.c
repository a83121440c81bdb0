#include "agent/run/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/memory.h"

enum { PROCESS_READ_BYTES = 16 << 10, PROCESS_CONTROL_BYTES_MAX = 16 << 10, PROCESS_WORDS = 5 };

struct process {
    const struct process_order *order;
    struct process_output *output;
    struct process_end *end;
    pid_t helper;
    int control; /* each -1 where it is closed */
    int talk;
    int printed;
    int answers; /* its standard output, where that is not printed */
    struct buf control_in;
    struct buf talk_in;
    struct buf talk_out;
    uint64_t deadline_ms;
    uint64_t until_ms; /* as the helper knows it */
    uint64_t look_ms;  /* when to ask again whether it may go on */
    uint64_t stop_ms;  /* when it was told to stop; 0: it was not */
    bool ended;
};

static void process_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void process_fail(struct process *p, enum process_ending ending, const char *words)
{
    p->end->ending = ending;
    (void)snprintf(p->end->words, sizeof(p->end->words), "%s", words);
    p->ended = true;
}

/* The child's end of each is closed when the helper has been started. */
struct process_pipes {
    int control[2];
    int talk[2];
    int printed[2];
    int answers[2];
    int input; /* a file in memory with what can be read; -1: none */
};

static void process_close_pipes(struct process_pipes *pipes)
{
    int *const pairs[] = { pipes->control, pipes->talk, pipes->printed, pipes->answers };

    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        process_close(&pairs[i][0]);
        process_close(&pairs[i][1]);
    }
    process_close(&pipes->input);
}

/* All of it is there before the program begins, so nobody has to feed it while it answers. */
static bool process_open_input(struct process_pipes *pipes, const struct buf *input)
{
    size_t written = 0;

    pipes->input = memfd_create("skein-input", MFD_CLOEXEC);
    while (pipes->input >= 0 && written < input->size) {
        ssize_t count = write(pipes->input, input->data + written, input->size - written);

        if (count < 0 && errno != EINTR) {
            return false;
        }
        written += count < 0 ? 0 : (size_t)count;
    }
    return pipes->input >= 0 && lseek(pipes->input, 0, SEEK_SET) == 0;
}

/* Descriptors 0 to 4 of the helper, and no others. A dup2 may not write over one that is still
 * needed: ours are all above, because the agent has its own 0 to 2 and its gRPC by then, but that
 * is no law; so they are made high. */
static bool process_open_pipes(struct process_pipes *pipes, const struct process_order *order)
{
    bool talks = order->on_frame != NULL;
    bool answers = order->printed != NULL;
    int *const ends[] = { &pipes->control[1], &pipes->printed[1], &pipes->talk[1],
                          &pipes->answers[1], &pipes->input };

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes->control) != 0 ||
        pipe2(pipes->printed, O_CLOEXEC) != 0 ||
        (talks && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes->talk) != 0) ||
        (answers && pipe2(pipes->answers, O_CLOEXEC) != 0) ||
        (order->input != NULL && !process_open_input(pipes, order->input))) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (*ends[i] < 0) {
            continue;
        }
        int high = fcntl(*ends[i], F_DUPFD_CLOEXEC, HELPER_FD_TALK + 1);

        if (high < 0) {
            return false;
        }
        close(*ends[i]);
        *ends[i] = high;
    }
    return fcntl(pipes->control[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(pipes->printed[0], F_SETFL, O_NONBLOCK) == 0 &&
           (!talks || fcntl(pipes->talk[0], F_SETFL, O_NONBLOCK) == 0) &&
           (!answers || fcntl(pipes->answers[0], F_SETFL, O_NONBLOCK) == 0);
}

static int process_spawn(struct process *p, const struct process_pipes *pipes, char *const *argv)
{
    bool talks = p->order->on_frame != NULL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    if (pipes->input >= 0) {
        posix_spawn_file_actions_adddup2(&actions, pipes->input, STDIN_FILENO);
    } else {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    }
    posix_spawn_file_actions_adddup2(
        &actions, pipes->answers[1] >= 0 ? pipes->answers[1] : pipes->printed[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes->printed[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes->control[1], HELPER_FD_CONTROL);
    if (talks) {
        posix_spawn_file_actions_adddup2(&actions, pipes->talk[1], HELPER_FD_TALK);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions, talks ? HELPER_FD_TALK + 1 : HELPER_FD_TALK);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    /* posix_spawn takes what it does not change without const. */
    union {
        const char *const *borrowed;
        char *const *plain;
    } environment = { .borrowed = p->order->environment };
    int number =
        posix_spawn(&p->helper, p->order->helper, &actions, &attributes, argv, environment.plain);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return number;
}

static void process_start(struct process *p)
{
    struct process_pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 }, -1 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    size_t count = 0;

    while (p->order->words[count] != NULL) {
        count++;
    }
    char **argv = arena_alloc_array(&arena, PROCESS_WORDS + count + 1, sizeof(*argv));
    argv[0] = arena_strdup(&arena, p->order->helper);
    argv[1] = arena_strdup(&arena, "watch");
    argv[2] = arena_strdup(&arena, HELPER_PROTOCOL);
    argv[3] = arena_printf(&arena, "%" PRIu64, p->until_ms);
    argv[4] = arena_strdup(&arena, p->order->on_frame != NULL ? "talk" : "mute");
    for (size_t i = 0; i < count; i++) {
        argv[PROCESS_WORDS + i] = arena_strdup(&arena, p->order->words[i]);
    }
    bool open = process_open_pipes(&pipes, p->order);
    int number = open ? process_spawn(p, &pipes, argv) : errno;
    if (number != 0) {
        process_fail(p, PROCESS_NOT_STARTED,
                     arena_printf(&arena, "%s: %s", p->order->helper, strerror(number)));
    } else {
        p->control = pipes.control[0];
        p->talk = pipes.talk[0];
        p->printed = pipes.printed[0];
        p->answers = pipes.answers[0];
        pipes.control[0] = -1;
        pipes.talk[0] = -1;
        pipes.printed[0] = -1;
        pipes.answers[0] = -1;
    }
    process_close_pipes(&pipes);
}

static void process_tell(struct process *p, enum helper_frame_kind kind, uint64_t number)
{
    CLEANUP(buf_release) struct buf out = { .size_max = 64 };
    size_t begin = helper_frame_begin(&out, kind);

    helper_frame_put_u64(&out, number);
    helper_frame_end(&out, begin);
    /* A helper that does not take a few bytes is dead, or stands still: then its end or its
     * deadline comes. */
    (void)!send(p->control, out.data, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void process_stop(struct process *p, enum process_ending why)
{
    if (p->stop_ms == 0) {
        p->end->ending = why;
        p->stop_ms = clock_monotonic_ms();
        process_tell(p, HELPER_FRAME_STOP, PROCESS_GRACE_MS);
        process_close(&p->talk); /* a plugin gets no more answers */
    }
}

/* False: nothing more will come. */
static bool process_read(int fd, struct buf *buf)
{
    char bytes[PROCESS_READ_BYTES];
    ssize_t count = read(fd, bytes, sizeof(bytes));

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    return count > 0 && buf_append(buf, bytes, (size_t)count);
}

/* True when there was something. */
static bool process_read_printed(struct process *p)
{
    char bytes[PROCESS_READ_BYTES];
    ssize_t count = read(p->printed, bytes, sizeof(bytes));

    if (count > 0) {
        process_output_add(p->output, bytes, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        process_close(&p->printed);
    }
    return count > 0;
}

/* True when there was something. */
static bool process_read_answers(struct process *p)
{
    char bytes[PROCESS_READ_BYTES];
    ssize_t count = read(p->answers, bytes, sizeof(bytes));

    if (count > 0) {
        if (!buf_append(p->order->printed, bytes, (size_t)count)) {
            process_stop(p, PROCESS_STOPPED);
        }
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        process_close(&p->answers);
    }
    return count > 0;
}

static void process_send_answer(struct process *p)
{
    ssize_t count = send(p->talk, p->talk_out.data, p->talk_out.size, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (count > 0) {
        memmove(p->talk_out.data, p->talk_out.data + count, p->talk_out.size - (size_t)count);
        p->talk_out.size -= (size_t)count;
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        process_close(&p->talk); /* the host has died; the watcher says how */
    }
}

/* One frame of what has come in. False: there is none, or the talk is over. */
static bool process_hear_one(struct process *p)
{
    struct helper_frame frame;
    size_t size = 0;

    if (p->talk < 0) {
        return false;
    }
    switch (helper_frame_find(buf_view(&p->talk_in), &frame, &size)) {
    case HELPER_FRAME_PARTIAL:
        return false;
    case HELPER_FRAME_BROKEN:
        process_stop(p, PROCESS_STOPPED);
        return false;
    case HELPER_FRAME_WHOLE:
        break;
    }
    enum process_turn turn = p->order->on_frame(p->order->context, &frame, &p->talk_out);
    memmove(p->talk_in.data, p->talk_in.data + size, p->talk_in.size - size);
    p->talk_in.size -= size;
    if (turn == PROCESS_IS_BROKEN || p->talk_out.overflow) {
        process_stop(p, PROCESS_STOPPED);
    } else if (turn == PROCESS_IS_DONE) {
        process_close(&p->talk);
    }
    return turn == PROCESS_GOES_ON;
}

static void process_hear(struct process *p)
{
    bool more = process_read(p->talk, &p->talk_in);

    while (process_hear_one(p)) {
    }
    if (p->talk >= 0 && p->talk_out.size > 0) {
        process_send_answer(p);
    }
    if (!more) {
        process_close(&p->talk);
    }
}

static void process_take_end(struct process *p, struct helper_frame *frame)
{
    p->ended = true;
    if (frame->kind == HELPER_FRAME_NOT_STARTED) {
        const char *words = helper_frame_take_text(frame);

        process_fail(p, PROCESS_NOT_STARTED, words == NULL ? "?" : words);
        return;
    }
    if (p->stop_ms == 0) {
        p->end->ending = PROCESS_ENDED;
    }
    p->end->status = (int)helper_frame_take_u64(frame);
    p->end->signal = (int)helper_frame_take_u64(frame);
}

static void process_hear_control(struct process *p)
{
    struct helper_frame frame;
    size_t size = 0;
    bool more = process_read(p->control, &p->control_in);

    if (helper_frame_find(buf_view(&p->control_in), &frame, &size) == HELPER_FRAME_WHOLE) {
        process_take_end(p, &frame);
    } else if (!more) {
        p->ended = true;
        if (p->stop_ms == 0) {
            process_fail(p, PROCESS_LOST, "the helper that watched it was killed");
        }
    }
}

/* For an agent that stands still when the time is over: the helper has its own clock. */
static uint64_t process_bound(const struct process *p, uint64_t until_ms)
{
    uint64_t most_ms = p->deadline_ms + PROCESS_GRACE_MS;

    return until_ms < most_ms ? until_ms : most_ms;
}

static void process_look(struct process *p, uint64_t now_ms)
{
    uint64_t until_ms = UINT64_MAX;

    if (p->stop_ms != 0) {
        if (now_ms - p->stop_ms >= PROCESS_END_MAX_MS) {
            p->ended = true; /* the helper stands still: it is killed, and the program with it */
        }
        return;
    }
    if (now_ms >= p->deadline_ms) {
        process_stop(p, PROCESS_TIMED_OUT);
        return;
    }
    if (now_ms < p->look_ms) {
        return;
    }
    p->look_ms = now_ms + PROCESS_TICK_MS;
    if (!p->order->may_go_on(p->order->context, &until_ms)) {
        process_stop(p, PROCESS_STOPPED);
    } else if (process_bound(p, until_ms) != p->until_ms) {
        p->until_ms = process_bound(p, until_ms);
        process_tell(p, HELPER_FRAME_EXTEND, p->until_ms);
    }
}

static void process_watch(struct process *p)
{
    while (!p->ended) {
        struct pollfd fds[] = {
            { .fd = p->printed, .events = POLLIN },
            { .fd = p->talk, .events = (short)(POLLIN | (p->talk_out.size > 0 ? POLLOUT : 0)) },
            { .fd = p->control, .events = POLLIN },
            { .fd = p->answers, .events = POLLIN },
        };

        (void)poll(fds, COUNT_OF(fds), PROCESS_TICK_MS);
        if (fds[0].revents != 0) {
            (void)process_read_printed(p);
        }
        if (fds[3].revents != 0) {
            (void)process_read_answers(p);
        }
        /* What a plugin has said counts before what is said of its end. */
        if (fds[1].revents != 0 && p->talk >= 0) {
            process_hear(p);
        } else if (fds[2].revents != 0) {
            process_hear_control(p);
        }
        process_look(p, clock_monotonic_ms());
    }
    while (p->printed >= 0 && process_read_printed(p)) {
    }
    while (p->answers >= 0 && process_read_answers(p)) {
    }
}

/* The helper has said its last word, and ends; or it never will. */
static void process_reap(struct process *p)
{
    uint64_t ends_ms = clock_monotonic_ms() + PROCESS_EXIT_MAX_MS;
    int status = 0;

    process_close(&p->control);
    while (p->helper > 0) {
        pid_t pid = waitpid(p->helper, &status, WNOHANG);

        if (pid == p->helper || (pid < 0 && errno != EINTR)) {
            return;
        }
        if (clock_monotonic_ms() >= ends_ms) {
            (void)kill(p->helper, SIGKILL);
        }
        (void)poll(NULL, 0, 2);
    }
}

void process_run(const struct process_order *order, struct process_output *output,
                 struct process_end *ret_end)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct process p = { .order = order,
                         .output = output,
                         .end = ret_end,
                         .control = -1,
                         .talk = -1,
                         .printed = -1,
                         .answers = -1,
                         .control_in = { .size_max = PROCESS_CONTROL_BYTES_MAX },
                         .talk_in = { .size_max = PLUGIN_BUFFER_BYTES_MAX },
                         .talk_out = { .size_max = PLUGIN_BUFFER_BYTES_MAX },
                         .deadline_ms = now_ms + order->timeout_ms,
                         .until_ms = UINT64_MAX,
                         .look_ms = now_ms + PROCESS_TICK_MS };

    *ret_end = (struct process_end){ .ending = PROCESS_STOPPED };
    if (order->may_go_on(order->context, &p.until_ms)) {
        p.until_ms = process_bound(&p, p.until_ms);
        process_start(&p);
        process_watch(&p);
    }
    process_close(&p.talk);
    process_reap(&p);
    process_close(&p.printed);
    process_close(&p.answers);
    buf_release(&p.control_in);
    buf_release(&p.talk_in);
    buf_release(&p.talk_out);
}
