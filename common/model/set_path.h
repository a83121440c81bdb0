/* set_path.h - what the path of a file says about its place in a set.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_SET_PATH_H
#define SKEIN_COMMON_MODEL_SET_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/semver.h"
#include "common/model/set.h"

enum set_path_role {
    SET_PATH_IGNORED,  /* hidden, or a README.md */
    SET_PATH_SETTINGS, /* skein.yaml */
    SET_PATH_SCRIPT,
    SET_PATH_REPEATABLE, /* R__name.sql */
    SET_PATH_HOOK,       /* hooks/before_tenant.sql and so on */
};

struct set_path {
    enum set_path_role role;
    /* The rest is for scripts only; the texts live in the arena. */
    struct semver version;
    const char *version_text; /* "" of a repeatable one and of a hook */
    const char *name;         /* "split_account_name" */
    const char *script;       /* "0.2.0__split_account_name" */
    bool in_folder;           /* SCRIPT/NN_name.sql instead of SCRIPT.sql */
    uint64_t number;          /* NN; 0 outside a folder */
    const char *stem;         /* the operation's file without its ending: up and down share it */
    bool down;
    enum operation_kind kind;
    enum set_hook hook; /* SET_PATH_HOOK only */
};

/* ERR_INVALID names the path and what was expected. */
MUST_CHECK bool set_path_parse(const char *path, struct arena *arena, struct set_path *ret_path,
                               struct error *err);

/* Whether a folder or file of this name (one component) is left alone: hidden, or README.md. */
bool set_path_is_ignored(const char *component);

#endif
