#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/quote.h"
#include "common/model/set.h"
#include "common/model/set_path.h"

struct set_reader {
    const char *directory;
    struct arena *arena;
    struct set_file *files;
    size_t count;
    size_t capacity;
    const char **folders; /* those of migrations, read after the top */
    size_t folder_count;
    size_t folder_capacity;
    size_t bytes;
    struct error *err;
};

static void set_reader_release(struct set_reader *reader)
{
    free(reader->files);
    free(reader->folders);
}

static void set_read_close(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static void set_read_close_directory(DIR **directory)
{
    if (*directory != NULL) {
        closedir(*directory);
    }
}

static bool set_read_limit(struct set_reader *reader, const char *path, const char *what, int max)
{
    char quoted[QUOTE_BYTES];

    return error_set(reader->err, ERR_LIMIT, "%s in '%s': %s, expected at most %d",
                     quote_text(path, quoted), reader->directory, what, max);
}

static bool set_read_fail(struct set_reader *reader, const char *path, const char *problem)
{
    char quoted[QUOTE_BYTES];

    return error_set(reader->err, ERR_INVALID, "%s in '%s': %s", quote_text(path, quoted),
                     reader->directory, problem);
}

/* The file is opened without following a link and looked at afterwards, so that what is checked is
 * what is read. O_NONBLOCK: opening a pipe must not hang. */
static bool set_read_file(struct set_reader *reader, int directory, const char *name,
                          const char *path)
{
    CLEANUP(set_read_close)
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0) {
        return set_read_fail(reader, path,
                             errno == ELOOP ? "links do not belong into a set" : strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return set_read_fail(reader, path, "neither a file nor a folder");
    }
    if (reader->count == SET_FILES_MAX) {
        return set_read_limit(reader, path, "too many files", SET_FILES_MAX);
    }
    if (status.st_size > SCRIPT_BYTES_MAX) {
        return set_read_limit(reader, path, "too many bytes in a file", SCRIPT_BYTES_MAX);
    }
    size_t size = (size_t)status.st_size;
    if (size > SET_BYTES_MAX - reader->bytes) {
        return set_read_limit(reader, path, "too many bytes in the set", SET_BYTES_MAX);
    }
    char *content = arena_alloc(reader->arena, size + 1);
    size_t used = 0;
    while (used < size) {
        ssize_t count = read(fd, content + used, size - used);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return set_read_fail(reader, path,
                                 count == 0 ? "became shorter while it was read" : strerror(errno));
        }
        used += (size_t)count;
    }
    reader->bytes += size;
    reader->files =
        memory_reserve(reader->files, reader->count, &reader->capacity, sizeof(*reader->files));
    reader->files[reader->count++] = (struct set_file){
        .path = path,
        .content = { .data = (const uint8_t *)content, .size = size },
    };
    return true;
}

static bool set_read_entry(struct set_reader *reader, int directory, const char *folder,
                           const char *name)
{
    const char *path = folder == NULL ? arena_strdup(reader->arena, name)
                                      : arena_printf(reader->arena, "%s/%s", folder, name);
    struct stat status;

    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return set_read_fail(reader, path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return set_read_file(reader, directory, name, path);
    }
    if (folder != NULL) {
        return set_read_fail(reader, path, "a migration's folder may hold no further folder");
    }
    if (reader->folder_count == SET_FILES_MAX) {
        return set_read_limit(reader, path, "too many folders", SET_FILES_MAX);
    }
    reader->folders = memory_reserve(reader->folders, reader->folder_count,
                                     &reader->folder_capacity, sizeof(*reader->folders));
    reader->folders[reader->folder_count++] = path;
    return true;
}

/* `folder` is NULL for the set's own directory. Takes over `fd`. */
static bool set_read_folder(struct set_reader *reader, int fd, const char *folder)
{
    CLEANUP(set_read_close_directory) DIR *directory = fdopendir(fd);
    size_t count = 0;

    if (directory == NULL) {
        set_read_fail(reader, folder == NULL ? "." : folder, strerror(errno));
        close(fd);
        return false;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory); /* the stream is this call's own */
        if (entry == NULL && errno != 0) {
            return set_read_fail(reader, folder == NULL ? "." : folder, strerror(errno));
        }
        if (entry == NULL) {
            break;
        }
        if (set_path_is_ignored(entry->d_name)) {
            continue;
        }
        if (!set_read_entry(reader, dirfd(directory), folder, entry->d_name)) {
            return false;
        }
        count++;
    }
    if (folder != NULL && count == 0) {
        return set_read_fail(reader, folder, "the folder holds no operation");
    }
    return true;
}

static int set_read_compare(const void *a, const void *b)
{
    return strcmp(((const struct set_file *)a)->path, ((const struct set_file *)b)->path);
}

bool set_read_files(const char *directory, struct arena *arena, struct set_file **ret_files,
                    size_t *ret_count, struct error *err)
{
    CLEANUP(set_reader_release)
    struct set_reader reader = { .directory = directory, .arena = arena, .err = err };
    CLEANUP(set_read_close) int top = open(directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

    if (top < 0) {
        return error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
                         "open the set's directory '%s': %s", directory, strerror(errno));
    }
    int again = openat(top, ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (again < 0) {
        return set_read_fail(&reader, ".", strerror(errno));
    }
    if (!set_read_folder(&reader, again, NULL)) {
        return false;
    }
    for (size_t i = 0; i < reader.folder_count; i++) {
        int fd = openat(top, reader.folders[i], O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW);
        if (fd < 0) {
            return set_read_fail(&reader, reader.folders[i], strerror(errno));
        }
        if (!set_read_folder(&reader, fd, reader.folders[i])) {
            return false;
        }
    }
    if (reader.count > 0) {
        qsort(reader.files, reader.count, sizeof(*reader.files), set_read_compare);
    }
    *ret_files = arena_memdup(arena, reader.files, reader.count * sizeof(*reader.files));
    *ret_count = reader.count;
    return true;
}
