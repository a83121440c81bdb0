#include "agent/run/process_allow.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool process_allow_resolve(const char *path, char ret_real[PATH_MAX], struct error *err)
{
    struct stat status;

    if (realpath(path, ret_real) == NULL || stat(ret_real, &status) != 0) {
        return error_set(err, ERR_REFUSED, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, ERR_REFUSED, "%s is not a file", path);
    }
    if ((status.st_mode & S_IWOTH) != 0) {
        return error_set(err, ERR_REFUSED,
                         "%s is writable by everybody, who could so work with the agent's rights",
                         ret_real);
    }
    return true;
}

bool process_allow_program(const struct executor_options *options, const char *program,
                           struct arena *arena, const char **ret_path, struct error *err)
{
    char real[PATH_MAX];
    bool allowed = false;

    if (options->allow_exec_count == 0) {
        return error_set(err, ERR_REFUSED,
                         "the agent of shard '%s' runs no programs: its configuration has no "
                         "allow-exec, which would have to name %s",
                         options->shard, program);
    }
    if (!process_allow_resolve(program, real, err)) {
        return false;
    }
    for (size_t i = 0; i < options->allow_exec_count; i++) {
        allowed = allowed || fnmatch(options->allow_exec[i], real, FNM_PATHNAME | FNM_PERIOD) == 0;
    }
    if (!allowed) {
        bool link = strcmp(real, program) != 0;

        return error_set(err, ERR_REFUSED,
                         "the agent of shard '%s' may not run %s%s%s: no allow-exec of its "
                         "configuration matches that path",
                         options->shard, program, link ? ", which is " : "", link ? real : "");
    }
    if (access(real, X_OK) != 0) {
        return error_set(err, ERR_REFUSED, "%s cannot be run: %s", real, strerror(errno));
    }
    *ret_path = arena_strdup(arena, real);
    return true;
}

bool process_allow_plugin(const struct executor_options *options, const char *object,
                          struct arena *arena, const char **ret_path, struct error *err)
{
    char folder[PATH_MAX];
    char real[PATH_MAX];

    if (options->plugin_dir == NULL || options->plugin_dir[0] == '\0') {
        return error_set(err, ERR_REFUSED,
                         "the agent of shard '%s' loads no plugins: its configuration has no "
                         "plugin-dir, in which %s would have to lie",
                         options->shard, object);
    }
    if (realpath(options->plugin_dir, folder) == NULL) {
        return error_set(err, ERR_REFUSED, "plugin-dir %s: %s", options->plugin_dir,
                         strerror(errno));
    }
    const char *path = arena_printf(arena, "%s/%s", folder, object);
    if (!process_allow_resolve(path, real, err)) {
        return false;
    }
    size_t size = strlen(folder);
    if (strncmp(real, folder, size) != 0 || real[size] != '/') {
        return error_set(err, ERR_REFUSED, "%s is %s, which lies outside of plugin-dir", path,
                         real);
    }
    *ret_path = arena_strdup(arena, real);
    return true;
}
