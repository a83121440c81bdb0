/* LIBS: skein_model */
/* The first byte is the kind of the file, the rest its text. */
#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/set_process.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_process process = { 0 };
    struct error err = { 0 };

    if (size == 0) {
        return 0;
    }
    enum set_process_kind kind = (enum set_process_kind)(data[0] % (SET_PROCESS_STATE + 1));
    if (!set_process_parse("f.yaml", kind, (struct bytes){ data + 1, size - 1 }, &arena, &process,
                           &err)) {
        assert(err.code == ERR_INVALID || err.code == ERR_LIMIT);
        assert(strncmp(err.message, "f.yaml", 6) == 0);
        return 0;
    }
    assert(process.program != NULL && (process.program[0] == '/') == (kind != SET_PROCESS_PLUGIN));
    assert(process.timeout_ms > 0 && process.timeout_ms <= TIMEOUT_MS_MAX);
    assert(process.argument_count <= PROCESS_ARGUMENTS_MAX);
    assert(process.environment_count <= PROCESS_VARIABLES_MAX);
    for (size_t i = 0; i < process.argument_count; i++) {
        assert(process.arguments[i] != NULL);
    }
    for (size_t i = 0; i < process.environment_count; i++) {
        assert(strchr(process.environment[i], '=') > process.environment[i]);
        assert(strncmp(process.environment[i], "SKEIN_", 6) != 0);
    }
    return 0;
}
