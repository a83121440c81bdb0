#include "common/core/mask.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool mask_is_space(char c)
{
    return isspace((unsigned char)c) != 0;
}

/* The end of a value of libpq's `key = value` form, or of a URL's query. */
static const char *mask_value_end(const char *value, bool is_url)
{
    if (*value == '\'') {
        for (value++; *value != '\0'; value++) {
            if (*value == '\\' && value[1] != '\0') {
                value++;
            } else if (*value == '\'') {
                return value + 1;
            }
        }
        return value;
    }
    for (; *value != '\0' && !mask_is_space(*value) && !(is_url && *value == '&'); value++) {
        if (*value == '\\' && value[1] != '\0') {
            value++;
        }
    }
    return value;
}

/* At the end of a word "password": the start of its value, or NULL. */
static const char *mask_find_value(const char *after_key)
{
    while (mask_is_space(*after_key)) {
        after_key++;
    }
    if (*after_key != '=') {
        return NULL;
    }
    for (after_key++; mask_is_space(*after_key); after_key++) {
    }
    return after_key;
}

/* Behind "://": where the user's name ends and where the "@" stands; false without a password. The
 * last "@" counts, since people forget to escape the ones in a password. */
static bool mask_find_userinfo(const char *authority, const char **ret_colon, const char **ret_at)
{
    const char *colon = NULL;
    const char *at = NULL;

    for (const char *c = authority; *c != '\0' && *c != '/' && !mask_is_space(*c); c++) {
        if (*c == ':' && colon == NULL) {
            colon = c;
        } else if (*c == '@') {
            at = c;
        }
    }
    if (colon == NULL || at == NULL || at < colon) {
        return false;
    }
    *ret_colon = colon;
    *ret_at = at;
    return true;
}

void mask_passwords(const char *text, struct buf *buf)
{
    static const char key[] = "password";
    const bool is_url = strstr(text, "://") != NULL;
    const char *colon = NULL;
    const char *at = NULL;

    while (*text != '\0') {
        if (strncasecmp(text, key, sizeof(key) - 1) == 0) {
            const char *value = mask_find_value(text + sizeof(key) - 1);
            if (value != NULL) {
                buf_append(buf, text, (size_t)(value - text));
                buf_puts(buf, MASK_TEXT);
                text = mask_value_end(value, is_url);
                continue;
            }
        }
        if (strncmp(text, "://", 3) == 0 && mask_find_userinfo(text + 3, &colon, &at)) {
            buf_append(buf, text, (size_t)(colon + 1 - text));
            buf_puts(buf, MASK_TEXT);
            text = at;
            continue;
        }
        buf_append(buf, text, 1);
        text++;
    }
}
