/* LIBS: agent_run */
/* Real processes, watched by a real skein-helper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/run/process.h"
#include "common/core/clock.h"
#include "common/core/memory.h"

enum { PATIENCE_MS = 20000 };

static const char helper[] = SKEIN_BINARY_DIR "/skein-helper";

struct watcher {
    uint64_t ends_ms; /* when it may go on no longer */
    uint64_t until_ms;
};

static bool may_go_on(void *context, uint64_t *ret_until_ms)
{
    const struct watcher *watcher = context;

    *ret_until_ms = watcher->until_ms;
    return clock_monotonic_ms() < watcher->ends_ms;
}

static const char *run(const char *const *words, uint64_t timeout_ms, uint64_t stop_ms,
                       struct arena *arena, struct process_end *ret_end)
{
    CLEANUP(process_output_release) struct process_output output = { 0 };
    static const char *const environment[] = { "PATH=/usr/bin:/bin", "COLOUR=blue",
                                               "SECRET=swordfish", NULL };
    struct watcher watcher = { .ends_ms =
                                   stop_ms == 0 ? UINT64_MAX : clock_monotonic_ms() + stop_ms,
                               .until_ms = UINT64_MAX };
    struct process_order order = { .helper = helper,
                                   .words = words,
                                   .environment = environment,
                                   .timeout_ms = timeout_ms,
                                   .may_go_on = may_go_on,
                                   .context = &watcher };

    process_run(&order, &output, ret_end);
    const char *text = process_output_text(&output, "swordfish", arena);
    return text == NULL ? "" : text;
}

static const char *shell(const char *script, uint64_t timeout_ms, uint64_t stop_ms,
                         struct arena *arena, struct process_end *ret_end)
{
    return run((const char *const[]){ "/bin/sh", "-c", script, NULL }, timeout_ms, stop_ms, arena,
               ret_end);
}

static bool is_alive(const char *pid)
{
    return kill((pid_t)strtol(pid, NULL, 10), 0) == 0;
}

static void wait_until_gone(const char *pid)
{
    uint64_t ends_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (is_alive(pid)) {
        if (clock_monotonic_ms() > ends_ms) {
            fail_msg("process %s is still there", pid);
        }
        (void)poll(NULL, 0, 10);
    }
}

static void a_program_ends_with_its_status_and_its_words(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    const char *text = shell("echo out; echo err >&2; exit 3", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_ENDED);
    assert_int_equal(end.status, 3);
    assert_int_equal(end.signal, 0);
    assert_string_equal(text, "out\nerr");
    (void)shell("kill -SEGV $$", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_ENDED);
    assert_int_equal(end.signal, SIGSEGV);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    (void)run((const char *const[]){ "/nowhere/to/be/found", NULL }, PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_NOT_STARTED);
    assert_string_equal(end.words, "/nowhere/to/be/found: No such file or directory");
}

static void a_program_gets_its_environment_and_nothing_else(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;
    int leak = dup(0); /* without close-on-exec */

    (void)state;
    assert_true(leak > 2);
    assert_int_equal(setenv("SKEIN_TEST_LEAK", "1", 1), 0);
    const char *text = shell("env | grep -c '^SKEIN_TEST_LEAK'; echo $COLOUR $SECRET;"
                             "ls /proc/self/fd | tr '\\n' ' '; readlink /proc/self/fd/0;"
                             "cat; ls -A | wc -l; test \"$HOME\" = \"$(pwd)\" && stat -c %a .",
                             PATIENCE_MS, 0, &arena, &end);
    close(leak);
    assert_int_equal(end.status, 0);
    /* ls itself opens 3. */
    assert_string_equal(text, "0\nblue ********\n0 1 2 3 /dev/null\n0\n700");
}

static void its_folder_is_removed_with_all_that_is_in_it(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;
    struct stat status;

    (void)state;
    const char *text =
        shell("mkdir -p a/b; echo x > a/b/c; ln -s / root; pwd", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.status, 0);
    assert_non_null(strstr(text, "/skein-exec-"));
    assert_int_not_equal(stat(text, &status), 0);
    assert_int_equal(stat("/etc", &status), 0);
}

static void a_program_that_hangs_is_ended_by_its_timeout(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;
    uint64_t began_ms = clock_monotonic_ms();

    (void)state;
    const char *text = shell("echo $$; exec sleep 1000", 300, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_TIMED_OUT);
    assert_int_equal(end.signal, SIGTERM);
    assert_true(clock_monotonic_ms() - began_ms < PROCESS_GRACE_MS);
    wait_until_gone(text);
}

static void a_program_that_does_not_listen_is_killed(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    const char *text =
        shell("trap '' TERM; echo $$; while :; do sleep 0.1; done", 300, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_TIMED_OUT);
    assert_int_equal(end.signal, SIGKILL);
    wait_until_gone(text);
}

