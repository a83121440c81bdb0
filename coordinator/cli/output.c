#include "coordinator/cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/core/limits.h"

enum { OUTPUT_SENTENCE_BYTES = 4096 };

/* Asked of the environment: setlocale would change numbers and messages for every library. */
static bool output_is_utf8(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL && value[0] != '\0') {
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
        }
    }
    return false;
}

struct style output_style(const char *color)
{
    struct style style = { .utf8 = output_is_utf8() };
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    struct winsize size = { 0 };

    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        style.width = size.ws_col;
        style.height = size.ws_row;
    }
    style.color = terminal && (no_color == NULL || no_color[0] == '\0') && term != NULL &&
                  strcmp(term, "dumb") != 0;
    if (strcmp(color, "always") == 0) {
        style.color = true;
    } else if (strcmp(color, "never") == 0) {
        style.color = false;
    }
    return style;
}

void output_text(const struct buf *text)
{
    (void)fwrite(buf_text(text), 1, text->size, stdout);
}

void output_json(enum output_format format, const json_t *value)
{
    const size_t form = format == OUTPUT_NDJSON ? JSON_COMPACT : JSON_INDENT(2);

    /* With all 17 digits 0.61 is 0.60999999999999999. */
    (void)json_dumpf(value, stdout, form | JSON_REAL_PRECISION(OUTPUT_REAL_DIGITS));
    (void)fputc('\n', stdout);
}

void output_json_list(enum output_format format, const json_t *list)
{
    size_t i;
    json_t *value;

    if (format != OUTPUT_NDJSON) {
        output_json(format, list);
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, value)
    {
        output_json(format, value);
    }
}

void output_say(const char *format, ...)
{
    char sentence[OUTPUT_SENTENCE_BYTES];
    CLEANUP(buf_release) struct buf clean = { .size_max = (size_t)2 * OUTPUT_SENTENCE_BYTES };
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    style_clean(sentence, &clean);
    (void)fflush(stdout); /* in order where both go to one terminal */
    (void)fprintf(stderr, "skein: %s\n", buf_text(&clean));
}

bool output_confirm(bool yes, const char *question, bool *ret_asked)
{
    char answer[16] = "";

    *ret_asked = false;
    if (yes) {
        return true;
    }
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        return false;
    }
    *ret_asked = true;
    (void)fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        (void)fputc('\n', stderr);
        return false;
    }
    return strncasecmp(answer, "y\n", 2) == 0 || strncasecmp(answer, "yes\n", 4) == 0;
}

bool output_confirm_word(const char *word, bool *ret_asked)
{
    char answer[2 * NAME_BYTES_MAX + 4] = "";

    *ret_asked = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
    if (!*ret_asked) {
        return false;
    }
    (void)fprintf(stderr, "%s goes with all its data. Type its name to go on: ", word);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        (void)fputc('\n', stderr);
        return false;
    }
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, word) == 0;
}

bool output_finish(void)
{
    bool written = fflush(stdout) == 0 && ferror(stdout) == 0;

    /* A reader that has seen enough (`| head`) is no failure. */
    return written || errno == EPIPE;
}
