/* semver.h - versions by semver.org 2.0.0.
 *
 * Pure. Borrows the text it was parsed from. */
#ifndef SKEIN_COMMON_MODEL_SEMVER_H
#define SKEIN_COMMON_MODEL_SEMVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

enum { SEMVER_BYTES_MAX = 127 };

struct semver {
    uint64_t major, minor, patch;
    char prerelease[SEMVER_BYTES_MAX + 1]; /* "" for a release; without the dash */
};

/* ERR_INVALID names the position (1-based) and what was expected there. Build metadata is checked
 * and dropped. */
MUST_CHECK bool semver_parse(const char *text, struct semver *ret_version, struct error *err);
/* Precedence: negative, 0 or positive. */
int semver_compare(const struct semver *a, const struct semver *b);
bool semver_is_prerelease(const struct semver *version);

#endif
