/* arena.h - memory that is freed all at once.
 *
 * Not thread-safe; an arena has one owner, and handing over an event hands over its arena. A zeroed
 * arena is empty and valid. */
#ifndef SKEIN_COMMON_CORE_ARENA_H
#define SKEIN_COMMON_CORE_ARENA_H

#include <stddef.h>

#include "common/core/base.h"

struct arena_block;

struct arena {
    struct arena_block *newest;
    size_t bytes; /* handed out so far */
};

void arena_release(struct arena *arena);

/* Aligned for any type, zeroed, valid until arena_release. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes);

/* Copies; NULL stays NULL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t bytes);
void *arena_memdup(struct arena *arena, const void *bytes, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);

#endif
