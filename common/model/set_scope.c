#include "common/model/set_scope.h"

#include <assert.h>
#include <string.h>

static bool set_scope_check_file(const struct set *set, const char *path, enum operation_kind kind,
                                 const struct operation_settings *settings, struct error *err)
{
    if (!settings->control_scope) {
        return true;
    }
    if (set->control[0] == '\0') {
        return error_set(err, ERR_INVALID,
                         "file '%s': skein:scope control needs to know the database: expected "
                         "control: SHARD/DATABASE in skein.yaml",
                         path);
    }
    if (kind != OPERATION_SQL || !settings->transaction) {
        return error_set(err, ERR_INVALID,
                         "file '%s': skein:scope control is for SQL scripts in a transaction; this "
                         "one is %s",
                         path, kind == OPERATION_SQL ? "outside of it" : "of another kind");
    }
    return true;
}

static bool set_scope_check_operation(const struct set *set, const struct operation *operation,
                                      struct error *err)
{
    if (!set_scope_check_file(set, operation->path, operation->kind, &operation->settings, err)) {
        return false;
    }
    if (operation->down_path == NULL) {
        return true;
    }
    if (operation->settings.control_scope != operation->down_settings.control_scope) {
        return error_set(err, ERR_INVALID,
                         "file '%s': expected -- skein:scope %s at its head, as '%s' has",
                         operation->down_path,
                         operation->settings.control_scope ? "control" : "tenant", operation->path);
    }
    return set_scope_check_file(set, operation->down_path, operation->down_kind,
                                &operation->down_settings, err);
}

/* A hook's place says where it runs. What is done once for a whole rollout is journaled in the
 * control database, in the transaction of the hook itself. */
static bool set_scope_check_hook(const struct set *set, enum set_hook hook, struct error *err)
{
    const struct operation *operation = &set->hooks[hook]->operations[0];
    bool of_rollout = hook == SET_HOOK_BEFORE_ROLLOUT || hook == SET_HOOK_AFTER_ROLLOUT;

    if (operation->settings.control_scope) {
        return error_set(err, ERR_INVALID,
                         "file '%s': a hook has its scope by its name, expected no skein:scope",
                         operation->path);
    }
    if (of_rollout && set->control[0] == '\0') {
        return error_set(err, ERR_INVALID,
                         "file '%s': a hook of a rollout runs in the control database: expected "
                         "control: SHARD/DATABASE in skein.yaml",
                         operation->path);
    }
    if (of_rollout && (operation->kind != OPERATION_SQL || !operation->settings.transaction)) {
        return error_set(err, ERR_INVALID,
                         "file '%s': a hook of a rollout is a SQL script in a transaction, so that "
                         "it counts once; this one is %s",
                         operation->path,
                         operation->kind == OPERATION_SQL ? "outside of one" : "of another kind");
    }
    return true;
}

bool set_scope_check(const struct set *set, struct error *err)
{
    for (int hook = 0; hook < SET_HOOK_COUNT; hook++) {
        if (set->hooks[hook] != NULL && !set_scope_check_hook(set, (enum set_hook)hook, err)) {
            return false;
        }
    }
    for (size_t m = 0; m < set->migration_count; m++) {
        for (size_t o = 0; o < set->migrations[m].operation_count; o++) {
            if (!set_scope_check_operation(set, &set->migrations[m].operations[o], err)) {
                return false;
            }
        }
    }
    return true;
}

const char *set_scope_control(const struct set *set, char ret_shard[static NAME_BYTES_MAX + 1])
{
    const char *slash = strchr(set->control, '/');
    size_t size = (size_t)(slash - set->control);

    assert(slash != NULL && size <= NAME_BYTES_MAX);
    memcpy(ret_shard, set->control, size);
    ret_shard[size] = '\0';
    return slash + 1;
}
