#include "coordinator/cli/watch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "coordinator/cli/exit_code.h"
#include "coordinator/cli/feed.h"
#include "coordinator/cli/field.h"
#include "coordinator/cli/rollout_shape.h"
#include "coordinator/cli/watch_draw.h"

enum {
    WATCH_POLL_MS = 200, /* how soon Ctrl-C is noticed, and the fastest redraw */
    WATCH_LINE_MS = 1000,
    WATCH_RETRY_MS = 500,
    WATCH_PATIENCE_MS = 5 * 60 * 1000, /* how long an unreachable coordinator is waited for */
    WATCH_FRAME_BYTES = 1 << 20,
    WATCH_GROUPS_AT_END = 8,
};

/* A signal handler reaches nothing else. */
static volatile sig_atomic_t watch_interrupted;

static void watch_on_signal(int number)
{
    (void)number;
    watch_interrupted = 1;
}

struct watch {
    struct cli *cli;
    const struct watch_request *request;
    json_t *rollout;        /* shaped; NULL before the first message */
    bool fresh;             /* not shown yet */
    size_t lines_drawn;     /* of the picture that is on the terminal */
    uint64_t next_line_ms;  /* WATCH_LINES */
    uint64_t last_heard_ms; /* when the coordinator last said something */
    bool connected;
    char phase[32]; /* WATCH_QUIET: the last one that was told */
};

static const char *watch_phase(const struct watch *watch)
{
    return field_text(watch->rollout, "phase");
}

static bool watch_is_over(const struct watch *watch)
{
    if (watch->rollout == NULL) {
        return false;
    }
    return watch->request->until_settled ? exit_code_phase_is_settled(watch_phase(watch))
                                         : exit_code_phase_is_final(watch_phase(watch));
}

/* ---- showing ---- */

static void watch_draw_frame(struct watch *watch)
{
    CLEANUP(buf_release) struct buf picture = { .size_max = WATCH_FRAME_BYTES };
    CLEANUP(buf_release) struct buf frame = { .size_max = (size_t)2 * WATCH_FRAME_BYTES };
    struct style style = output_style(watch->cli->options.color); /* it may have been resized */

    if (!watch->connected) {
        style.height -= style.height > 1 ? 1 : 0;
        style_put(&style, &picture, TONE_WAIT,
                  "the coordinator does not answer; the work goes on; trying again\n");
    }
    if (watch->rollout != NULL) {
        watch_draw_status(watch->rollout, &style, clock_wall_ms(), &picture);
    }
    if (watch->lines_drawn > 0) {
        buf_printf(&frame, "\033[%zuA\r", watch->lines_drawn);
    }
    watch->lines_drawn = 0;
    for (const char *c = buf_text(&picture); *c != '\0'; c++) {
        if (*c == '\n') {
            buf_puts(&frame, "\033[K");
            watch->lines_drawn++;
        }
        buf_append(&frame, c, 1);
    }
    buf_puts(&frame, "\033[J");
    output_text(&frame);
    (void)fflush(stdout);
}

static void watch_print_line(const struct watch *watch)
{
    CLEANUP(buf_release) struct buf line = { .size_max = WATCH_FRAME_BYTES };
    char now[CLOCK_TEXT_BYTES];

    if (watch->rollout != NULL && watch->connected) {
        watch_draw_line(watch->rollout, clock_wall_ms(), &line);
    } else {
        clock_format_wall(clock_wall_ms(), now);
        buf_printf(&line, "%s rollout=%s coordinator=unreachable\n", now, watch->request->id);
    }
    output_text(&line);
    (void)fflush(stdout);
}

/* A change of phase, in one sentence on stderr. */
static void watch_say_phase(struct watch *watch)
{
    CLEANUP(buf_release) struct buf line = { .size_max = WATCH_FRAME_BYTES };
    const struct style plain = { .utf8 = watch->cli->style.utf8 };

    if (watch->rollout == NULL || strcmp(watch->phase, watch_phase(watch)) == 0) {
        return;
    }
    snprintf(watch->phase, sizeof(watch->phase), "%s", watch_phase(watch));
    watch_draw_headline(watch->rollout, &plain, clock_wall_ms(), &line);
    output_say("%s", buf_text(&line));
}

static void watch_show(struct watch *watch)
{
    const uint64_t now_ms = clock_monotonic_ms();

    switch (watch->request->view) {
    case WATCH_LIVE:
        watch_draw_frame(watch);
        break;
    case WATCH_LINES:
        if (now_ms >= watch->next_line_ms || watch_is_over(watch)) {
            watch->next_line_ms = now_ms + WATCH_LINE_MS;
            watch_print_line(watch);
        }
        break;
    case WATCH_NDJSON:
        if (watch->fresh) {
            output_json(OUTPUT_NDJSON, watch->rollout);
            (void)fflush(stdout);
        }
        break;
    case WATCH_QUIET:
        watch_say_phase(watch);
        break;
    case WATCH_SILENT:
        break;
    }
    watch->fresh = false;
}

/* ---- following ---- */

static void watch_take(struct watch *watch, json_t *message)
{
    json_t *shaped = rollout_shape(message);

    json_decref(message);
    watch->last_heard_ms = clock_monotonic_ms();
    watch->connected = true;
    watch->fresh = !json_equal(watch->rollout, shaped);
    json_decref(watch->rollout);
    watch->rollout = shaped;
}

/* Whether a stream that ended so is worth opening again: the coordinator restarts, another one
 * leads now. */
