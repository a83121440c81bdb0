#include "agent/helper/helper_watch.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/helper/helper_frame.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

enum { HELPER_WATCH_PATH_MAX = 4096, HELPER_WATCH_BUF_MAX = 8192, HELPER_WATCH_FDS = 16 };

struct helper_watch {
    int signals; /* signalfd */
    pid_t program;
    uint64_t until_ms;   /* nothing of the program lives on then */
    uint64_t kill_at_ms; /* UINT64_MAX: nobody has asked it to end */
    bool ended;
    int status;                         /* of waitpid */
    char folder[HELPER_WATCH_PATH_MAX]; /* "" for none */
    struct buf in;
};

static int helper_watch_tell(enum helper_frame_kind kind, uint64_t status, uint64_t number,
                             const char *words)
{
    CLEANUP(buf_release) struct buf out = { .size_max = HELPER_WATCH_BUF_MAX };
    size_t begin = helper_frame_begin(&out, kind);

    if (kind == HELPER_FRAME_ENDED) {
        helper_frame_put_u64(&out, status);
        helper_frame_put_u64(&out, number);
    } else {
        helper_frame_put_text(&out, words);
    }
    helper_frame_end(&out, begin);
    return helper_frame_send(HELPER_FD_CONTROL, &out) ? 0 : 1;
}

static int helper_watch_fail(const char *what, int number)
{
    char words[HELPER_WATCH_PATH_MAX];

    (void)snprintf(words, sizeof(words), "%s: %s", what, strerror(number));
    return helper_watch_tell(HELPER_FRAME_NOT_STARTED, 0, 0, words);
}

static int helper_watch_remove(const char *path, const struct stat *status, int type,
                               struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0; /* what cannot be removed stays */
}

static void helper_watch_remove_folder(struct helper_watch *w)
{
    if (w->folder[0] != '\0') {
        (void)chdir("/");
        /* No link is followed, so nothing beside the folder is touched. */
        (void)nftw(w->folder, helper_watch_remove, HELPER_WATCH_FDS,
                   FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        w->folder[0] = '\0';
    }
}

static void helper_watch_release(struct helper_watch *w)
{
    helper_watch_remove_folder(w);
    if (w->signals >= 0) {
        close(w->signals);
    }
    buf_release(&w->in);
}

static bool helper_watch_make_folder(struct helper_watch *w)
{
    const char *temp = getenv("TMPDIR");

    (void)snprintf(w->folder, sizeof(w->folder), "%s/skein-exec-XXXXXX",
                   temp == NULL || temp[0] != '/' ? "/tmp" : temp);
    if (mkdtemp(w->folder) == NULL) {
        w->folder[0] = '\0';
        return false;
    }
    return chdir(w->folder) == 0 && setenv("HOME", w->folder, 1) == 0 &&
           setenv("TMPDIR", w->folder, 1) == 0;
}

static bool helper_watch_take_signals(struct helper_watch *w)
{
    static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        sigaddset(&set, numbers[i]);
    }
    w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return w->signals >= 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0;
}

/* Starts this program again as the one to become `words[0]`. Returns an errno. */
static int helper_watch_spawn(struct helper_watch *w, bool talks, int report, int word_count,
                              char *words[])
{
    CLEANUP(memory_free) char **argv = memory_alloc_array((size_t)word_count + 5, sizeof(*argv));
    char parent[32];
    char self[] = "/proc/self/exe";
    char start[] = "start";
    char protocol[] = HELPER_PROTOCOL;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    (void)snprintf(parent, sizeof(parent), "%d", (int)getpid());
    argv[0] = self;
    argv[1] = start;
    argv[2] = protocol;
    argv[3] = parent;
    memcpy(argv + 4, words, (size_t)word_count * sizeof(*argv));
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, report, HELPER_FD_CONTROL);
    posix_spawn_file_actions_addclosefrom_np(&actions, talks ? HELPER_FD_TALK + 1 : HELPER_FD_TALK);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int number = posix_spawn(&w->program, self, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return number;
}

