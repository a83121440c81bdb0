#include "agent/run/unwind_words.h"

#include <inttypes.h>

#include "agent/run/task_text.h"

static const char unwind_begin_sql[] =
    "SELECT b.out_version, b.out_start, coalesce(b.out_half, ''), s.script"
    " FROM skein.unwind_begin($1, $2, $3, $4, $5::bigint, $6) AS b"
    " LEFT JOIN LATERAL unnest(b.out_scripts) WITH ORDINALITY AS s(script, place) ON true"
    " ORDER BY s.place";
static const char unwind_open_sql[] =
    "SELECT skein.unwind_open($1, $2, $3, $4, $5::bigint, $6, $7, $8, $9, $10, $11, $12::text[],"
    " $13::text[])";
static const char unwind_end_sql[] =
    "SELECT skein.unwind_end($1, $2, $3::bigint, $4, $5, $6, CASE WHEN $7::text IS NOT NULL"
    " THEN jsonb_build_object($6::text, jsonb_build_object('output', $7::text)) END)";
static const char unwind_finish_sql[] =
    "SELECT skein.unwind_finish($1, $2, $3, $4, $5::bigint, $6)";

static struct task_words *unwind_words_new(const struct unwind_speaker *speaker, const char *sql,
                                           size_t count)
{
    struct task_words *words = arena_alloc(speaker->arena, sizeof(*words));

    words->sql = sql;
    words->count = count;
    words->parameters[0] = speaker->task->tenant;
    words->parameters[1] = prepared_set_model(speaker->task->set)->name;
    return words;
}

static const char *unwind_words_token(const struct unwind_speaker *speaker)
{
    return arena_printf(speaker->arena, "%" PRIu64, speaker->task->token);
}

static const char *unwind_words_schema(const struct unwind_speaker *speaker)
{
    return speaker->options->database_mode ? "" : speaker->task->tenant;
}

const struct task_words *unwind_words_begin(const struct unwind_speaker *speaker)
{
    struct task_words *words = unwind_words_new(speaker, unwind_begin_sql, 6);

    words->parameters[2] = speaker->task->rollout;
    words->parameters[3] = task_mode_name(speaker->task->mode);
    words->parameters[4] = unwind_words_token(speaker);
    words->parameters[5] = unwind_words_schema(speaker);
    return words;
}

const struct task_words *unwind_words_open(const struct unwind_speaker *speaker,
                                           const struct unwind_operation *operation)
{
    const struct migration *migration = operation->migration;
    struct task_words *words = unwind_words_new(speaker, unwind_open_sql, 13);
    size_t count = migration->operation_count;
    const char **all = arena_alloc_array(speaker->arena, count, sizeof(*all));
    const char **control = arena_alloc_array(speaker->arena, count, sizeof(*control));
    size_t control_count = 0;

    for (size_t i = 0; i < count; i++) {
        all[i] = migration->operations[i].stem;
        if (migration->operations[i].settings.control_scope) {
            control[control_count++] = all[i];
        }
    }
    words->parameters[2] = speaker->task->rollout;
    words->parameters[3] = speaker->options->agent;
    words->parameters[4] = unwind_words_token(speaker);
    words->parameters[5] = unwind_words_schema(speaker);
    words->parameters[6] = operation->from;
    words->parameters[7] = operation->to;
    words->parameters[8] = migration->script;
    words->parameters[9] = migration->version_text;
    words->parameters[10] = task_text_hex(speaker->arena, migration->checksum);
    words->parameters[11] = task_text_array(speaker->arena, all, count);
    words->parameters[12] = task_text_array(speaker->arena, control, control_count);
    return words;
}

const struct task_words *unwind_words_end(const struct unwind_speaker *speaker,
                                          const struct unwind_operation *operation,
                                          const char *note)
{
    struct task_words *words = unwind_words_new(speaker, unwind_end_sql, 7);

    words->parameters[2] = unwind_words_token(speaker);
    words->parameters[3] = operation->to;
    words->parameters[4] = operation->migration->script;
    words->parameters[5] = operation->prepared->operation->stem;
    words->parameters[6] = note;
    return words;
}

const struct task_words *unwind_words_finish(const struct unwind_speaker *speaker,
                                             const char *version)
{
    struct task_words *words = unwind_words_new(speaker, unwind_finish_sql, 6);

    words->parameters[2] = speaker->task->rollout;
    words->parameters[3] = version;
    words->parameters[4] = unwind_words_token(speaker);
    words->parameters[5] = unwind_words_schema(speaker);
    return words;
}