static bool watch_may_reopen(const struct watch *watch, const struct rpc_end *end)
{
    const uint64_t patience_ms = watch->rollout == NULL ? CALL_PATIENCE_MS : WATCH_PATIENCE_MS;

    if (end->status != RPC_OK && end->status != RPC_UNAVAILABLE && end->status != RPC_CANCELLED &&
        !(end->status == RPC_UNKNOWN && watch->rollout != NULL)) {
        return false;
    }
    return clock_monotonic_ms() - watch->last_heard_ms < patience_ms;
}

enum watch_step { WATCH_STEP_AGAIN, WATCH_STEP_REOPEN, WATCH_STEP_DONE };

/* One look at the stream. */
static enum watch_step watch_step(struct watch *watch, struct feed *feed, struct rpc_end *end)
{
    uint64_t until_ms = clock_monotonic_ms() + WATCH_POLL_MS;
    json_t *message = NULL;

    if (until_ms > watch->cli->caller.deadline_ms) {
        until_ms = watch->cli->caller.deadline_ms;
    }
    enum feed_news news = feed_wait(feed, until_ms, &message, end);
    if (news == FEED_MESSAGE) {
        watch_take(watch, message);
    }
    if (news == FEED_CLOSED) {
        watch->connected = watch_is_over(watch);
        return WATCH_STEP_REOPEN;
    }
    watch_show(watch);
    return watch_is_over(watch) ? WATCH_STEP_DONE : WATCH_STEP_AGAIN;
}

static bool watch_must_leave(const struct watch *watch, int *ret_code)
{
    if (watch_interrupted != 0) {
        *ret_code = EXIT_CODE_INTERRUPTED;
        return true;
    }
    if (clock_monotonic_ms() >= watch->cli->caller.deadline_ms) {
        *ret_code = EXIT_CODE_TIMEOUT;
        return true;
    }
    return false;
}

static int watch_give_up(const struct watch *watch, const struct rpc_end *end,
                         const struct error *err)
{
    struct error said = *err;

    if (said.code == ERR_NONE) {
        error_set(&said, rpc_status_to_error(end->status), "%s",
                  end->message[0] != '\0' ? end->message : rpc_status_name(end->status));
    }
    if (end->status == RPC_UNAVAILABLE) {
        error_wrap(&said, "no coordinator could be reached");
    }
    return cli_fail(watch->cli, end, &said);
}

/* Until it is over, or somebody leaves. */
static int watch_follow(struct watch *watch, const json_t *request)
{
    struct caller *caller = &watch->cli->caller;
    int code = EXIT_CODE_DONE;

    while (!watch_must_leave(watch, &code)) {
        CLEANUP(feed_free) struct feed *feed = NULL;
        struct rpc_end end = { .status = RPC_UNAVAILABLE };
        struct error err = { 0 };
        enum watch_step step = WATCH_STEP_AGAIN;

        if (!feed_open(caller, "WatchRollout", request, &feed, &err)) {
            end.status = rpc_status_of_error(err.code);
            step = WATCH_STEP_REOPEN;
        }
        while (step == WATCH_STEP_AGAIN && !watch_must_leave(watch, &code)) {
            step = watch_step(watch, feed, &end);
        }
        if (step == WATCH_STEP_DONE) {
            return EXIT_CODE_DONE;
        }
        if (step == WATCH_STEP_AGAIN || watch_must_leave(watch, &code)) {
            break;
        }
        if (!watch_may_reopen(watch, &end)) {
            return watch_give_up(watch, &end, &err);
        }
        feed_free(&feed);
        caller_move_on(caller, &end);
        watch_show(watch);
        caller_pause(end.leader[0] != '\0' ? 0 : WATCH_RETRY_MS);
    }
    return code;
}

static void watch_say_end(const struct watch *watch, int code)
{
    CLEANUP(buf_release) struct buf text = { .size_max = WATCH_FRAME_BYTES };

    if (code == EXIT_CODE_INTERRUPTED || code == EXIT_CODE_TIMEOUT) {
        output_say("%s; the work goes on: skein rollout watch %s",
                   code == EXIT_CODE_TIMEOUT ? "the timeout has passed" : "left",
                   watch->request->id);
    } else if (watch->request->view == WATCH_LINES && watch_is_over(watch)) {
        watch_draw_headline(watch->rollout, &watch->cli->style, clock_wall_ms(), &text);
        buf_puts(&text, "\n");
        watch_draw_failures(watch->rollout, &watch->cli->style, WATCH_GROUPS_AT_END, &text);
        output_text(&text);
    }
}

int watch_run(struct cli *cli, const struct watch_request *request, json_t **ret_last)
{
    struct watch watch = {
        .cli = cli, .request = request, .connected = true, .last_heard_ms = clock_monotonic_ms()
    };
    const struct sigaction leave = { .sa_handler = watch_on_signal };
    struct sigaction before;
    json_t *message = json_pack("{s:s}", "id", request->id);

    watch_interrupted = 0;
    (void)sigaction(SIGINT, &leave, &before);
    int code = watch_follow(&watch, message);
    (void)sigaction(SIGINT, &before, NULL);
    json_decref(message);
    watch_say_end(&watch, code);
    if (code == EXIT_CODE_DONE) {
        code = (int)exit_code_of_phase(watch_phase(&watch),
                                       field_u64(field_get(watch.rollout, "counts"), "failed"));
    }
    *ret_last = watch.rollout;
    return code;
}