static void a_program_is_stopped_when_it_may_not_go_on(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    const char *text =
        shell("trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done", PATIENCE_MS,
              500, &arena, &end);
    assert_int_equal(end.ending, PROCESS_STOPPED);
    assert_memory_equal(text, "hello\n", 6);
    assert_string_equal(process_output_last_line(text, &arena), "bye");
}

static void what_it_leaves_behind_is_ended_too(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    /* A session of its own, out of the program's process group, and its parent gone. */
    const char *text = shell("setsid sh -c 'sleep 1000 & echo $!'", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_ENDED);
    assert_int_equal(end.status, 0);
    wait_until_gone(text);
}

static void only_the_end_of_much_output_is_kept(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    const char *text = shell("seq 1 200000", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.status, 0);
    assert_true(strlen(text) <= RUNNER_OUTPUT_BYTES_MAX);
    assert_string_equal(text + strlen(text) - 13, "199999\n200000");
    assert_string_equal(process_output_last_line(text, &arena), "200000");
    text = shell("printf 'a\\033[31mred\\033[0m\\001b\\377c'", PATIENCE_MS, 0, &arena, &end);
    assert_string_equal(text, "aredb?c");
}

/* What start_agent makes of this program: one that runs a program, and can be killed. */
static int be_agent(char *argv[])
{
    CLEANUP(process_output_release) struct process_output output = { 0 };
    static const char *const environment[] = { "PATH=/usr/bin:/bin", NULL };
    struct watcher watcher = { .ends_ms = UINT64_MAX, .until_ms = strtoull(argv[1], NULL, 10) };
    struct process_end end;
    char told[64];

    (void)snprintf(told, sizeof(told), "/proc/%d/fd/%s", (int)getpid(), argv[2]);
    const struct process_order order = {
        .helper = helper,
        .words = (const char *const[]){ "/bin/sh", "-c", argv[3], "sh", told, NULL },
        .environment = environment,
        .timeout_ms = UINT64_C(10) * PATIENCE_MS,
        .may_go_on = may_go_on,
        .context = &watcher,
    };
    process_run(&order, &output, &end);
    return 0;
}

static pid_t start_agent(int told, const char *script, uint64_t until_ms)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    char *argv[] = { arena_strdup(&arena, "agent"), arena_printf(&arena, "%" PRIu64, until_ms),
                     arena_printf(&arena, "%d", told), arena_strdup(&arena, script), NULL };
    pid_t pid = 0;

    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    return pid;
}

static void read_pid(int fd, char text[32])
{
    size_t size = 0;

    while (size < 31 && (size == 0 || text[size - 1] != '\n')) {
        ssize_t count = read(fd, text + size, 31 - size);

        assert_true(count > 0);
        size += (size_t)count;
    }
    text[size - 1] = '\0';
}

static void a_program_ends_with_an_agent_that_is_killed(void **state)
{
    char pid[32];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t agent =
        start_agent(ends[1], "trap '' TERM; echo $$ > $1; while :; do sleep 0.1; done", UINT64_MAX);
    read_pid(ends[0], pid);
    assert_true(is_alive(pid));
    assert_int_equal(kill(agent, SIGKILL), 0);
    assert_int_equal(waitpid(agent, NULL, 0), agent);
    wait_until_gone(pid);
    close(ends[0]);
    close(ends[1]);
}

static void a_program_ends_with_the_lease_of_an_agent_that_stands_still(void **state)
{
    char pid[32];
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t agent =
        start_agent(ends[1], "echo $$ > $1; exec sleep 1000", clock_monotonic_ms() + 1000);
    read_pid(ends[0], pid);
    assert_int_equal(kill(agent, SIGSTOP), 0);
    wait_until_gone(pid);
    assert_int_equal(kill(agent, SIGKILL), 0);
    assert_int_equal(waitpid(agent, NULL, 0), agent);
    close(ends[0]);
    close(ends[1]);
}

static void a_program_ends_with_a_helper_that_is_killed(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct process_end end;

    (void)state;
    const char *text =
        shell("rmdir \"$(pwd)\"; echo $$; kill -9 $PPID; sleep 1000", PATIENCE_MS, 0, &arena, &end);
    assert_int_equal(end.ending, PROCESS_LOST);
    wait_until_gone(text);
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_ends_with_its_status_and_its_words),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(a_program_gets_its_environment_and_nothing_else),
        cmocka_unit_test(its_folder_is_removed_with_all_that_is_in_it),
        cmocka_unit_test(a_program_that_hangs_is_ended_by_its_timeout),
        cmocka_unit_test(a_program_that_does_not_listen_is_killed),
        cmocka_unit_test(a_program_is_stopped_when_it_may_not_go_on),
        cmocka_unit_test(what_it_leaves_behind_is_ended_too),
        cmocka_unit_test(only_the_end_of_much_output_is_kept),
        cmocka_unit_test(a_program_ends_with_an_agent_that_is_killed),
        cmocka_unit_test(a_program_ends_with_the_lease_of_an_agent_that_stands_still),
        cmocka_unit_test(a_program_ends_with_a_helper_that_is_killed),
    };

    return argc == 4 ? be_agent(argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