/* Returns once the program runs, or why it does not: an errno. */
static int helper_watch_start(struct helper_watch *w, bool talks, int word_count, char *words[])
{
    int report[2];
    int number = 0;

    if (pipe2(report, O_CLOEXEC) != 0) {
        return errno;
    }
    number = helper_watch_spawn(w, talks, report[1], word_count, words);
    close(report[1]);
    if (number == 0) {
        int said = 0;
        ssize_t count;

        do { /* the other end closes when the program begins */
            count = read(report[0], &said, sizeof(said));
        } while (count < 0 && errno == EINTR);
        number = count == (ssize_t)sizeof(said) ? said : 0;
    }
    close(report[0]);
    return number;
}

/* Notes how the program ended, and that of its children which have become ours. False: there is no
 * child left. */
static bool helper_watch_reap(struct helper_watch *w)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid < 0 && errno == EINTR) {
            continue;
        }
        if (pid <= 0) {
            return pid == 0;
        }
        if (pid == w->program) {
            w->ended = true;
            w->status = status;
        }
    }
}

/* The parent of a process; 0 if there is no such process. */
static pid_t helper_watch_parent_of(const char *pid)
{
    char path[64];
    char text[512];

    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t count = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[count < 0 ? 0 : count] = '\0';
    const char *end = strrchr(text, ')'); /* the name before it may hold anything */
    if (end == NULL || strlen(end) < 5) {
        return 0;
    }
    return (pid_t)strtol(end + 4, NULL, 10); /* ") S PARENT" */
}

static void helper_watch_kill_children(void)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry = NULL;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            helper_watch_parent_of(entry->d_name) == getpid()) {
            (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
}

/* Ends everything that the program has started, wherever it has hidden: what loses its parent
 * becomes our child, so killing children until there are none reaches all. */
static void helper_watch_sweep(struct helper_watch *w)
{
    uint64_t ends_ms = clock_monotonic_ms() + PROCESS_SWEEP_MAX_MS;

    if (!w->ended) {
        (void)kill(-w->program, SIGKILL);
    }
    while (helper_watch_reap(w) && clock_monotonic_ms() < ends_ms) {
        struct pollfd signals = { .fd = w->signals, .events = POLLIN };
        struct signalfd_siginfo info;

        helper_watch_kill_children();
        (void)poll(&signals, 1, 10);
        (void)!read(w->signals, &info, sizeof(info));
    }
}

static void helper_watch_stop(struct helper_watch *w, uint64_t grace_ms)
{
    if (w->kill_at_ms == UINT64_MAX) {
        w->kill_at_ms = clock_monotonic_ms() + grace_ms;
        (void)kill(-w->program, SIGTERM);
    }
}

/* False: what came is not from an agent like us. */
static bool helper_watch_obey(struct helper_watch *w, struct helper_frame *frame)
{
    uint64_t number = helper_frame_take_u64(frame);

    if (!helper_frame_is_done(frame)) {
        return false;
    }
    if (frame->kind == HELPER_FRAME_EXTEND) {
        w->until_ms = number;
    } else if (frame->kind == HELPER_FRAME_STOP) {
        helper_watch_stop(w, number > TIMEOUT_MS_MAX ? TIMEOUT_MS_MAX : number);
    }
    return true;
}

/* What the agent says. False: it is gone. */
static bool helper_watch_listen(struct helper_watch *w)
{
    char bytes[512];
    ssize_t count = read(HELPER_FD_CONTROL, bytes, sizeof(bytes));
    size_t used = 0;

    if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
        return true;
    }
    if (count <= 0 || !buf_append(&w->in, bytes, (size_t)count)) {
        return false;
    }
    for (;;) {
        struct helper_frame frame;
        size_t size = 0;
        struct bytes rest = buf_view(&w->in);

        rest.data += used;
        rest.size -= used;
        enum helper_frame_state state = helper_frame_find(rest, &frame, &size);
        if (state == HELPER_FRAME_BROKEN ||
            (state == HELPER_FRAME_WHOLE && !helper_watch_obey(w, &frame))) {
            return false;
        }
        if (state == HELPER_FRAME_PARTIAL) {
            memmove(w->in.data, w->in.data + used, w->in.size - used);
            w->in.size -= used;
            return true;
        }
        used += size;
    }
}

