/* import_read.c - the files of another tool's folder; declared in import.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/import/import.h"
#include "common/model/quote.h"

struct import_folder {
    const char *path; /* below the directory; "" for itself */
    unsigned depth;
};

struct import_reader {
    const char *directory;
    struct arena *arena;
    struct set_file *files;
    size_t count;
    size_t capacity;
    struct import_folder *folders; /* still to be read, as a list and not by recursion */
    size_t folder_count;
    size_t folder_capacity;
    size_t bytes;
    struct error *err;
};

static void import_reader_release(struct import_reader *reader)
{
    free(reader->files);
    free(reader->folders);
}

static void import_close_directory(DIR **directory)
{
    if (*directory != NULL) {
        closedir(*directory);
    }
}

static bool import_read_fail(const struct import_reader *reader, const char *path,
                             const char *problem)
{
    char quoted[QUOTE_BYTES];

    return error_set(reader->err, ERR_INVALID, "%s in '%s': %s", quote_text(path, quoted),
                     reader->directory, problem);
}

static bool import_read_file(struct import_reader *reader, const char *full, const char *path)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };

    if (reader->count == SET_FILES_MAX) {
        return error_set(reader->err, ERR_LIMIT, "'%s' has more than %d files", reader->directory,
                         SET_FILES_MAX);
    }
    if (!file_read(full, &text, reader->err)) {
        return false;
    }
    reader->bytes += text.size;
    if (reader->bytes > SET_BYTES_MAX) {
        return error_set(reader->err, ERR_LIMIT, "'%s' has more than %d bytes", reader->directory,
                         SET_BYTES_MAX);
    }
    reader->files =
        memory_reserve(reader->files, reader->count, &reader->capacity, sizeof(*reader->files));
    reader->files[reader->count++] = (struct set_file){
        .path = path,
        .content = { arena_memdup(reader->arena, buf_text(&text), text.size + 1), text.size },
    };
    return true;
}

static bool import_read_entry(struct import_reader *reader, const struct import_folder *folder,
                              const char *name)
{
    const char *path = folder->path[0] == '\0'
                           ? arena_strdup(reader->arena, name)
                           : arena_printf(reader->arena, "%s/%s", folder->path, name);
    const char *full = arena_printf(reader->arena, "%s/%s", reader->directory, path);
    struct stat status;

    if (lstat(full, &status) != 0) {
        return import_read_fail(reader, path, strerror(errno));
    }
    if (S_ISREG(status.st_mode)) {
        return import_read_file(reader, full, path);
    }
    if (!S_ISDIR(status.st_mode)) {
        return import_read_fail(reader, path, "neither a file nor a folder: a link, or a device");
    }
    if (folder->depth == IMPORT_DEPTH_MAX || reader->folder_count == SET_FILES_MAX) {
        return import_read_fail(reader, path, "too many folders in folders");
    }
    reader->folders = memory_reserve(reader->folders, reader->folder_count,
                                     &reader->folder_capacity, sizeof(*reader->folders));
    reader->folders[reader->folder_count++] = (struct import_folder){ path, folder->depth + 1 };
    return true;
}

static bool import_read_one(struct import_reader *reader, const struct import_folder *folder)
{
    const char *full = arena_printf(reader->arena, "%s/%s", reader->directory, folder->path);
    CLEANUP(import_close_directory) DIR *directory = opendir(full);

    if (directory == NULL) {
        return error_set(reader->err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
                         "open '%s': %s", full, strerror(errno));
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory); /* the stream is this call's own */
        if (entry == NULL) {
            return errno == 0 || import_read_fail(reader, folder->path, strerror(errno));
        }
        if (entry->d_name[0] != '.' && !import_read_entry(reader, folder, entry->d_name)) {
            return false;
        }
    }
}

static int import_compare_files(const void *a, const void *b)
{
    return strcmp(((const struct set_file *)a)->path, ((const struct set_file *)b)->path);
}

bool import_read_folder(const char *directory, struct arena *arena, struct set_file **ret_files,
                        size_t *ret_count, struct error *err)
{
    CLEANUP(import_reader_release)
    struct import_reader reader = { .directory = directory, .arena = arena, .err = err };
    const struct import_folder top = { "", 0 };

    if (!import_read_one(&reader, &top)) {
        return false;
    }
    while (reader.folder_count > 0) {
        const struct import_folder folder = reader.folders[--reader.folder_count];
        if (!import_read_one(&reader, &folder)) {
            return false;
        }
    }
    if (reader.count > 0) {
        qsort(reader.files, reader.count, sizeof(*reader.files), import_compare_files);
    }
    *ret_files = arena_memdup(arena, reader.files, reader.count * sizeof(*reader.files));
    *ret_count = reader.count;
    return true;
}
