/* LIBS: skein_model */
/* A .state.yaml. */
#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/set_state.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_state state = { 0 };
    struct error err = { 0 };

    if (!set_state_parse("f.yaml", (struct bytes){ data, size }, &arena, &state, &err)) {
        assert(err.code == ERR_INVALID || err.code == ERR_LIMIT);
        assert(strncmp(err.message, "f.yaml", 6) == 0);
        return 0;
    }
    assert(state.prefix[0] != '\0');
    assert(strcmp(state.prefix, state.to) == 0 || !set_state_overlap(state.prefix, state.to));
    assert((state.fold[0] != '\0') == (state.program == NULL));
    assert(strchr(state.events.table, '"') == NULL && strchr(state.fold, '"') == NULL);
    assert(state.workers >= 1 && state.workers <= STATE_WORKERS_MAX);
    assert(state.page >= 1 && state.page <= STATE_PAGE_MAX);
    assert(state.max_bytes >= 1 && state.max_bytes <= STATE_BYTES_MAX && state.max_events >= 1);
    return 0;
}
