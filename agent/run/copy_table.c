#include "agent/run/copy_table.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

/* A turn is never forgotten while somebody has it. */
static_assert(COPY_VERDICTS_MAX > COPY_CLASSES_MAX + AGENT_WORKERS_MAX, "room for all turns");

struct copy_entry {
    bool used;
    bool busy;
    struct copy_key key;
    struct copy_verdict verdict; /* its texts are the arena's */
    struct arena arena;
    uint64_t at_ms;
    uint64_t serial; /* of its last turn: the smallest is the oldest */
};

struct copy_told {
    char rollout[NAME_BYTES_MAX + 1];
    char tenant[NAME_BYTES_MAX + 1];
    uint8_t words[CHECKSUM_BYTES];
};

struct copy_table {
    pthread_mutex_t mutex; /* over what follows */
    struct copy_entry entries[COPY_VERDICTS_MAX];
    uint64_t serial;
    struct copy_told told[COPY_VERDICTS_MAX];
    size_t told_next;
};

struct copy_table *copy_table_new(void)
{
    struct copy_table *table = memory_alloc(sizeof(*table));

    pthread_mutex_init(&table->mutex, NULL);
    return table;
}

void copy_table_free(struct copy_table **table)
{
    if (*table == NULL) {
        return;
    }
    for (size_t i = 0; i < COPY_VERDICTS_MAX; i++) {
        arena_release(&(*table)->entries[i].arena);
    }
    pthread_mutex_destroy(&(*table)->mutex);
    free(*table);
    *table = NULL;
}

static struct task_error copy_table_error(struct arena *arena, const struct task_error *from)
{
    struct task_error to = *from;
    const char **const texts[] = { &to.tenant, &to.sqlstate, &to.message,
                                   &to.detail, &to.hint,     &to.file };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = *texts[i] == NULL ? "" : arena_strdup(arena, *texts[i]);
    }
    return to;
}

static struct copy_verdict copy_table_copy(struct arena *arena, const struct copy_verdict *from)
{
    struct clone_finding *findings =
        arena_alloc_array(arena, from->finding_count + 1, sizeof(*findings));

    for (size_t i = 0; i < from->finding_count; i++) {
        findings[i] = from->findings[i];
        findings[i].relation = arena_strdup(arena, findings[i].relation);
        findings[i].file = arena_strdup(arena, findings[i].file);
    }
    return (struct copy_verdict){ .kind = from->kind,
                                  .error = copy_table_error(arena, &from->error),
                                  .findings = findings,
                                  .finding_count = from->finding_count };
}

static bool copy_table_is_key(const struct copy_entry *entry, const struct copy_key *key)
{
    return entry->used && strcmp(entry->key.text, key->text) == 0;
}

static struct copy_entry *copy_table_find(struct copy_table *table, const struct copy_key *key)
{
    for (size_t i = 0; i < COPY_VERDICTS_MAX; i++) {
        if (copy_table_is_key(&table->entries[i], key)) {
            return &table->entries[i];
        }
    }
    return NULL;
}

static void copy_table_forget(struct copy_entry *entry)
{
    arena_release(&entry->arena);
    *entry = (struct copy_entry){ .used = false };
}

/* A place for the key: a free one, or that of the oldest. NULL: the rollout has had its share. */
static struct copy_entry *copy_table_add(struct copy_table *table, const struct copy_key *key)
{
    struct copy_entry *oldest = NULL;
    size_t same = 0;

    for (size_t i = 0; i < COPY_VERDICTS_MAX; i++) {
        struct copy_entry *entry = &table->entries[i];

        same += entry->used && strcmp(entry->key.rollout, key->rollout) == 0 ? 1 : 0;
        if (!entry->busy && (oldest == NULL || entry->serial < oldest->serial)) {
            oldest = entry; /* free ones have the number 0 */
        }
    }
    if (same >= COPY_CLASSES_MAX) {
        return NULL;
    }
    assert(oldest != NULL);
    copy_table_forget(oldest);
    oldest->used = true;
    oldest->key = *key;
    return oldest;
}

