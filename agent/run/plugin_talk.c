#include "agent/run/plugin_talk.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/run/runner_process.h"

enum { PLUGIN_TALK_WORD_BYTES = 16 };

/* What begins a statement that no plugin may send. PREPARE is one, too: PREPARE TRANSACTION. */
static const char *const plugin_talk_refused[] = {
    "begin",    "start",   "commit",    "end",     "abort",
    "rollback", "prepare", "savepoint", "release", "copy",
};

/* Behind a comment, and those that are nested in it. */
static const char *plugin_talk_skip_comment(const char *sql)
{
    size_t depth = 0;

    do {
        bool opens = strncmp(sql, "/*", 2) == 0;
        bool closes = strncmp(sql, "*/", 2) == 0;

        depth += opens ? 1 : 0;
        depth -= closes ? 1 : 0;
        sql += opens || closes ? 2 : 1;
    } while (depth > 0 && *sql != '\0');
    return sql;
}

/* Behind blanks and comments. */
static const char *plugin_talk_skip(const char *sql)
{
    for (;;) {
        if (strncmp(sql, "/*", 2) == 0) {
            sql = plugin_talk_skip_comment(sql);
        } else if (strncmp(sql, "--", 2) == 0) {
            sql += strcspn(sql, "\n\r");
        } else if (isspace((unsigned char)*sql)) {
            sql++;
        } else {
            return sql;
        }
    }
}

