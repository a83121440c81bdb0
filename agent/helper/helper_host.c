#include "agent/helper/helper_host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/helper/helper_context.h"
#include "agent/helper/helper_frame.h"
#include "common/core/limits.h"

/* Sends what stands in `out`. */
static bool helper_host_send(struct skein_context *context)
{
    if (!context->gone && !helper_frame_send(HELPER_FD_TALK, &context->out)) {
        context->gone = true;
    }
    buf_clear(&context->out);
    return !context->gone;
}

static void helper_host_return(struct skein_context *context, bool failed)
{
    const char *reason = !failed ? NULL : context->has_reason ? context->reason : "";
    size_t begin = helper_frame_begin(&context->out, HELPER_FRAME_RETURNED);

    helper_frame_put_u64(&context->out, failed ? 1 : 0);
    helper_frame_put_text(&context->out, reason);
    helper_frame_end(&context->out, begin);
    (void)helper_host_send(context);
}

static void helper_host_drop_rows(struct skein_context *context)
{
    arena_release(&context->rows);
    context->values = NULL;
    context->row_count = 0;
    context->column_count = 0;
}

/* Copies the rows, because the frame's bytes make room for the next one. */
static bool helper_host_take_rows(struct skein_context *context, struct helper_frame *frame)
{
    uint64_t rows = helper_frame_take_u64(frame);
    uint64_t columns = helper_frame_take_u64(frame);

    /* Each value has a size at least: more than that is nonsense. */
    if (frame->broken || rows > PLUGIN_FRAME_BYTES_MAX || columns > PLUGIN_FRAME_BYTES_MAX ||
        rows * columns > PLUGIN_FRAME_BYTES_MAX / sizeof(uint32_t)) {
        return false;
    }
    context->values =
        arena_alloc_array(&context->rows, (size_t)(rows * columns) + 1, sizeof(*context->values));
    for (size_t i = 0; i < rows * columns; i++) {
        context->values[i] = arena_strdup(&context->rows, helper_frame_take_text(frame));
    }
    context->row_count = (size_t)rows;
    context->column_count = (size_t)columns;
    return helper_frame_is_done(frame);
}

/* The answer to a statement. False: it has failed, with the reason kept. */
static bool helper_host_hear(struct skein_context *context)
{
    struct helper_frame frame;

    if (!helper_frame_receive(HELPER_FD_TALK, &context->in, &context->used, &frame) ||
        frame.kind != HELPER_FRAME_ANSWER) {
        context->gone = true;
        return false;
    }
    if (helper_frame_take_u64(&frame) == 1) {
        return helper_host_take_rows(context, &frame);
    }
    const char *words = helper_frame_take_text(&frame);
    helper_context_keep_reason(context, words == NULL ? "the statement failed" : words);
    return false;
}

/* ---- what plugins call ---- */

const char *skein_tenant(const struct skein_context *context)
{
    return context->tenant;
}

const char *skein_from(const struct skein_context *context)
{
    return context->from;
}

const char *skein_target(const struct skein_context *context)
{
    return context->target;
}

int skein_is_dry_run(const struct skein_context *context)
{
    return context->dry_run ? 1 : 0;
}

size_t skein_argument_count(const struct skein_context *context)
{
    return context->argument_count;
}

const char *skein_argument(const struct skein_context *context, size_t index)
{
    return index < context->argument_count ? context->arguments[index] : NULL;
}

int skein_exec(struct skein_context *context, const char *sql)
{
    return skein_query(context, sql, NULL, 0);
}

int skein_query(struct skein_context *context, const char *sql, const char *const *parameters,
                size_t parameter_count)
{
    helper_host_drop_rows(context);
    if (context->failed || context->gone) {
        return -1;
    }
    context->failed = true;
    if (parameter_count > PLUGIN_PARAMETERS_MAX) {
        return skein_fail(context, "a statement has more than 32 parameters");
    }
    size_t begin = helper_frame_begin(&context->out, HELPER_FRAME_SQL);
    helper_frame_put_text(&context->out, sql);
    helper_frame_put_u64(&context->out, parameter_count);
    for (size_t i = 0; i < parameter_count; i++) {
        helper_frame_put_text(&context->out, parameters[i]);
    }
    helper_frame_end(&context->out, begin);
    if (context->out.overflow) {
        buf_clear(&context->out);
        return skein_fail(context, "a statement with its parameters is larger than 1 MiB");
    }
    if (!helper_host_send(context) || !helper_host_hear(context)) {
        return -1;
    }
    context->failed = false;
    return 0;
}

