/* lint_allow.h - `-- skein:allow RULE reason`: one finding that somebody has thought about.
 *
 * Pure. A line of it silences the rule for the statement that it stands in, or else for the next.
 */
#ifndef SKEIN_COMMON_LINT_LINT_ALLOW_H
#define SKEIN_COMMON_LINT_LINT_ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/buf.h"
#include "common/lint/lint_rule.h"

struct lint_allow {
    uint32_t line;
    const char *word;    /* what stands for the rule */
    enum lint_rule rule; /* LINT_RULE_COUNT: no such rule */
    bool has_reason;
};

/* All of a script, in the arena, by line. */
size_t lint_allow_read(struct arena *arena, struct bytes script, struct lint_allow **ret_allows);

#endif
