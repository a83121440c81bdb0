/* Runs each file of the folders that are named through a fuzzer's function. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/core/buf.h"
#include "tests/fuzz/fuzz.h"

enum { REPLAY_BYTES_MAX = 16 << 20 };

static bool replay_file(const char *folder, const char *name)
{
    CLEANUP(buf_release) struct buf content = { .size_max = REPLAY_BYTES_MAX };
    char path[4096];
    struct error err = { 0 };

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!file_read(path, &content, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    struct bytes view = buf_view(&content);
    fprintf(stderr, "%s (%zu bytes)\n", path, view.size); /* before: it may be the last line */
    (void)LLVMFuzzerTestOneInput(view.data, view.size);
    return true;
}

static size_t replay_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    size_t count = 0;

    if (directory == NULL) {
        perror(folder);
        return 0;
    }
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        if (entry->d_name[0] != '.') {
            count += replay_file(folder, entry->d_name) ? 1 : 0;
        }
    }
    closedir(directory);
    return count;
}

int main(int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (replay_folder(argv[i]) == 0) {
            fprintf(stderr, "%s: nothing was replayed\n", argv[i]);
            return EXIT_FAILURE;
        }
    }
    return EXIT_SUCCESS;
}
