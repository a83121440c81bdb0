#include "common/lint/lint_page.h"

#include <string.h>

/* Written by the build from pages/. */
extern const char lint_pages_text[];

static const char lint_page_mark[] = "\n## ";

/* Behind the heading's line; NULL. */
static const char *lint_page_find(const char *rule)
{
    const size_t size = strlen(rule);

    for (const char *at = strstr(lint_pages_text, lint_page_mark); at != NULL;
         at = strstr(at, lint_page_mark)) {
        at += sizeof(lint_page_mark) - 1;
        if (strncmp(at, rule, size) == 0 && at[size] == '\n') {
            return at + size + 1;
        }
    }
    return NULL;
}

struct bytes lint_page(const char *rule)
{
    const char *start = lint_page_find(rule);

    if (start == NULL) {
        return (struct bytes){ 0 };
    }
    start += strspn(start, "\n");
    const char *end = strstr(start, "\n#"); /* the next page, or the next file's title */
    size_t size = end == NULL ? strlen(start) : (size_t)(end - start);
    while (size > 0 && start[size - 1] == '\n') {
        size--;
    }
    return (struct bytes){ .data = (const uint8_t *)start, .size = size };
}
