/* base.h - the few macros that all of skein uses.
 *
 * Pure. Nothing here has state. */
#ifndef SKEIN_COMMON_CORE_BASE_H
#define SKEIN_COMMON_CORE_BASE_H

#include <stddef.h>

/* Calls `f(&variable)` when the variable goes out of scope. Every destructor of skein has that
 * signature: x_release(struct x *) for values, x_free(struct x **) for pointers. */
#define CLEANUP(f) __attribute__((cleanup(f)))

/* Moves a value out of `x` and leaves zero behind, which every destructor accepts. */
#define TAKE(x)                                                                                    \
    __extension__({                                                                                \
        __typeof__(x) taken_ = (x);                                                                \
        memset(&(x), 0, sizeof(x));                                                                \
        taken_;                                                                                    \
    })

#define PRINTF(format_index, first_argument)                                                       \
    __attribute__((format(printf, format_index, first_argument)))

#define MUST_CHECK __attribute__((warn_unused_result))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
