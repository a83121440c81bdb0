#include "agent/run/make_parts.h"

#include "agent/run/task_text.h"
#include "common/core/crash.h"

static const char make_end_sql[] = "SELECT skein.making_end($1, $2, $3, $4::bigint, $5)";
static const char make_end_remove_sql[] = "SELECT skein.making_remove($1, $2, $3, $4::bigint, $5)";
static const char make_end_gone_sql[] = "SELECT skein.making_gone($1, $2, $3::bigint)";

const char *make_end_drop_words(const struct task_make *m, bool force)
{
    return arena_printf(&m->task->arena, "DROP DATABASE IF EXISTS %s%s",
                        task_text_identifier(&m->task->arena, m->task->tenant),
                        force ? " WITH (FORCE)" : "");
}

void make_end_leave(struct task_make *m)
{
    make_side_close(&m->tenant);
    worker_link_close(m->context->link);
}

enum make_end make_end_gone(struct task_make *m)
{
    const char *gone[] = { m->task->tenant, m->task->rollout, m->parameters[3] };

    return make_side_ask(&m->home, make_end_gone_sql, gone, COUNT_OF(gone), NULL);
}

enum make_end make_end_raze(struct task_make *m)
{
    struct pg_error words = { 0 };
    enum make_end end = MAKE_AGAIN;

    make_end_leave(m);
    crash_point("make_before_raze");
    while (end == MAKE_AGAIN) {
        end = make_side_say(&m->home, make_end_drop_words(m, true), &words);
    }
    crash_point("make_after_raze");
    return end == MAKE_DONE ? make_end_gone(m) : end;
}

static void make_end_hint(struct task_make *m, const char *words)
{
    struct task_error *error = &m->result->error;

    error->hint = arena_printf(&m->task->arena, "%s%s%s", error->hint,
                               error->hint[0] == '\0' ? "" : " ", words);
}

void make_end_remove(struct task_make *m)
{
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct task_result why = *m->result;
    struct arena *arena = &m->task->arena;
    const char *stays = make_undo_run(m);

    make_end_leave(m);
    crash_point("make_before_remove");
    enum make_end end =
        make_side_ask(&m->home, make_end_remove_sql, m->parameters, MAKE_PARAMETERS, &rows);
    if (end == MAKE_DONE && pg_result_bool(rows, 0, 0)) {
        end = make_end_raze(m);
    }
    const char *problem = m->result->error.message;
    *m->result = why;
    if (end == MAKE_DONE) {
        m->result->version = "";
        make_end_hint(m, "Nothing is left of the tenant: what was made of it was removed again.");
    } else {
        make_end_hint(m, arena_printf(arena,
                                      "What was made of it could not be removed (%s); it is in "
                                      "nobody's list, and the next 'tenant create' removes it.",
                                      problem));
    }
    if (stays[0] != '\0') {
        make_end_hint(m, stays);
    }
}

bool make_end_is_left(const struct task_make *m)
{
    enum task_code code = m->result->error.code;

    return code == TASK_CODE_FENCED || code == TASK_CODE_DATABASE_LOST;
}

void make_end_finish(struct task_make *m, bool filled)
{
    if (filled) {
        crash_point("make_before_end");
        const struct task_result whole = *m->result;

        filled = make_side_ask(&m->home, make_end_sql, m->parameters, MAKE_PARAMETERS, NULL) ==
                 MAKE_DONE;
        *m->result = filled ? whole : *m->result;
        crash_point("make_after_end");
    }
    if (!filled && m->begun && !make_end_is_left(m)) {
        make_end_remove(m);
    }
}
