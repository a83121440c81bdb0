#include "agent/check/size_guard.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/checksum.h"
#include "common/survey/survey_size.h"

enum { SIZE_GUARD_KEY_BYTES = DIGEST_TEXT_BYTES + SURVEY_DIGEST_BYTES + 64 };

/* What was found out, the newest over the oldest. */
struct size_guard_entry {
    char key[SIZE_GUARD_KEY_BYTES];
    struct size_plan *plan;
};

/* What a rollout was told of one finding. */
struct size_guard_told {
    char rollout[NAME_BYTES_MAX + 1];
    uint8_t finding[CHECKSUM_BYTES];
    uint64_t bytes;
};

struct size_guard {
    struct sql_parser *parser;
    pthread_mutex_t mutex; /* over what follows */
    struct size_guard_entry entries[SIZE_PLANS_MAX];
    size_t next;
    struct size_guard_told told[SIZE_TOLD_MAX];
    size_t told_next;
};

struct size_guard *size_guard_new(struct sql_parser *parser)
{
    struct size_guard *guard = memory_alloc(sizeof(*guard));

    guard->parser = parser;
    pthread_mutex_init(&guard->mutex, NULL);
    return guard;
}

void size_guard_free(struct size_guard **guard)
{
    if (*guard == NULL) {
        return;
    }
    for (size_t i = 0; i < SIZE_PLANS_MAX; i++) {
        size_plan_unref(&(*guard)->entries[i].plan);
    }
    pthread_mutex_destroy(&(*guard)->mutex);
    free(*guard);
    *guard = NULL;
}

void size_look_release(struct size_look *look)
{
    size_plan_unref(&look->plan);
    free(look->findings);
    *look = (struct size_look){ 0 };
}

static void size_guard_key(const struct size_guard_call *call, const char *digest,
                           char key[SIZE_GUARD_KEY_BYTES])
{
    const struct plan *plan = call->way.plan;

    (void)snprintf(key, SIZE_GUARD_KEY_BYTES, "%s %zu %zu %d %d %s", call->way.set->digest,
                   plan->first, plan->count, plan->repeatables ? 1 : 0, call->way.down ? 1 : 0,
                   digest);
}

/* A reference, or NULL. */
static struct size_plan *size_guard_find(struct size_guard *guard, const char *key)
{
    struct size_plan *found = NULL;

    pthread_mutex_lock(&guard->mutex);
    for (size_t i = 0; i < SIZE_PLANS_MAX && found == NULL; i++) {
        if (guard->entries[i].plan != NULL && strcmp(guard->entries[i].key, key) == 0) {
            found = guard->entries[i].plan;
            size_plan_ref(found);
        }
    }
    pthread_mutex_unlock(&guard->mutex);
    return found;
}

static void size_guard_put(struct size_guard *guard, const char *key, struct size_plan *plan)
{
    size_plan_ref(plan);
    pthread_mutex_lock(&guard->mutex);
    struct size_guard_entry *entry = &guard->entries[guard->next];
    struct size_plan *before = entry->plan;
    guard->next = (guard->next + 1) % SIZE_PLANS_MAX;
    (void)snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->plan = plan;
    pthread_mutex_unlock(&guard->mutex);
    size_plan_unref(&before);
}

/* Two workers may find the same out at the same time: one of them in vain. */
static struct size_plan *size_guard_scripts(struct size_guard *guard,
                                            const struct size_guard_call *call)
{
    char key[SIZE_GUARD_KEY_BYTES];

    size_guard_key(call, "", key);
    struct size_plan *plan = size_guard_find(guard, key);
    if (plan == NULL) {
        plan = size_plan_of_scripts(guard->parser, &call->way);
        size_guard_put(guard, key, plan);
    }
    return plan;
}

static struct size_plan *size_guard_survey(struct size_guard *guard,
                                           const struct size_guard_call *call,
                                           const struct survey *survey)
{
    char key[SIZE_GUARD_KEY_BYTES];

    size_guard_key(call, survey->digest, key);
    struct size_plan *plan = size_guard_find(guard, key);
    if (plan == NULL) {
        plan = size_plan_of_survey(guard->parser, &call->way, survey);
        size_guard_put(guard, key, plan);
    }
    return plan;
}

