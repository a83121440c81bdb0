#include "agent/helper/helper_fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/helper/helper_context.h"
#include "common/core/base.h"
#include "common/core/limits.h"
#include "common/core/utf8.h"

enum { HELPER_FOLD_ANSWER_MAX = 2 * STATE_RESULT_BYTES_MAX };

int skein_set_state(struct skein_context *context, const char *json)
{
    buf_clear(&context->state);
    context->state.overflow = false;
    context->has_state = buf_puts(&context->state, json);
    return context->has_state ? 0 : skein_fail(context, "its state is larger than 1 MiB");
}

/* The name of the stream as it stands in the line, with its quotes: {"stream" : "account-1", ...
 * The agent writes such lines itself; *ret_size 0: this is none. */
static const char *helper_fold_name(const char *line, size_t *ret_size)
{
    static const char key[] = "{\"stream\"";
    const char *at = strncmp(line, key, sizeof(key) - 1) == 0 ? line + sizeof(key) - 1 : "";

    at += strspn(at, " :");
    const char *end = at[0] == '"' ? at + 1 : "";
    while (*end != '"' && *end != '\0') {
        end += end[0] == '\\' && end[1] != '\0' ? 2 : 1;
    }
    *ret_size = *end == '"' ? (size_t)(end + 1 - at) : 0;
    return at;
}

/* A text between quotes of JSON. */
static void helper_fold_put_text(const char *text, FILE *out)
{
    size_t size = strlen(text);

    (void)fputc('"', out);
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length((const uint8_t *)text + i, size - i);
        unsigned char c = (unsigned char)text[i];

        if (length == 0) {
            (void)fputc('?', out);
        } else if (c < 0x20 || c == '"' || c == '\\') {
            (void)fprintf(out, "\\u%04x", c);
        } else {
            (void)fwrite(text + i, 1, length, out);
        }
        i += length == 0 ? 1 : length;
    }
    (void)fputc('"', out);
}

/* On one line: what ends a line is a blank in JSON, where it stands at all. */
static void helper_fold_put_state(struct buf *state, FILE *out)
{
    for (size_t i = 0; i < state->size; i++) {
        if (state->data[i] == '\n' || state->data[i] == '\r') {
            state->data[i] = ' ';
        }
    }
    (void)fputs(buf_text(state), out);
}

static void helper_fold_one(struct skein_context *context, const struct skein_fold *plugin,
                            const char *line, const char *name, size_t name_size, FILE *out)
{
    context->has_reason = false;
    context->has_state = false;
    int number = plugin->fold(context, line);

    (void)fprintf(out, "{\"stream\": %.*s, ", (int)name_size, name);
    if (number != 0) {
        (void)fputs("\"error\": ", out);
        helper_fold_put_text(context->has_reason ? context->reason : "fold has failed", out);
    } else if (context->has_state) {
        (void)fputs("\"state\": ", out);
        helper_fold_put_state(&context->state, out);
    } else {
        (void)fputs("\"skip\": true", out);
    }
    (void)fputs("}\n", out);
    /* Whatever the next stream does to this process, this one is answered. */
    (void)fflush(out);
}

static int helper_fold_fail(const char *words)
{
    (void)fprintf(stderr, "%s\n", words);
    return 1;
}

static void helper_fold_free(char **line)
{
    free(*line);
}

static int helper_fold_all(struct skein_context *context, const struct skein_fold *plugin,
                           FILE *out)
{
    CLEANUP(helper_fold_free) char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;

    while ((size = getline(&line, &capacity, stdin)) > 0) {
        size_t name_size = 0;

        if (line[size - 1] == '\n') {
            line[size - 1] = '\0';
        }
        const char *name = helper_fold_name(line, &name_size);
        if (name_size == 0) {
            return helper_fold_fail("a line is no stream");
        }
        helper_fold_one(context, plugin, line, name, name_size, out);
    }
    return ferror(out) == 0 ? 0 : helper_fold_fail("the agent does not listen");
}

int helper_fold(int word_count, char *words[])
{
    CLEANUP(helper_context_release)
    struct skein_context context = { .gone = true, /* there is no transaction to talk to */
                                     .state = { .size_max = HELPER_FOLD_ANSWER_MAX } };
    int answers = dup(STDOUT_FILENO);

    if (!helper_context_read(&context, word_count, words) || answers < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        return 2;
    }
    const struct skein_fold *plugin = helper_context_load(&context, words[0], "skein_fold");
    FILE *out = fdopen(answers, "w");
    if (plugin == NULL || out == NULL ||
        !helper_context_check(&context, plugin->abi, plugin->fold != NULL, "fold") ||
        plugin->fold == NULL) {
        return helper_fold_fail(context.has_reason ? context.reason : "no memory");
    }
    int status = helper_fold_all(&context, plugin, out);
    (void)fclose(out);
    return status;
}