static void helper_watch_on_signals(struct helper_watch *w)
{
    struct signalfd_siginfo info;

    while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGCHLD) {
            helper_watch_stop(w, PROCESS_GRACE_MS);
        }
    }
    (void)helper_watch_reap(w);
}

static void helper_watch_run(struct helper_watch *w)
{
    struct pollfd fds[] = {
        { .fd = w->signals, .events = POLLIN },
        { .fd = HELPER_FD_CONTROL, .events = POLLIN },
    };

    while (!w->ended) {
        uint64_t now_ms = clock_monotonic_ms();
        uint64_t next_ms = w->kill_at_ms < w->until_ms ? w->kill_at_ms : w->until_ms;

        if (now_ms >= next_ms) {
            return; /* to be swept away */
        }
        uint64_t wait_ms = next_ms - now_ms < 60000 ? next_ms - now_ms : 60000;
        if (poll(fds, COUNT_OF(fds), (int)wait_ms) <= 0) {
            continue;
        }
        if (fds[0].revents != 0) {
            helper_watch_on_signals(w);
        }
        if (fds[1].revents != 0 && !helper_watch_listen(w)) {
            fds[1].fd = -1; /* the agent is gone: nothing more is to be heard */
            helper_watch_stop(w, PROCESS_GRACE_MS);
        }
    }
}

int helper_watch(int word_count, char *words[])
{
    CLEANUP(helper_watch_release)
    struct helper_watch w = { .signals = -1,
                              .kill_at_ms = UINT64_MAX,
                              .in = { .size_max = HELPER_WATCH_BUF_MAX } };

    if (word_count < 3) {
        return helper_watch_fail("the words of the agent", EINVAL);
    }
    w.until_ms = strtoull(words[0], NULL, 10);
    bool talks = strcmp(words[1], "talk") == 0;
    if (!helper_watch_take_signals(&w) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return helper_watch_fail("the helper", errno);
    }
    if (!helper_watch_make_folder(&w)) {
        return helper_watch_fail("a folder to work in", errno);
    }
    int number = helper_watch_start(&w, talks, word_count - 2, words + 2);
    if (number != 0) {
        helper_watch_sweep(&w);
        helper_watch_remove_folder(&w);
        return helper_watch_fail(words[2], number);
    }
    if (talks) {
        close(HELPER_FD_TALK); /* the plugin alone holds it: its end is the end of the talk */
    }
    helper_watch_run(&w);
    helper_watch_sweep(&w);
    helper_watch_remove_folder(&w); /* who has told the end is not waited for */
    bool exited = w.ended && WIFEXITED(w.status);
    bool killed = w.ended && WIFSIGNALED(w.status);
    return helper_watch_tell(HELPER_FRAME_ENDED, exited ? (uint64_t)WEXITSTATUS(w.status) : 0,
                             killed   ? (uint64_t)WTERMSIG(w.status)
                             : exited ? 0
                                      : SIGKILL,
                             NULL);
}

int helper_watch_become(int word_count, char *words[])
{
    const struct rlimit none = { 0, 0 };
    int number = EINVAL;

    if (word_count >= 2) {
        /* A core file would hold the password. */
        (void)setrlimit(RLIMIT_CORE, &none);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
            fcntl(HELPER_FD_CONTROL, F_SETFD, FD_CLOEXEC) == 0) {
            if (getppid() != (pid_t)strtol(words[0], NULL, 10)) {
                return 1; /* the watcher died before we could ask */
            }
            (void)execv(words[1], words + 1);
        }
        number = errno;
    }
    (void)!write(HELPER_FD_CONTROL, &number, sizeof(number));
    return 1;
}
