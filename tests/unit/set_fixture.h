/* set_fixture.h - sets made of pairs of path and content. For unit tests. */
#ifndef SKEIN_TESTS_UNIT_SET_FIXTURE_H
#define SKEIN_TESTS_UNIT_SET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/set.h"

enum { TEST_FILES_MAX = 16 };

/* Pairs of path and content, up to a NULL. */
static inline bool parse(const char *const pairs[], struct set *ret_set, struct error *err)
{
    struct set_file files[TEST_FILES_MAX];
    size_t count = 0;

    for (; pairs[2 * count] != NULL; count++) {
        assert_true(count < TEST_FILES_MAX);
        files[count] = (struct set_file){ pairs[2 * count], bytes_of_text(pairs[2 * count + 1]) };
    }
    return set_parse(files, count, "billing", ret_set, err);
}

#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static inline void parse_well(const char *const pairs[], struct set *ret_set)
{
    struct error err = { 0 };

    if (!parse(pairs, ret_set, &err)) {
        fail_msg("%s", err.message);
    }
}

struct refusal {
    const char *const *files;
    const char *part;
};

static inline void check_refusals(const struct refusal refusals[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP(set_release) struct set set = { 0 };
        struct error err = { 0 };
        if (parse(refusals[i].files, &set, &err)) {
            fail_msg("accepted: %s", refusals[i].part);
        }
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.message, refusals[i].part) == NULL) {
            fail_msg("%s", err.message);
        }
    }
}

#endif
