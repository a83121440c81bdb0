#include "agent/helper/helper_context.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool helper_context_read(struct skein_context *context, int word_count, char *words[])
{
    if (word_count < HELPER_CONTEXT_WORDS) {
        return false;
    }
    context->tenant = words[1];
    context->from = words[2];
    context->target = words[3];
    context->dry_run = strcmp(words[4], "dry_run") == 0;
    context->arguments = words + HELPER_CONTEXT_WORDS;
    context->argument_count = (size_t)(word_count - HELPER_CONTEXT_WORDS);
    return true;
}

void helper_context_release(struct skein_context *context)
{
    arena_release(&context->rows);
    buf_release(&context->out);
    buf_release(&context->in);
    buf_release(&context->state);
}

void helper_context_keep_reason(struct skein_context *context, const char *reason)
{
    if (!context->has_reason) {
        (void)snprintf(context->reason, sizeof(context->reason), "%s", reason);
        context->has_reason = true;
    }
}

const void *helper_context_load(struct skein_context *context, const char *path, const char *symbol)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const void *found = object == NULL ? NULL : dlsym(object, symbol);

    if (found == NULL) {
        const char *words = dlerror();
        helper_context_keep_reason(context, words == NULL ? "the object cannot be loaded" : words);
    }
    return found;
}

bool helper_context_check(struct skein_context *context, unsigned abi, bool complete,
                          const char *lacking)
{
    if (abi == SKEIN_MIGRATION_ABI && complete) {
        return true;
    }
    (void)snprintf(context->reason, sizeof(context->reason),
                   "the object speaks version %u of skein_migration.h%s%s; this is version %d", abi,
                   complete ? "" : " and has no ", complete ? "" : lacking, SKEIN_MIGRATION_ABI);
    context->has_reason = true;
    return false;
}
