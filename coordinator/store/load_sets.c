#include "coordinator/store/load_sets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/set.h"
#include "common/wire/wire.h"
#include "coordinator/store/archive_fetch.h"
#include "coordinator/store/store_keys.h"

bool load_may_go_on(const _Atomic bool *stop, struct error *err)
{
    return !*stop || error_set(err, ERR_UNAVAILABLE, "nobody wants it any more");
}

/* One page of a range, waited for. */
struct page_wait {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool done;
    struct store_kv_list *list;
    struct error error;
};

static void page_copy(struct store_kv_list *list, const struct store_range_result *result)
{
    list->kvs = memory_grow(list->kvs, list->count + result->count, sizeof(*list->kvs));
    for (size_t i = 0; i < result->count; i++) {
        struct store_kv *kv = &list->kvs[list->count++];
        *kv = result->kvs[i];
        kv->key = memory_strdup(kv->key);
        uint8_t *value = memory_alloc(kv->value.size);
        if (kv->value.size > 0) {
            memcpy(value, kv->value.data, kv->value.size);
        }
        kv->value.data = value;
    }
    list->revision = result->revision;
}

static void page_on_range(void *user, const struct store_range_result *result,
                          const struct error *err)
{
    struct page_wait *wait = user;

    pthread_mutex_lock(&wait->mutex);
    if (err != NULL) {
        wait->error = *err;
    } else {
        page_copy(wait->list, result);
    }
    wait->done = true;
    pthread_cond_signal(&wait->answered);
    pthread_mutex_unlock(&wait->mutex);
}

/* Appends the first key behind `after`, if there is one. */
static bool page_read_one(struct store *store, const char *path, const char *after,
                          struct store_kv_list *list, struct error *err)
{
    struct page_wait wait = { .list = list };

    pthread_mutex_init(&wait.mutex, NULL);
    pthread_cond_init(&wait.answered, NULL);
    store_range(store, path, after, 1, 0, page_on_range, &wait);
    pthread_mutex_lock(&wait.mutex);
    while (!wait.done) {
        pthread_cond_wait(&wait.answered, &wait.mutex);
    }
    pthread_mutex_unlock(&wait.mutex);
    pthread_cond_destroy(&wait.answered);
    pthread_mutex_destroy(&wait.mutex);
    if (wait.error.code != ERR_NONE) {
        *err = wait.error;
        return false;
    }
    return true;
}

/* A set's head sorts before its archives ("head" < "sha256:..."), so one look per set finds it, and
 * "~" sorts behind them, which leads to the next set. */
bool load_set_heads(struct store *store, const char *path, const _Atomic bool *stop,
                    struct store_kv_list *ret_heads, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *after = "";

    for (;;) {
        size_t before = ret_heads->count;
        if (!load_may_go_on(stop, err) || !page_read_one(store, path, after, ret_heads, err)) {
            return false;
        }
        if (ret_heads->count == before) {
            return true;
        }
        const char *key = ret_heads->kvs[before].key;
        const char *slash = strchr(key + strlen(path), '/');
        if (slash == NULL) {
            after = arena_strdup(&arena, key);
            continue;
        }
        after = arena_printf(&arena, "%.*s/~", (int)(slash - key), key);
    }
}

struct archive_wait {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool done;
    struct buf archive;
    struct error error;
};

static void archive_on_fetched(void *user, struct bytes archive, const struct error *err)
{
    struct archive_wait *wait = user;

    pthread_mutex_lock(&wait->mutex);
    if (err != NULL) {
        wait->error = *err;
    } else {
        buf_append(&wait->archive, archive.data, archive.size);
    }
    wait->done = true;
    pthread_cond_signal(&wait->answered);
    pthread_mutex_unlock(&wait->mutex);
}

static bool load_archive(struct store *store, const char *prefix, const char *name,
                         const char *digest, struct buf *ret_archive, struct error *err)
{
    struct archive_wait wait = { .archive = { .size_max = SET_ARCHIVE_BYTES_MAX } };

    pthread_mutex_init(&wait.mutex, NULL);
    pthread_cond_init(&wait.answered, NULL);
    archive_fetch(store, prefix, name, digest, archive_on_fetched, &wait);
    pthread_mutex_lock(&wait.mutex);
    while (!wait.done) {
        pthread_cond_wait(&wait.answered, &wait.mutex);
    }
    pthread_mutex_unlock(&wait.mutex);
    pthread_cond_destroy(&wait.answered);
    pthread_mutex_destroy(&wait.mutex);
    *ret_archive = wait.archive;
    if (wait.error.code != ERR_NONE) {
        *err = wait.error;
        return false;
    }
    return true;
}

static bool load_set(struct store *store, const char *prefix, const char *name, const char *digest,
                     struct set **ret_set, struct error *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf archive = { .size_max = SET_ARCHIVE_BYTES_MAX };
    struct set_file *files;
    size_t count;

    if (!load_archive(store, prefix, name, digest, &archive, err) ||
        !wire_decode_set_archive(buf_view(&archive), &arena, &files, &count, err)) {
        return error_wrap(err, "set %s@%s", name, digest);
    }
    struct set *set = memory_alloc(sizeof(*set));
    if (!set_parse(files, count, name, set, err)) {
        free(set);
        return error_wrap(err, "set %s@%s", name, digest);
    }
    if (strcmp(set->digest, digest) != 0) {
        error_set(err, ERR_INVALID, "set %s@%s: the stored files have the digest %s", name, digest,
                  set->digest);
        set_release(set);
        free(set);
        return false;
    }
    *ret_set = set;
    return true;
}

static bool load_has_set(const struct loaded *loaded, const char *name, const char *digest)
{
    for (size_t i = 0; i < loaded->set_count; i++) {
        const struct set *set = loaded->sets[i];
        if (strcmp(set->name, name) == 0 && strcmp(set->digest, digest) == 0) {
            return true;
        }
    }
    return false;
}

static bool load_needed_set(struct store *store, const char *prefix, struct loaded *loaded,
                            const char *name, const char *digest, struct error *err)
{
    if (load_has_set(loaded, name, digest)) {
        return true;
    }
    if (!load_set(store, prefix, name, digest, &loaded->sets[loaded->set_count], err)) {
        return false;
    }
    loaded->set_count++;
    return true;
}

bool load_needed_sets(struct store *store, const char *prefix, struct arena *arena,
                      const _Atomic bool *stop, struct loaded *loaded, struct error *err)
{
    bool good = true;

    loaded->set_count = 0;
    loaded->sets =
        arena_alloc_array(arena, loaded->head_count + loaded->rollout_count, sizeof(struct set *));
    for (size_t i = 0; good && i < loaded->head_count; i++) {
        good = load_may_go_on(stop, err) &&
               load_needed_set(store, prefix, loaded, loaded->heads[i].name,
                               loaded->heads[i].digest, err);
    }
    for (size_t i = 0; good && i < loaded->rollout_count; i++) {
        const struct loaded_rollout *rollout = &loaded->rollouts[i];
        /* A failed one may be retried, so only those that succeeded or were given up need none. */
        if (rollout->state.phase == ROLLOUT_SUCCEEDED || rollout->state.phase == ROLLOUT_ABORTED ||
            rollout->state.phase == ROLLOUT_ROLLED_BACK) {
            continue;
        }
        good = load_may_go_on(stop, err) &&
               load_needed_set(store, prefix, loaded, rollout->spec.set, rollout->spec.digest, err);
    }
    return good;
}
