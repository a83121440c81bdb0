#include "common/model/set_digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/model/checksum.h"
#include "common/model/set_path.h"

static int set_digest_compare(const void *a, const void *b)
{
    const struct set_file *const *x = a;
    const struct set_file *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

void set_digest(const struct set_file *files, size_t file_count, char ret_digest[DIGEST_TEXT_BYTES])
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    CLEANUP(memory_free)
    const struct set_file **sorted = memory_alloc_array(file_count, sizeof(struct set_file *));
    uint8_t digest[CHECKSUM_BYTES];
    size_t count = 0;

    for (size_t i = 0; i < file_count; i++) {
        const char *slash = strrchr(files[i].path, '/');
        if (files[i].path[0] != '.' &&
            !set_path_is_ignored(slash == NULL ? files[i].path : slash + 1)) {
            sorted[count++] = &files[i];
        }
    }
    qsort(sorted, count, sizeof(struct set_file *), set_digest_compare);
    checksum_add_text(checksum, "skein set 1");
    for (size_t i = 0; i < count; i++) {
        char size[32];
        snprintf(size, sizeof(size), "%zu", sorted[i]->content.size);
        checksum_add_text(checksum, sorted[i]->path);
        checksum_add_text(checksum, size);
        checksum_add(checksum, sorted[i]->content.data, sorted[i]->content.size);
    }
    checksum_finish(checksum, digest);
    memcpy(ret_digest, "sha256:", 7);
    for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
        snprintf(ret_digest + 7 + 2 * i, 3, "%02x", digest[i]);
    }
}
