#include "agent/run/process_words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/run/task_text.h"
#include "common/model/checksum.h"
#include "common/pg/pg_conninfo.h"

enum {
    PROCESS_WORDS_FIXED_MAX = 32,
    PROCESS_WORDS_DSN_BYTES_MAX = 16 << 10,
    PROCESS_WORDS_SETTINGS_MAX = 3,
    PROCESS_WORDS_HASH_BYTES = 8,
};

/* Wherever the agent was started from, a program finds the same. */
static const char process_words_path[] =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct process_words {
    struct arena *arena;
    const char **items;
    size_t count;
};

/* A variable takes the place of one of the same name. */
static void process_words_set(struct process_words *words, const char *item)
{
    size_t size = strcspn(item, "=") + 1;

    for (size_t i = 0; i < words->count; i++) {
        if (strncmp(words->items[i], item, size) == 0) {
            words->items[i] = item;
            return;
        }
    }
    words->items[words->count++] = item;
}

static void process_words_add(struct process_words *words, const char *name, const char *value)
{
    process_words_set(words, arena_printf(words->arena, "%s=%s", name, value));
}

const char *const *process_words(const struct runner_call *call, const char *path,
                                 const struct set_process *process)
{
    const char **words =
        arena_alloc_array(call->arena, process->argument_count + 2, sizeof(*words));

    words[0] = path;
    for (size_t i = 0; i < process->argument_count; i++) {
        words[1 + i] = process->arguments[i];
    }
    return words;
}

const char *process_words_application(const struct runner_call *call)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];
    uint64_t hash = 0;

    /* A name may be longer than what the server keeps of application_name. */
    checksum_add_text(checksum, call->options->shard);
    checksum_add_text(checksum, call->task->tenant);
    checksum_add_text(checksum, prepared_set_model(call->task->set)->name);
    checksum_finish(checksum, digest);
    for (size_t i = 0; i < PROCESS_WORDS_HASH_BYTES; i++) {
        hash = hash << 8 | digest[i];
    }
    return arena_printf(call->arena, "skein exec %016" PRIx64, hash);
}

/* The settings are those of the worker's own session, so that what a program does with SKEIN_DSN
 * meets the tenant's tables and gives up waiting for locks as a script does. */
static bool process_words_add_dsn(const struct runner_call *call, struct process_words *words,
                                  struct error *err)
{
    CLEANUP(buf_release) struct buf dsn = { .size_max = PROCESS_WORDS_DSN_BYTES_MAX };
    const struct operation *operation = call->operation->operation;
    const struct operation_settings *own =
        call->down ? &operation->down_settings : &operation->settings;
    uint64_t lock_ms =
        own->lock_timeout_ms != 0 ? own->lock_timeout_ms : call->task->lock_timeout_full_ms;
    struct pg_setting settings[PROCESS_WORDS_SETTINGS_MAX];
    size_t count = 0;

    if (!call->options->database_mode) {
        settings[count++] =
            (struct pg_setting){ "search_path",
                                 task_text_identifier(call->arena, call->task->tenant) };
    }
    settings[count++] =
        (struct pg_setting){ "lock_timeout", arena_printf(call->arena, "%" PRIu64, lock_ms) };
    if (pg_conn_server_version(call->conn) >= 140000) {
        /* What a program that was killed had sent ends by itself. */
        settings[count++] = (struct pg_setting){ "client_connection_check_interval", "5s" };
    }
    pg_conninfo_describe(call->conn, process_words_application(call), settings, count, &dsn);
    if (!buf_check(&dsn, err)) {
        return error_wrap(err, "SKEIN_DSN");
    }
    process_words_add(words, "SKEIN_DSN", buf_text(&dsn));
    const char *password = pg_conninfo_password(call->conn);
    if (password[0] != '\0') {
        process_words_add(words, "PGPASSWORD", password);
    }
    return true;
}

static void process_words_begin(const struct runner_call *call, size_t more,
                                struct process_words *ret_words)
{
    *ret_words = (struct process_words){
        .arena = call->arena,
        .items =
            arena_alloc_array(call->arena, PROCESS_WORDS_FIXED_MAX + more, sizeof(const char *)),
    };
    process_words_set(ret_words, process_words_path);
    process_words_add(ret_words, "LANG", "C.UTF-8");
    if (getenv("TMPDIR") != NULL) {
        process_words_add(ret_words, "TMPDIR", getenv("TMPDIR")); /* where its folder is made */
    }
}

static void process_words_add_facts(const struct runner_call *call,
                                    const struct set_process *process, struct process_words *words)
{
    const struct executor_task *task = call->task;
    bool dry_run = task_mode_is_dry(task->mode);

    process_words_begin(call, process->environment_count, words);
    for (size_t i = 0; i < process->environment_count; i++) {
        process_words_set(words, process->environment[i]);
    }
    const struct operation *operation = call->operation->operation;
    bool hook = operation_is_hook(operation);
    const char *const facts[][2] = {
        { "SKEIN_TENANT", task->tenant },
        { "SKEIN_SHARD", call->options->shard },
        { "SKEIN_SET", prepared_set_model(task->set)->name },
        { "SKEIN_FROM", call->from },
        { "SKEIN_TARGET", task->target },
        { "SKEIN_VERSION", hook ? "" : call->migration->version_text },
        { "SKEIN_SCRIPT", hook ? "" : call->migration->script },
        { "SKEIN_HOOK", hook ? operation->stem : "" },
        { "SKEIN_MODE", dry_run      ? "dry_run"
                        : call->down ? "rollback"
                                     : "run" },
        { "SKEIN_DIRECTION", call->down ? "down" : "up" },
        { "SKEIN_ROLLOUT", task->rollout },
        { "SKEIN_STARTED_BEFORE", call->started_before ? "1" : "0" },
    };
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        process_words_add(words, facts[i][0], facts[i][1]);
    }
}

bool process_words_environment(const struct runner_call *call, const struct set_process *process,
                               const char *const **ret_environment, struct error *err)
{
    struct process_words words;

    process_words_add_facts(call, process, &words);
    if (!process_words_add_dsn(call, &words, err)) {
        return false;
    }
    *ret_environment = words.items;
    return true;
}

const char *const *process_words_alone(const struct runner_call *call,
                                       const struct set_process *process)
{
    struct process_words words;

    process_words_add_facts(call, process, &words);
    return words.items;
}

const char *const *process_words_host_environment(const struct runner_call *call)
{
    struct process_words words;

    process_words_begin(call, 0, &words);
    return words.items;
}
