/* fuzz.h - what libFuzzer calls, and what replay_main.c calls in builds without it. */
#ifndef SKEIN_TESTS_FUZZ_FUZZ_H
#define SKEIN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/core/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as text with an end, which the caller frees. (strndup would look for a NUL behind the
 * input, and strict sanitizers mind.) */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = memory_alloc(size + 1);

    if (size > 0) {
        memcpy(text, data, size);
    }
    return text;
}

#endif
