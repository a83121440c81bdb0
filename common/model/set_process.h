/* set_process.h - what a `.exec.yaml` or `.plugin.yaml` says: the program or shared object to run.
 *
 * Pure. Keys of .exec.yaml: program, arguments, environment, timeout, dry_run (the last not in a
 * rollback). Keys of .plugin.yaml: object, arguments, timeout, rollback. A .state.yaml has the
 * first four among its own (see set_state.h). */
#ifndef SKEIN_COMMON_MODEL_SET_PROCESS_H
#define SKEIN_COMMON_MODEL_SET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/options.h"

enum set_process_kind {
    SET_PROCESS_EXEC,
    SET_PROCESS_EXEC_DOWN, /* the rollback of an operation */
    SET_PROCESS_PLUGIN,
    SET_PROCESS_STATE, /* the program that folds streams */
};

struct set_process {
    const char *program; /* an absolute path; of a plugin: its file's name, such as "sum.so" */
    const char *const *arguments;
    size_t argument_count;
    const char *const *environment; /* "NAME=value" */
    size_t environment_count;
    uint64_t timeout_ms; /* never 0 */
    bool dry_run;        /* exec: to be called in a dry run too, with SKEIN_MODE=dry_run */
    bool rollback;       /* plugin: the object can roll back */
};

/* `path` is what errors call the file; the texts live in `arena`. ERR_INVALID or ERR_LIMIT with
 * file, line, value and what was expected. */
MUST_CHECK bool set_process_parse(const char *path, enum set_process_kind kind, struct bytes text,
                                  struct arena *arena, struct set_process *ret_process,
                                  struct error *err);
/* The same of entries that were read already: those of a program among others of a file. */
MUST_CHECK bool set_process_take(const char *path, enum set_process_kind kind,
                                 const struct option_source *entries, size_t entry_count,
                                 struct arena *arena, struct set_process *ret_process,
                                 struct error *err);

#endif
