/* LIBS: agent_helper */
/* What a plugin's host may send, and what it may be sent: frames, whose fields are taken in an
 * order that the first byte draws. */
#include <assert.h>
#include <string.h>

#include "agent/helper/helper_frame.h"
#include "common/core/limits.h"
#include "tests/fuzz/fuzz.h"

/* What was taken is put together again: the same bytes. */
static void take_apart(struct helper_frame *frame, unsigned order)
{
    CLEANUP(buf_release) struct buf again = { .size_max = PLUGIN_BUFFER_BYTES_MAX };
    struct bytes whole = frame->rest;
    size_t begin = helper_frame_begin(&again, frame->kind);

    for (unsigned i = 0; !helper_frame_is_done(frame) && !frame->broken; i++) {
        if ((order >> (i % 7) & 1) != 0) {
            uint64_t number = helper_frame_take_u64(frame);

            if (!frame->broken) {
                helper_frame_put_u64(&again, number);
            }
        } else {
            const char *text = helper_frame_take_text(frame);

            assert(text == NULL || !frame->broken);
            if (!frame->broken) {
                helper_frame_put_text(&again, text);
            }
        }
    }
    helper_frame_end(&again, begin);
    size_t head = again.size - (size_t)(frame->rest.data - whole.data);
    if (!frame->broken) {
        struct helper_frame copy;
        size_t size = 0;

        assert(head == 5);
        assert(memcmp(again.data + head, whole.data, whole.size) == 0);
        assert(helper_frame_find(buf_view(&again), &copy, &size) == HELPER_FRAME_WHOLE);
        assert(copy.kind == frame->kind && size == again.size);
    }
    assert(helper_frame_take_u64(frame) == 0 || !frame->broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = { data + 1, size - 1 };
    struct helper_frame frame;
    size_t used = 0;

    while (size > 0 && helper_frame_find(rest, &frame, &used) == HELPER_FRAME_WHOLE) {
        assert(used <= rest.size && used >= 5);
        take_apart(&frame, data[0]);
        rest.data += used;
        rest.size -= used;
    }
    return 0;
}