static struct size_guard_told *size_guard_find_told(struct size_guard *guard, const char *rollout,
                                                    const uint8_t finding[CHECKSUM_BYTES])
{
    for (size_t i = 0; i < SIZE_TOLD_MAX; i++) {
        struct size_guard_told *told = &guard->told[i];
        if (strcmp(told->rollout, rollout) == 0 &&
            memcmp(told->finding, finding, CHECKSUM_BYTES) == 0) {
            return told;
        }
    }
    struct size_guard_told *told = &guard->told[guard->told_next];
    guard->told_next = (guard->told_next + 1) % SIZE_TOLD_MAX;
    *told = (struct size_guard_told){ .bytes = 0 };
    (void)snprintf(told->rollout, sizeof(told->rollout), "%s", rollout);
    memcpy(told->finding, finding, CHECKSUM_BYTES);
    return told;
}

bool size_guard_is_news(struct size_guard *guard, const char *rollout, const struct size_item *item,
                        uint64_t bytes)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t finding[CHECKSUM_BYTES];

    checksum_add_text(checksum, item->file);
    checksum_add(checksum, &item->statement, sizeof(item->statement));
    checksum_add_text(checksum, item->rule);
    checksum_add_text(checksum, item->relation);
    checksum_finish(checksum, finding);
    pthread_mutex_lock(&guard->mutex);
    struct size_guard_told *told = size_guard_find_told(guard, rollout, finding);
    bool news = bytes / 2 >= told->bytes;
    told->bytes = news ? bytes : told->bytes;
    pthread_mutex_unlock(&guard->mutex);
    return news;
}

static uint64_t size_guard_bytes_of(const struct survey *survey, const char *part)
{
    const char *dot = strchr(part, '.');
    size_t schema_size = dot == NULL ? 0 : (size_t)(dot - part);
    const char *name = dot == NULL ? part : dot + 1;

    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_object *object = &survey->objects[i];
        if (object->sized && strcmp(object->name, name) == 0 &&
            strlen(object->schema) == schema_size &&
            strncmp(object->schema, part, schema_size) == 0) {
            return object->bytes;
        }
    }
    return 0;
}

static void size_guard_measure(const struct survey *survey, struct size_look *look)
{
    size_t count = 0;
    const struct size_item *items = size_plan_items(look->plan, &count);

    look->findings = memory_alloc_array(count + 1, sizeof(*look->findings));
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        for (size_t p = 0; p < items[i].part_count; p++) {
            bytes += size_guard_bytes_of(survey, items[i].parts[p]);
        }
        if (bytes >= SIZE_SMALL_BYTES) {
            look->findings[look->count++] =
                (struct size_finding){ .item = &items[i], .bytes = bytes };
        }
    }
}

bool size_guard_look(struct size_guard *guard, const struct size_guard_call *call,
                     struct size_look *ret_look, struct pg_error *ret_pg_error, struct error *err)
{
    CLEANUP(size_plan_unref) struct size_plan *scripts = size_guard_scripts(guard, call);
    CLEANUP(survey_release) struct survey survey = { 0 };
    struct survey_call asked = { .schema = call->schema, .lock_timeout_ms = call->lock_timeout_ms };
    uint64_t largest = 0;
    bool large = false;

    *ret_look = (struct size_look){ 0 };
    asked.names = size_plan_names(scripts, &asked.name_count, &large);
    if (large) { /* it may be any table */
        asked.names = NULL;
        asked.name_count = 0;
    } else if (asked.name_count > 0) {
        if (!survey_size_largest(call->conn, &asked, &largest, ret_pg_error, err)) {
            return false;
        }
        large = largest >= SIZE_SMALL_BYTES;
    }
    if (!large) {
        return true;
    }
    if (!survey_read(call->conn, &asked, &survey, ret_pg_error, err)) {
        return false;
    }
    ret_look->plan = size_guard_survey(guard, call, &survey);
    size_guard_measure(&survey, ret_look);
    return true;
}
