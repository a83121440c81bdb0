#include "agent/check/prepared_batch.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/memory.h"

static bool prepared_batch_prepare(struct sql_parser *parser, const struct operation *operation,
                                   bool down, void **ret_data, struct sql_problem *ret_problem)
{
    struct bytes content = down ? operation->down_content : operation->content;
    struct batch_script script = { 0 };

    if (!batch_script_parse(parser, content, &script, ret_problem)) {
        return false;
    }
    struct batch_script *data = memory_alloc(sizeof(*data));
    *data = script;
    *ret_data = data;
    return true;
}

static void prepared_batch_release(void *data)
{
    batch_script_release(data);
    free(data);
}

const struct prepared_kind prepared_batch = { .prepare = prepared_batch_prepare,
                                              .release = prepared_batch_release };

const struct batch_script *prepared_batch_script(const struct prepared_operation *operation,
                                                 bool down)
{
    const struct prepared_file *file = down ? &operation->down : &operation->up;

    assert(file->data != NULL);
    return file->data;
}
