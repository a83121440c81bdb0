#include "common/lint/lint_allow.h"

#include <string.h>

static const char lint_allow_mark[] = "skein:allow";

static bool lint_allow_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The part of a line behind `--` and the mark; NULL where there is none. */
static const char *lint_allow_find(const char *line, const char *end)
{
    const char *mark =
        memmem(line, (size_t)(end - line), lint_allow_mark, sizeof(lint_allow_mark) - 1);
    const char *dashes = mark == NULL ? NULL : memmem(line, (size_t)(mark - line), "--", 2);

    return dashes == NULL ? NULL : mark + sizeof(lint_allow_mark) - 1;
}

static struct lint_allow lint_allow_parse(struct arena *arena, const char *at, const char *end,
                                          uint32_t line)
{
    while (at < end && lint_allow_is_blank(*at)) {
        at++;
    }
    const char *word = at;
    while (at < end && !lint_allow_is_blank(*at)) {
        at++;
    }
    struct lint_allow allow = { .line = line,
                                .word = arena_strndup(arena, word, (size_t)(at - word)) };
    allow.rule = lint_rule_of(allow.word);
    while (at < end && lint_allow_is_blank(*at)) {
        at++;
    }
    allow.has_reason = at < end;
    return allow;
}

size_t lint_allow_read(struct arena *arena, struct bytes script, struct lint_allow **ret_allows)
{
    const char *at = (const char *)script.data;
    const char *end = at + script.size;
    uint32_t line = 1;
    size_t count = 0;
    struct lint_allow *allows = NULL;

    while (script.size > 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        const char *found = lint_allow_find(at, stop);
        if (found != NULL) {
            if ((count & (count - 1)) == 0) { /* full: zero or a power of two */
                struct lint_allow *larger =
                    arena_alloc_array(arena, count == 0 ? 1 : 2 * count, sizeof(*larger));
                if (count > 0) {
                    memcpy(larger, allows, count * sizeof(*larger));
                }
                allows = larger;
            }
            allows[count++] = lint_allow_parse(arena, found, stop, line);
        }
        at = stop + 1;
        line++;
    }
    *ret_allows = allows;
    return count;
}
