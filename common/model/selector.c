#include "common/model/selector.h"

#include <assert.h>
#include <string.h>

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/quote.h"

enum requirement_kind {
    REQUIREMENT_IN,
    REQUIREMENT_NOT_IN,
    REQUIREMENT_EXISTS,
    REQUIREMENT_ABSENT
};

struct requirement {
    struct requirement *next;
    enum requirement_kind kind;
    const char *key;
    struct selector_value *values;
};

struct selector_value {
    struct selector_value *next;
    const char *glob;
};

struct selector {
    struct arena arena;
    struct requirement *requirements;
};

struct selector_reader {
    struct selector *selector;
    const char *text;
    size_t at;
    struct error *err;
};

static bool selector_fail(const struct selector_reader *reader, const char *expected)
{
    const char *rest = reader->text + reader->at;
    char quoted[QUOTE_BYTES];

    if (*rest == '\0') {
        return error_set(reader->err, ERR_INVALID,
                         "selector, position %zu: ends where %s is expected", reader->at + 1,
                         expected);
    }
    return error_set(reader->err, ERR_INVALID, "selector, position %zu: expected %s instead of %s",
                     reader->at + 1, expected, quote_text(rest, quoted));
}

static void selector_skip_blanks(struct selector_reader *reader)
{
    reader->at += strspn(reader->text + reader->at, " \t\r\n");
}

static bool selector_take(struct selector_reader *reader, const char *token)
{
    size_t size = strlen(token);

    if (strncmp(reader->text + reader->at, token, size) != 0) {
        return false;
    }
    reader->at += size;
    selector_skip_blanks(reader);
    return true;
}

/* What a key or value is made of: anything but blanks, control characters and the operators. */
static bool selector_is_word(char c)
{
    return (unsigned char)c > ' ' && c != 0x7F && strchr(",()=!\"'", c) == NULL;
}

/* "" when there is none. */
static const char *selector_read_word(struct selector_reader *reader)
{
    size_t start = reader->at;

    while (selector_is_word(reader->text[reader->at])) {
        reader->at++;
    }
    const char *word =
        arena_strndup(&reader->selector->arena, reader->text + start, reader->at - start);
    selector_skip_blanks(reader);
    return word;
}

static bool selector_read_key(struct selector_reader *reader, const char **ret_key)
{
    size_t start = reader->at;
    const char *key = selector_read_word(reader);

    if (*key == '\0' || strpbrk(key, "*?") != NULL) {
        reader->at = start;
        return selector_fail(reader, "a key, such as 'region', 'shard' or 'tenant',");
    }
    *ret_key = key;
    return true;
}

static void selector_add_value(struct selector_reader *reader, struct requirement *requirement,
                               const char *glob)
{
    struct selector_value *value = arena_alloc(&reader->selector->arena, sizeof(*value));

    value->glob = glob;
    value->next = requirement->values;
    requirement->values = value;
}

static bool selector_read_list(struct selector_reader *reader, struct requirement *requirement)
{
    if (!selector_take(reader, "(")) {
        return selector_fail(reader, "'(' and values");
    }
    do {
        const char *word = selector_read_word(reader);
        if (*word == '\0') {
            return selector_fail(reader, "a value");
        }
        selector_add_value(reader, requirement, word);
    } while (selector_take(reader, ","));
    if (!selector_take(reader, ")")) {
        return selector_fail(reader, "',' or ')'");
    }
    return true;
}

/* What stands after a key. */
static bool selector_read_operator(struct selector_reader *reader, struct requirement *requirement)
{
    char next = reader->text[reader->at];
    bool negative = selector_take(reader, "!=");

    if (negative || selector_take(reader, "==") || selector_take(reader, "=")) {
        requirement->kind = negative ? REQUIREMENT_NOT_IN : REQUIREMENT_IN;
        selector_add_value(reader, requirement, selector_read_word(reader));
        return true;
    }
    if (next == ',' || next == '\0') {
        requirement->kind = REQUIREMENT_EXISTS;
        return true;
    }
    size_t start = reader->at;
    const char *word = selector_read_word(reader);
    if (strcmp(word, "in") == 0) {
        requirement->kind = REQUIREMENT_IN;
        return selector_read_list(reader, requirement);
    }
    if (strcmp(word, "notin") == 0) {
        requirement->kind = REQUIREMENT_NOT_IN;
        return selector_read_list(reader, requirement);
    }
    reader->at = start;
    return selector_fail(reader, "one of =, ==, !=, in, notin, or ','");
}

static bool selector_read_requirement(struct selector_reader *reader,
                                      struct requirement *requirement)
{
    if (selector_take(reader, "!")) {
        requirement->kind = REQUIREMENT_ABSENT;
        return selector_read_key(reader, &requirement->key);
    }
    return selector_read_key(reader, &requirement->key) &&
           selector_read_operator(reader, requirement);
}

static bool selector_read(struct selector_reader *reader)
{
    struct requirement **last = &reader->selector->requirements;

    selector_skip_blanks(reader);
    if (reader->text[reader->at] == '\0') {
        return true;
    }
    do {
        struct requirement *requirement =
            arena_alloc(&reader->selector->arena, sizeof(*requirement));
        if (!selector_read_requirement(reader, requirement)) {
            return false;
        }
        *last = requirement;
        last = &requirement->next;
    } while (selector_take(reader, ","));
    if (reader->text[reader->at] != '\0') {
        return selector_fail(reader, "',' or the end");
    }
    return true;
}