static bool copy_table_is_old(const struct copy_entry *entry, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - entry->at_ms;

    return (entry->verdict.kind == COPY_REFUSED && age_ms > COPY_REFUSAL_MS) ||
           (entry->verdict.kind == COPY_NONE && age_ms > COPY_NONE_MS);
}

static enum copy_answer copy_table_answer(struct copy_table *table, const struct copy_key *key,
                                          uint64_t now_ms, struct arena *arena,
                                          struct copy_verdict *ret_verdict)
{
    struct copy_entry *entry = copy_table_find(table, key);

    if (entry != NULL && entry->busy) {
        return COPY_BUSY;
    }
    if (entry != NULL && !copy_table_is_old(entry, now_ms)) {
        *ret_verdict = copy_table_copy(arena, &entry->verdict);
        return COPY_KNOWN;
    }
    if (entry == NULL) {
        entry = copy_table_add(table, key);
    }
    if (entry == NULL) {
        return COPY_FULL;
    }
    entry->busy = true;
    entry->serial = ++table->serial;
    return COPY_TURN;
}

enum copy_answer copy_table_ask(struct copy_table *table, const struct copy_key *key,
                                uint64_t now_ms, struct arena *arena,
                                struct copy_verdict *ret_verdict)
{
    pthread_mutex_lock(&table->mutex);
    enum copy_answer answer = copy_table_answer(table, key, now_ms, arena, ret_verdict);
    pthread_mutex_unlock(&table->mutex);
    return answer;
}

void copy_table_put(struct copy_table *table, const struct copy_key *key, uint64_t now_ms,
                    const struct copy_verdict *verdict)
{
    pthread_mutex_lock(&table->mutex);
    struct copy_entry *entry = copy_table_find(table, key);
    assert(entry != NULL && entry->busy);
    arena_release(&entry->arena);
    entry->verdict = copy_table_copy(&entry->arena, verdict);
    entry->at_ms = now_ms;
    entry->busy = false;
    pthread_mutex_unlock(&table->mutex);
}

void copy_table_give_up(struct copy_table *table, const struct copy_key *key)
{
    pthread_mutex_lock(&table->mutex);
    struct copy_entry *entry = copy_table_find(table, key);
    assert(entry != NULL && entry->busy);
    copy_table_forget(entry);
    pthread_mutex_unlock(&table->mutex);
}

bool copy_table_is_busy(struct copy_table *table, const struct copy_key *key)
{
    pthread_mutex_lock(&table->mutex);
    const struct copy_entry *entry = copy_table_find(table, key);
    bool busy = entry != NULL && entry->busy;
    pthread_mutex_unlock(&table->mutex);
    return busy;
}

bool copy_table_is_news(struct copy_table *table, const char *rollout, const char *tenant,
                        const char *words)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];
    const struct copy_told *found = NULL;

    checksum_add_text(checksum, words);
    checksum_finish(checksum, digest);
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < COPY_VERDICTS_MAX && found == NULL; i++) {
        const struct copy_told *told = &table->told[i];

        if (strcmp(told->rollout, rollout) == 0 &&
            memcmp(told->words, digest, CHECKSUM_BYTES) == 0) {
            found = told;
        }
    }
    bool news = found == NULL || strcmp(found->tenant, tenant) == 0;
    if (found == NULL) {
        struct copy_told *next = &table->told[table->told_next];

        table->told_next = (table->told_next + 1) % COPY_VERDICTS_MAX;
        (void)snprintf(next->rollout, sizeof(next->rollout), "%s", rollout);
        (void)snprintf(next->tenant, sizeof(next->tenant), "%s", tenant);
        memcpy(next->words, digest, CHECKSUM_BYTES);
    }
    pthread_mutex_unlock(&table->mutex);
    return news;
}
