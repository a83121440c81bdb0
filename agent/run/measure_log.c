#include "agent/run/measure_log.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/core/memory.h"

enum { MEASURE_RELATIONS_BYTES_MAX = 64 << 10 };

void measure_log_release(struct measure_log *log)
{
    free(log->looks);
    arena_release(&log->arena);
    *log = (struct measure_log){ 0 };
}

void measure_log_add(struct measure_log *log, const struct measure_look *look)
{
    log->looks = memory_reserve(log->looks, log->count, &log->capacity, sizeof(*log->looks));
    log->looks[log->count] = *look;
    log->looks[log->count].locks = arena_strdup(&log->arena, look->locks);
    log->count++;
}

bool measure_log_next(const char **at, struct measure_entry *ret_entry)
{
    char *end = NULL;

    if (**at == '\0') {
        return false;
    }
    ret_entry->oid = strtoull(*at, &end, 10);
    const char *mode = *end == ' ' ? end + 1 : end;
    size_t bytes = strcspn(mode, " ,");
    ret_entry->mode = trace_probe_mode(mode, bytes);
    /* A relation that was dropped has no file, and concat_ws leaves it out. */
    uint64_t first = strtoull(mode + bytes, &end, 10);
    bool both = *end == ' ';
    ret_entry->file = both ? first : 0;
    ret_entry->scans = both ? strtoull(end, &end, 10) : first;
    end += strcspn(end, ",");
    *at = *end == ',' ? end + 1 : end;
    return true;
}

static int measure_log_compare_oids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

const char *measure_log_relations(const struct measure_log *log, struct arena *arena)
{
    CLEANUP(buf_release) struct buf text = { .size_max = MEASURE_RELATIONS_BYTES_MAX };
    CLEANUP(memory_free) uint64_t *oids = NULL;
    struct measure_entry entry;
    size_t capacity = 0;
    size_t count = 0;
    size_t told = 0;

    for (size_t i = 0; i < log->count; i++) {
        for (const char *at = log->looks[i].locks; measure_log_next(&at, &entry);) {
            oids = memory_reserve(oids, count, &capacity, sizeof(*oids));
            oids[count++] = entry.oid;
        }
    }
    if (count > 0) {
        qsort(oids, count, sizeof(*oids), measure_log_compare_oids);
    }
    for (size_t i = 0; i < count && told < MEASURE_LOCKS_MAX; i++) {
        if (i == 0 || oids[i] != oids[i - 1]) {
            buf_printf(&text, "%s%llu", told++ == 0 ? "{" : ",", (unsigned long long)oids[i]);
        }
    }
    return told == 0 ? "{}" : arena_printf(arena, "%s}", buf_text(&text));
}
