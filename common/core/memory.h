/* memory.h - allocation that cannot fail.
 *
 * Thread-safe. Out of memory ends the process: with every size bounded it means that the host is
 * dying; the lease expires, another process takes over, and the tenants' journals say what
 * happened. */
#ifndef SKEIN_COMMON_CORE_MEMORY_H
#define SKEIN_COMMON_CORE_MEMORY_H

#include <stddef.h>

#include "common/core/base.h"

void *memory_alloc(size_t bytes);                            /* zeroed; free() it */
void *memory_alloc_array(size_t count, size_t bytes);        /* zeroed, checked for overflow */
void *memory_grow(void *memory, size_t count, size_t bytes); /* realloc; new part not zeroed */
char *memory_strdup(const char *text);                       /* NULL stays NULL */

/* free(*memory), for CLEANUP on `char *` and other plain memory: pass the pointer's address. */
void memory_free(void *pointer_to_memory);

/* Makes room for one more element in an array that doubles: returns the new base and updates
 * *capacity. The caller stores the base. */
void *memory_reserve(void *base, size_t count, size_t *capacity, size_t element_bytes);

#endif
