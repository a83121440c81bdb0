/* LIBS: skein_model */
/* What a program says of the stream "a-1", and what a journal keeps of an operation. */
#include <assert.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/model/state_answer.h"
#include "common/model/state_position.h"
#include "tests/fuzz/fuzz.h"

static void check_position(const char *json)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf first = { .size_max = 16 << 20 };
    CLEANUP(buf_release) struct buf second = { .size_max = 16 << 20 };
    struct state_position position;
    struct error err = { 0 };

    if (!state_position_parse(json, &arena, &position, &err)) {
        return;
    }
    state_position_put(&position, &first);
    assert(state_position_parse(buf_text(&first), &arena, &position, &err));
    state_position_put(&position, &second);
    assert(strcmp(buf_text(&first), buf_text(&second)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct state_answer answer;
    struct error err = { 0 };

    if (state_answer_parse((struct bytes){ data, size }, "a-1", &arena, &answer, &err)) {
        assert((answer.text == NULL) == (answer.outcome == STATE_SKIPPED));
    } else {
        assert(err.code == ERR_INVALID);
    }
    check_position(arena_strndup(&arena, (const char *)data, size));
    return 0;
}
