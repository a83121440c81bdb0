/* config_file.h - a YAML file as flat keys, values and line numbers.
 *
 * Pure but for config_file_read. Nested maps are joined with "." (`tenants.match`), a list gives
 * its key once per item. Only maps, lists of single values and single values: no aliases, no lists
 * of lists or of maps, one document, no key twice. Bounded in size, depth and count. */
#ifndef SKEIN_COMMON_MODEL_CONFIG_FILE_H
#define SKEIN_COMMON_MODEL_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/options.h"

struct config_file {
    struct arena arena;
    struct option_source *entries; /* in the file's order; an empty or null value is "" */
    size_t entry_count;
};

void config_file_release(struct config_file *file);

/* `name` is how errors call the file: "skein.yaml:3: ...". ERR_INVALID or ERR_LIMIT. */
MUST_CHECK bool config_file_parse(const char *name, struct bytes text, struct config_file *ret_file,
                                  struct error *err);
/* ERR_NOT_FOUND where there is no such file. */
MUST_CHECK bool config_file_read(const char *path, struct config_file *ret_file, struct error *err);

#endif