bool selector_parse(const char *text, struct selector **ret_selector, struct error *err)
{
    CLEANUP(selector_free) struct selector *selector = NULL;

    if (strnlen(text, SELECTOR_BYTES_MAX + 1) > SELECTOR_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "selector: longer than %d bytes", SELECTOR_BYTES_MAX);
    }
    selector = memory_alloc(sizeof(*selector));
    struct selector_reader reader = { .selector = selector, .text = text, .err = err };
    if (!selector_read(&reader)) {
        return false;
    }
    *ret_selector = TAKE(selector);
    return true;
}

void selector_free(struct selector **selector)
{
    if (*selector != NULL) {
        arena_release(&(*selector)->arena);
        memory_free(selector);
    }
}

static size_t selector_next_character(const char *text, size_t at)
{
    at++;
    while (((unsigned char)text[at] & 0xC0) == 0x80) {
        at++;
    }
    return at;
}

/* With `prefix` the text is only known up to its end: whether some text that goes on from there
 * can match. Going back to the last star suffices, so the cost is at most pattern times text. */
static bool selector_glob_match(const char *pattern, const char *text, bool prefix)
{
    size_t p = 0;
    size_t t = 0;
    bool starred = false;
    size_t star_p = 0;
    size_t star_t = 0;

    while (text[t] != '\0') {
        if (pattern[p] == '*') {
            starred = true;
            star_p = ++p;
            star_t = t;
        } else if (pattern[p] == '?') {
            p++;
            t = selector_next_character(text, t);
        } else if (pattern[p] == text[t]) {
            p++;
            t++;
        } else if (starred) {
            p = star_p;
            star_t = selector_next_character(text, star_t);
            t = star_t;
        } else {
            return false;
        }
    }
    return prefix || pattern[p + strspn(pattern + p, "*")] == '\0';
}

bool selector_glob(const char *pattern, const char *text)
{
    return selector_glob_match(pattern, text, /* prefix= */ false);
}

const char *labels_find(const struct labels *labels, const char *key)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(labels->items[i].key, key) == 0) {
            return labels->items[i].value;
        }
    }
    return NULL;
}

/* The pattern against "SHARD/NAME", or against what begins with "SHARD/" when name is NULL. */
static bool selector_glob_full_name(const char *pattern, const char *shard, const char *name)
{
    char text[2 * NAME_BYTES_MAX + 2];
    size_t shard_size = strlen(shard);
    size_t name_size = name == NULL ? 0 : strlen(name);

    if (shard_size > NAME_BYTES_MAX || name_size > NAME_BYTES_MAX) {
        return false; /* no such tenant is ever registered */
    }
    memcpy(text, shard, shard_size);
    text[shard_size] = '/';
    if (name_size > 0) {
        memcpy(text + shard_size + 1, name, name_size);
    }
    text[shard_size + 1 + name_size] = '\0';
    return selector_glob_match(pattern, text, /* prefix= */ name == NULL);
}

struct selector_subject {
    const char *shard;
    const struct labels *shard_labels;
    const char *tenant;
    const struct labels *tenant_labels;
};

static bool selector_holds(const struct requirement *requirement,
                           const struct selector_subject *subject)
{
    bool is_tenant = strcmp(requirement->key, "tenant") == 0;
    const char *found;

    if (is_tenant) {
        found = subject->tenant;
    } else if (strcmp(requirement->key, "shard") == 0) {
        found = subject->shard;
    } else {
        found = labels_find(subject->tenant_labels, requirement->key);
        if (found == NULL) {
            found = labels_find(subject->shard_labels, requirement->key);
        }
    }
    if (requirement->kind == REQUIREMENT_EXISTS || requirement->kind == REQUIREMENT_ABSENT) {
        return (found != NULL) == (requirement->kind == REQUIREMENT_EXISTS);
    }
    bool matched = false;
    for (const struct selector_value *value = requirement->values;
         value != NULL && found != NULL && !matched; value = value->next) {
        matched = is_tenant && strchr(value->glob, '/') != NULL
                      ? selector_glob_full_name(value->glob, subject->shard, subject->tenant)
                      : selector_glob(value->glob, found);
    }
    return matched == (requirement->kind == REQUIREMENT_IN);
}

bool selector_matches(const struct selector *selector, const char *shard,
                      const struct labels *shard_labels, const char *tenant,
                      const struct labels *tenant_labels)
{
    const struct selector_subject subject = { shard, shard_labels, tenant, tenant_labels };

    for (const struct requirement *requirement = selector->requirements; requirement != NULL;
         requirement = requirement->next) {
        if (!selector_holds(requirement, &subject)) {
            return false;
        }
    }
    return true;
}

static bool selector_may_hold(const struct requirement *requirement, const char *shard)
{
    const struct labels none = { 0 };
    const struct selector_subject subject = { shard, &none, "", &none };

    if (strcmp(requirement->key, "shard") == 0) {
        return selector_holds(requirement, &subject);
    }
    if (strcmp(requirement->key, "tenant") != 0) {
        return true; /* a tenant's own label wins over the shard's, so anything can be */
    }
    if (requirement->kind != REQUIREMENT_IN) {
        return requirement->kind != REQUIREMENT_ABSENT;
    }
    for (const struct selector_value *value = requirement->values; value != NULL;
         value = value->next) {
        if (strchr(value->glob, '/') == NULL ||
            selector_glob_full_name(value->glob, shard, /* name= */ NULL)) {
            return true;
        }
    }
    return false;
}

bool selector_may_match_shard(const struct selector *selector, const char *shard,
                              const struct labels *shard_labels)
{
    (void)shard_labels; /* see selector_may_hold: they never exclude a tenant by themselves */
    for (const struct requirement *requirement = selector->requirements; requirement != NULL;
         requirement = requirement->next) {
        if (!selector_may_hold(requirement, shard)) {
            return false;
        }
    }
    return true;
}
