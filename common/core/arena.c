#include "common/core/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

enum { ARENA_BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    max_align_t data[];
};

void arena_release(struct arena *arena)
{
    struct arena_block *block = arena->newest;

    while (block != NULL) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
    *arena = (struct arena){ 0 };
}

static struct arena_block *arena_add_block(struct arena *arena, size_t bytes)
{
    /* Blocks double, so that a large message costs few calls of malloc. */
    size_t size = arena->newest == NULL ? ARENA_BLOCK_BYTES : arena->newest->size;
    if (arena->newest != NULL && size < (1U << 20)) {
        size *= 2;
    }
    if (size < bytes) {
        size = bytes;
    }
    struct arena_block *block = memory_alloc(sizeof(*block) + size);
    block->size = size;
    block->older = arena->newest;
    arena->newest = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    const size_t align = sizeof(max_align_t);

    assert(bytes <= SIZE_MAX - align);
    bytes = (bytes + align - 1) / align * align;
    struct arena_block *block = arena->newest;
    if (block == NULL || block->size - block->used < bytes) {
        block = arena_add_block(arena, bytes);
    }
    void *memory = (char *)block->data + block->used;
    block->used += bytes;
    arena->bytes += bytes;
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes)
{
    assert(bytes == 0 || count <= SIZE_MAX / bytes);
    return arena_alloc(arena, count * bytes);
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t size)
{
    void *copy = arena_alloc(arena, size);

    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t bytes)
{
    char *copy = arena_alloc(arena, bytes + 1);

    if (bytes > 0) {
        memcpy(copy, text, bytes);
    }
    copy[bytes] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