bool plugin_talk_is_refused(const char *sql, char ret_word[16])
{
    const char *word = plugin_talk_skip(sql);
    size_t size = 0;

    while (size < PLUGIN_TALK_WORD_BYTES - 1 &&
           (isalnum((unsigned char)word[size]) || word[size] == '_')) {
        ret_word[size] = (char)tolower((unsigned char)word[size]);
        size++;
    }
    ret_word[size] = '\0';
    for (size_t i = 0; i < COUNT_OF(plugin_talk_refused); i++) {
        if (strcmp(ret_word, plugin_talk_refused[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void plugin_talk_call(struct plugin_talk *talk, enum helper_function function,
                             struct buf *answer)
{
    size_t begin = helper_frame_begin(answer, HELPER_FRAME_CALL);

    helper_frame_put_u64(answer, function);
    helper_frame_end(answer, begin);
    talk->next = function;
}

static enum process_turn plugin_talk_fail(struct plugin_talk *talk, const char *words)
{
    talk->failed = true;
    (void)runner_fail(talk->call, talk->report, TASK_CODE_RUNNER, "%s", words);
    return PROCESS_IS_BROKEN;
}

static enum process_turn plugin_talk_on_loaded(struct plugin_talk *talk, struct helper_frame *frame,
                                               struct buf *answer)
{
    const char *name = helper_frame_take_text(frame);
    bool verifies = helper_frame_take_u64(frame) == 1;
    bool rolls_back = helper_frame_take_u64(frame) == 1;

    if (!helper_frame_is_done(frame)) {
        return plugin_talk_fail(talk, "the plugin's host does not speak as it should");
    }
    if (name != NULL && name[0] != '\0') {
        talk->name = arena_strdup(talk->call->arena, name);
    }
    if (runner_process_of(talk->call)->rollback && !rolls_back) {
        return plugin_talk_fail(talk,
                                "the file says rollback: true, but the object has no rollback");
    }
    talk->verifies = verifies;
    plugin_talk_call(talk, talk->call->down ? HELPER_ROLLBACK : HELPER_APPLY, answer);
    return PROCESS_GOES_ON;
}

static void plugin_talk_answer_failed(struct buf *answer, const char *words)
{
    size_t begin = helper_frame_begin(answer, HELPER_FRAME_ANSWER);

    helper_frame_put_u64(answer, 0);
    helper_frame_put_text(answer, words);
    helper_frame_end(answer, begin);
}

/* False: they do not fit into a frame. */
static bool plugin_talk_put_rows(const struct pg_result *result, struct buf *answer)
{
    size_t rows = pg_result_row_count(result);
    size_t columns = pg_result_column_count(result);
    size_t begin = helper_frame_begin(answer, HELPER_FRAME_ANSWER);

    helper_frame_put_u64(answer, 1);
    helper_frame_put_u64(answer, rows);
    helper_frame_put_u64(answer, columns);
    for (size_t row = 0; row < rows && answer->size - begin < PLUGIN_FRAME_BYTES_MAX; row++) {
        for (size_t column = 0; column < columns; column++) {
            helper_frame_put_text(answer, pg_result_text(result, row, column));
        }
    }
    helper_frame_end(answer, begin);
    if (answer->overflow || answer->size - begin > PLUGIN_FRAME_BYTES_MAX) {
        buf_clear(answer); /* it held nothing before: one answer for each question */
        return false;
    }
    return true;
}

static void plugin_talk_query(struct plugin_talk *talk, const char *sql,
                              const char *const *parameters, size_t count, struct buf *answer)
{
    CLEANUP(pg_result_free) struct pg_result *result = NULL;
    struct pg_error words = { 0 };
    struct error err = { 0 };

    if (!pg_query(talk->call->conn, sql, parameters, count, &result, &words, &err)) {
        talk->sql_failed = true;
        (void)runner_fail_pg(talk->call, &words, talk->report);
        plugin_talk_answer_failed(answer, words.message);
    } else if (!plugin_talk_put_rows(result, answer)) {
        talk->sql_failed = true;
        (void)runner_fail(talk->call, talk->report, TASK_CODE_RUNNER,
                          "the rows of a statement are larger than 1 MiB");
        plugin_talk_answer_failed(answer, talk->report->problem.message);
    }
}

static enum process_turn plugin_talk_on_sql(struct plugin_talk *talk, struct helper_frame *frame,
                                            struct buf *answer)
{
    const char *parameters[PLUGIN_PARAMETERS_MAX];
    const char *sql = helper_frame_take_text(frame);
    uint64_t count = helper_frame_take_u64(frame);
    char word[PLUGIN_TALK_WORD_BYTES];

    for (uint64_t i = 0; i < count && i < PLUGIN_PARAMETERS_MAX; i++) {
        parameters[i] = helper_frame_take_text(frame);
    }
    if (sql == NULL || count > PLUGIN_PARAMETERS_MAX || !helper_frame_is_done(frame)) {
        return plugin_talk_fail(talk, "the plugin's host does not speak as it should");
    }
    if (talk->sql_failed) {
        plugin_talk_answer_failed(answer, "a statement before this one has failed");
    } else if (plugin_talk_is_refused(sql, word)) {
        talk->sql_failed = true;
        (void)runner_fail(talk->call, talk->report, TASK_CODE_TRANSACTION_CONTROL,
                          "%s has sent a statement that begins with %s, which has no place in the "
                          "tenant's transaction",
                          talk->name, word);
        plugin_talk_answer_failed(answer, talk->report->problem.message);
    } else {
        plugin_talk_query(talk, sql, parameters, (size_t)count, answer);
    }
    return PROCESS_GOES_ON;
}

/* The author's words stand before the server's. */
static enum process_turn plugin_talk_on_failure(struct plugin_talk *talk, const char *reason)
{
    static const char *const verbs[HELPER_FUNCTION_COUNT] = { "apply", "verify", "rollback" };
    struct runner_problem server = talk->report->problem;

    talk->failed = true;
    if (!talk->sql_failed) {
        (void)runner_fail(talk->call, talk->report, TASK_CODE_RUNNER, "%s: %s failed%s%s",
                          talk->name, verbs[talk->next], reason[0] == '\0' ? "" : ": ", reason);
    } else if (reason[0] != '\0' && strcmp(reason, server.message) != 0) {
        (void)runner_fail(talk->call, talk->report, server.code, "%s: %s", reason, server.message);
        talk->report->problem.sqlstate = server.sqlstate;
        talk->report->problem.detail = server.detail;
        talk->report->problem.hint = server.hint;
    }
    return PROCESS_IS_DONE;
}

static enum process_turn plugin_talk_on_returned(struct plugin_talk *talk,
                                                 struct helper_frame *frame, struct buf *answer)
{
    bool failed = helper_frame_take_u64(frame) != 0;
    const char *reason = helper_frame_take_text(frame);

    if (!helper_frame_is_done(frame)) {
        return plugin_talk_fail(talk, "the plugin's host does not speak as it should");
    }
    if (failed || talk->sql_failed) {
        return plugin_talk_on_failure(talk, reason == NULL ? "" : reason);
    }
    if (talk->next == HELPER_APPLY && talk->verifies) {
        plugin_talk_call(talk, HELPER_VERIFY, answer);
        return PROCESS_GOES_ON;
    }
    talk->done = true;
    return PROCESS_IS_DONE;
}

enum process_turn plugin_talk_on_frame(void *context, struct helper_frame *frame,
                                       struct buf *answer)
{
    struct plugin_talk *talk = context;

    switch (frame->kind) {
    case HELPER_FRAME_LOADED:
        return plugin_talk_on_loaded(talk, frame, answer);
    case HELPER_FRAME_SQL:
        return plugin_talk_on_sql(talk, frame, answer);
    case HELPER_FRAME_PROGRESS: {
        uint64_t done = helper_frame_take_u64(frame);
        uint64_t total = helper_frame_take_u64(frame);

        talk->call->progress(talk->call->context, done, total, talk->name);
        return PROCESS_GOES_ON;
    }
    case HELPER_FRAME_RETURNED:
        return plugin_talk_on_returned(talk, frame, answer);
    case HELPER_FRAME_EXTEND:
    case HELPER_FRAME_STOP:
    case HELPER_FRAME_ENDED:
    case HELPER_FRAME_NOT_STARTED:
    case HELPER_FRAME_CALL:
    case HELPER_FRAME_ANSWER:
    case HELPER_FRAME_KIND_END:
        break;
    }
    return plugin_talk_fail(talk, "the plugin's host does not speak as it should");
}
