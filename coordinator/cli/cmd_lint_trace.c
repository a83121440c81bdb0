#include "coordinator/cli/cmd_lint_trace.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/core/limits.h"
#include "common/core/signals.h"
#include "common/trace/trace_scratch.h"
#include "coordinator/cli/cmd_lint.h"

bool cmd_lint_trace_may(const struct cli *cli)
{
    struct stat status;

    if (cli->argument_count != 1 || stat(cli->arguments[0], &status) != 0 ||
        !S_ISDIR(status.st_mode)) {
        return false;
    }
    signals_block();
    return true;
}

/* Whether nobody has pressed Ctrl-C or asked the process to end. */
static bool cmd_lint_trace_goes_on(void)
{
    sigset_t pending;

    return sigpending(&pending) != 0 ||
           (sigismember(&pending, SIGINT) != 1 && sigismember(&pending, SIGTERM) != 1 &&
            sigismember(&pending, SIGHUP) != 1);
}

static void cmd_lint_trace_tell_left_over(struct trace_scratch *scratch)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *names = trace_scratch_left_over(scratch, &arena);

    if (names[0] != '\0') {
        fprintf(stderr, "skein: left over by a trace that was killed: %s\n", names);
    }
}

static bool cmd_lint_trace_load(const struct cli *cli, struct lint_run *run,
                                struct trace_scratch *scratch, struct error *err)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };
    const char *home = run->catalog.home == NULL ? "" : run->catalog.home;

    if (cli->options.schema[0] == '\0') {
        return true;
    }
    return cmd_lint_read_schema(cli->options.schema, &text, err) &&
           (trace_scratch_load(scratch, run->parser, buf_view(&text), home, err) ||
            error_wrap(err, "%s", cli->options.schema));
}

bool cmd_lint_trace(struct cli *cli, struct lint_run *run, const struct set *set,
                    struct trace *ret_trace, struct error *err)
{
    CLEANUP(trace_scratch_free) struct trace_scratch *scratch = NULL;

    if (!trace_scratch_open(cli->options.trace, &scratch, err)) {
        return error_wrap(err, "trace");
    }
    cmd_lint_trace_tell_left_over(scratch);
    bool done =
        cmd_lint_trace_load(cli, run, scratch, err) &&
        trace_set(run, set, trace_scratch_conn(scratch), cmd_lint_trace_goes_on, ret_trace, err);
    struct error left = { 0 };
    if (!trace_scratch_drop(scratch, &left)) {
        if (!done) {
            fprintf(stderr, "skein: %s\n", err->message);
        }
        *err = left;
        return false;
    }
    return done || error_wrap(err, "trace");
}
