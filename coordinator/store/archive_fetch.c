#include "coordinator/store/archive_fetch.h"

#include <stdlib.h>

#include "common/core/arena.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "coordinator/store/store_keys.h"

enum { ARCHIVE_PAGE_CHUNKS = 4 }; /* an answer of etcd stays below 3 MiB of JSON */

struct archive_read {
    struct store *store;
    struct arena arena;
    const char *path;
    const char *after;
    struct buf archive;
    archive_fetched *done;
    void *user;
};

static void archive_finish(struct archive_read *read, const struct error *err)
{
    read->done(read->user, buf_view(&read->archive), err);
    buf_release(&read->archive);
    arena_release(&read->arena);
    free(read);
}

static void archive_on_page(void *user, const struct store_range_result *result,
                            const struct error *err)
{
    struct archive_read *read = user;
    struct error problem = { 0 };

    if (err != NULL) {
        archive_finish(read, err);
        return;
    }
    for (size_t i = 0; i < result->count; i++) {
        buf_append(&read->archive, result->kvs[i].value.data, result->kvs[i].value.size);
    }
    if (!buf_check(&read->archive, &problem)) {
        archive_finish(read, &problem);
    } else if (result->more && result->count > 0) {
        read->after = arena_strdup(&read->arena, result->kvs[result->count - 1].key);
        store_range(read->store, read->path, read->after, ARCHIVE_PAGE_CHUNKS, 0, archive_on_page,
                    read);
    } else if (read->archive.size == 0) {
        error_set(&problem, ERR_NOT_FOUND, "no set is stored at %s", read->path);
        archive_finish(read, &problem);
    } else {
        archive_finish(read, NULL);
    }
}

void archive_fetch(struct store *store, const char *prefix, const char *set, const char *digest,
                   archive_fetched *done, void *user)
{
    struct archive_read *read = memory_alloc(sizeof(*read));

    read->store = store;
    read->path = store_key_archive(&read->arena, prefix, set, digest);
    read->archive.size_max = SET_ARCHIVE_BYTES_MAX;
    read->done = done;
    read->user = user;
    store_range(store, read->path, "", ARCHIVE_PAGE_CHUNKS, 0, archive_on_page, read);
}
