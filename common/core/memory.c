#include "common/core/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory_check(void *memory)
{
    if (memory == NULL) {
        fputs("skein: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_alloc(size_t bytes)
{
    return memory_check(calloc(1, bytes == 0 ? 1 : bytes));
}

void *memory_alloc_array(size_t count, size_t bytes)
{
    return memory_check(calloc(count == 0 ? 1 : count, bytes == 0 ? 1 : bytes));
}

void *memory_grow(void *memory, size_t count, size_t bytes)
{
    return memory_check(reallocarray(memory, count == 0 ? 1 : count, bytes == 0 ? 1 : bytes));
}

char *memory_strdup(const char *text)
{
    return text == NULL ? NULL : memory_check(strdup(text));
}

void memory_free(void *pointer_to_memory)
{
    void *memory;

    memcpy(&memory, pointer_to_memory, sizeof(memory));
    free(memory);
    memory = NULL;
    memcpy(pointer_to_memory, &memory, sizeof(memory));
}

void *memory_reserve(void *base, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity) {
        return base;
    }
    size_t grown = *capacity == 0 ? 8 : *capacity * 2;
    base = memory_grow(base, grown, element_bytes);
    *capacity = grown;
    return base;
}
