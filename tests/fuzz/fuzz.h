/* fuzz.h - what libFuzzer calls, and what replay_main.c calls in builds without it. */
#ifndef SKEIN_TESTS_FUZZ_FUZZ_H
#define SKEIN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
