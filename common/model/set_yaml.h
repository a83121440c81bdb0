/* set_yaml.h - skein.yaml: a set's own settings.
 *
 * Pure. All keys are optional: name, latest, min_version, prereleases, reference, control,
 * ledger, under defaults lock_timeout and statement_timeout, under lint size_note and size_error.
 */
#ifndef SKEIN_COMMON_MODEL_SET_YAML_H
#define SKEIN_COMMON_MODEL_SET_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/set.h"

struct set_yaml {
    const char *name; /* texts are NULL where the key is absent, and live in the arena */
    const char *latest;
    unsigned latest_line;
    const char *min_version;
    unsigned min_version_line;
    bool prereleases;
    const char *reference;
    const char *control; /* "shard/database" */
    unsigned control_line;
    const char *ledger;
    uint64_t lock_timeout_ms;
    uint64_t statement_timeout_ms;
    struct set_sizes sizes;
};

/* `path` is what errors call the file. Versions are checked by set.c, which knows the scripts. */
MUST_CHECK bool set_yaml_parse(const char *path, struct bytes text, struct arena *arena,
                               struct set_yaml *ret_yaml, struct error *err);

/* What a set may be called: 1 to 128 letters, digits, '.', '_' or '-', the first a letter or digit,
 * because the name is part of keys and of NAME@DIGEST. */
bool set_yaml_is_set_name(const char *name);

#endif
