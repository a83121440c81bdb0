#include "coordinator/cli/folder_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/arena.h"

static void folder_close(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static bool folder_write_file(int folder, const struct set_file *file, struct error *err)
{
    CLEANUP(folder_close)
    int fd = openat(folder, file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    size_t done = 0;

    while (fd >= 0 && done < file->content.size) {
        ssize_t count = write(fd, file->content.data + done, file->content.size - done);
        if (count < 0 && errno != EINTR) {
            break;
        }
        done += count > 0 ? (size_t)count : 0;
    }
    if (fd < 0 || done < file->content.size || fsync(fd) != 0) {
        return error_set(err, ERR_INTERNAL, "write '%s': %s", file->path, strerror(errno));
    }
    return true;
}

static void folder_remove(const char *path, int folder, const struct set_file *files,
                          size_t file_count)
{
    for (size_t i = 0; i < file_count; i++) {
        (void)unlinkat(folder, files[i].path, 0);
    }
    (void)rmdir(path);
}

static bool folder_fill(const char *path, const char *out, int folder, const struct set_file *files,
                        size_t file_count, struct error *err)
{
    if (folder < 0 || fchmod(folder, 0755) != 0) {
        return error_set(err, ERR_INTERNAL, "open '%s': %s", path, strerror(errno));
    }
    for (size_t i = 0; i < file_count; i++) {
        if (!folder_write_file(folder, &files[i], err)) {
            return false;
        }
    }
    if (rename(path, out) == 0) { /* also over an empty folder */
        return true;
    }
    bool taken = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR;
    return error_set(err, taken ? ERR_REFUSED : ERR_INTERNAL, "'%s' %s", out,
                     taken ? "is there and is not an empty folder" : strerror(errno));
}

bool folder_write(const char *out, const struct set_file *files, size_t file_count,
                  struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    char *path = arena_printf(&arena, "%s.new-XXXXXX", out);

    if (mkdtemp(path) == NULL) {
        return error_set(err, ERR_INTERNAL, "make a folder beside '%s': %s", out, strerror(errno));
    }
    CLEANUP(folder_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!folder_fill(path, out, folder, files, file_count, err)) {
        folder_remove(path, folder, files, file_count);
        return false;
    }
    return true;
}