size_t skein_row_count(const struct skein_context *context)
{
    return context->row_count;
}

size_t skein_column_count(const struct skein_context *context)
{
    return context->column_count;
}

const char *skein_value(const struct skein_context *context, size_t row, size_t column)
{
    return row < context->row_count && column < context->column_count
               ? context->values[row * context->column_count + column]
               : NULL;
}

int skein_fail(struct skein_context *context, const char *reason)
{
    context->has_reason = false; /* the author's words say more than the server's */
    helper_context_keep_reason(context, reason);
    return -1;
}

void skein_progress(struct skein_context *context, uint64_t done, uint64_t total)
{
    size_t begin = helper_frame_begin(&context->out, HELPER_FRAME_PROGRESS);

    helper_frame_put_u64(&context->out, done);
    helper_frame_put_u64(&context->out, total);
    helper_frame_end(&context->out, begin);
    (void)helper_host_send(context);
}

/* ---- the plugin's life ---- */

/* NULL: the reason is kept. */
static const struct skein_migration *helper_host_load(struct skein_context *context,
                                                      const char *path)
{
    const struct skein_migration *found = helper_context_load(context, path, "skein_migration");

    return found != NULL && helper_context_check(context, found->abi, found->apply != NULL, "apply")
               ? found
               : NULL;
}

static void helper_host_say_loaded(struct skein_context *context,
                                   const struct skein_migration *plugin)
{
    size_t begin = helper_frame_begin(&context->out, HELPER_FRAME_LOADED);

    helper_frame_put_text(&context->out, plugin->name);
    helper_frame_put_u64(&context->out, plugin->verify != NULL ? 1 : 0);
    helper_frame_put_u64(&context->out, plugin->rollback != NULL ? 1 : 0);
    helper_frame_end(&context->out, begin);
    (void)helper_host_send(context);
}

static void helper_host_call(struct skein_context *context, const struct skein_migration *plugin,
                             uint64_t which)
{
    int (*const functions[HELPER_FUNCTION_COUNT])(struct skein_context *) = {
        [HELPER_APPLY] = plugin->apply,
        [HELPER_VERIFY] = plugin->verify,
        [HELPER_ROLLBACK] = plugin->rollback,
    };
    bool there = which < HELPER_FUNCTION_COUNT && functions[which] != NULL;

    if (!there) {
        (void)skein_fail(context, "the object has no such function");
    }
    bool failed = !there || functions[which](context) != 0 || context->failed;
    helper_host_drop_rows(context);
    (void)fflush(NULL); /* what it has printed comes before what it has returned */
    helper_host_return(context, failed);
}

int helper_host(int word_count, char *words[])
{
    CLEANUP(helper_context_release)
    struct skein_context context = { .out = { .size_max = PLUGIN_FRAME_BYTES_MAX },
                                     .in = { .size_max = PLUGIN_BUFFER_BYTES_MAX } };
    struct helper_frame frame;

    if (!helper_context_read(&context, word_count, words)) {
        return 2;
    }
    const struct skein_migration *plugin = helper_host_load(&context, words[0]);
    if (plugin == NULL) {
        helper_host_return(&context, true);
        return 0;
    }
    helper_host_say_loaded(&context, plugin);
    while (!context.gone &&
           helper_frame_receive(HELPER_FD_TALK, &context.in, &context.used, &frame)) {
        if (frame.kind != HELPER_FRAME_CALL) {
            return 2;
        }
        helper_host_call(&context, plugin, helper_frame_take_u64(&frame));
    }
    return 0;
}
