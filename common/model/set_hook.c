/* set_hook.c - what operations and hooks are called, and are; see set.h. */
#include <assert.h>
#include <string.h>

#include "common/model/set.h"

bool operation_has_rollback(const struct operation *operation)
{
    return operation->down_path != NULL;
}

bool operation_is_transactional(const struct operation *operation, bool down)
{
    const struct operation_settings *settings =
        down ? &operation->down_settings : &operation->settings;

    return (down ? operation->down_kind : operation->kind) == OPERATION_SQL &&
           settings->transaction && !settings->control_scope;
}

const char *operation_kind_name(enum operation_kind kind)
{
    static const char *const names[OPERATION_KIND_COUNT] = {
        [OPERATION_SQL] = "sql",       [OPERATION_BATCH] = "batch", [OPERATION_EXEC] = "exec",
        [OPERATION_PLUGIN] = "plugin", [OPERATION_STATE] = "state",
    };

    assert(kind < OPERATION_KIND_COUNT);
    return names[kind];
}

const char *set_hook_name(enum set_hook hook)
{
    static const char *const names[SET_HOOK_COUNT] = {
        [SET_HOOK_BEFORE_ROLLOUT] = "before_rollout",
        [SET_HOOK_AFTER_ROLLOUT] = "after_rollout",
        [SET_HOOK_BEFORE_TENANT] = "before_tenant",
        [SET_HOOK_AFTER_TENANT] = "after_tenant",
    };

    assert(hook < SET_HOOK_COUNT);
    return names[hook];
}

bool operation_is_hook(const struct operation *operation)
{
    static const char folder[] = "hooks/"; /* no version of a migration is called that */

    return strncmp(operation->path, folder, sizeof(folder) - 1) == 0;
}
