#include "agent/run/make_dump.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/process.h"
#include "agent/run/task_answer.h"
#include "agent/run/task_text.h"
#include "common/core/clock.h"
#include "common/core/buf.h"
#include "common/core/limits.h"
#include "common/pg/pg_conninfo.h"

enum { DUMP_ENVIRONMENT = 5, DUMP_DSN_BYTES_MAX = 16 << 10, DUMP_MARK_AREA = 4096 };

static bool make_dump_may_go_on(void *context, uint64_t *ret_until_ms)
{
    const struct make_side *side = context;
    const struct task_context *task = side->context;

    *ret_until_ms = executor_queue_lease(task->queue);
    return !executor_queue_is_cancelled(task->queue, task->worker) &&
           clock_monotonic_ms() < *ret_until_ms;
}

/* pg_dump frames its work with two of psql's own commands, which are none of the server's:
 * they become comments. */
static void make_dump_mask(struct buf *sql)
{
    static const char *const marks[] = { "\n\\restrict ", "\n\\unrestrict " };
    char *text = sql->data;

    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t from = i == 0 || sql->size < DUMP_MARK_AREA ? 0 : sql->size - DUMP_MARK_AREA;
        size_t area = sql->size - from < DUMP_MARK_AREA ? sql->size - from : DUMP_MARK_AREA;
        char *mark = memmem(text + from, area, marks[i], strlen(marks[i]));

        if (mark != NULL) {
            memcpy(mark + 1, "--", 2);
        }
    }
}

static void make_dump_refuse(struct make_side *side, const struct process_end *end,
                             struct process_output *output, const char *secret)
{
    struct arena *arena = &side->task->arena;
    const char *text = process_output_text(output, secret, arena);
    const char *last = text == NULL ? "" : process_output_last_line(text, arena);

    switch (end->ending) {
    case PROCESS_ENDED:
        make_side_fail(side, TASK_CODE_RUNNER,
                       arena_printf(arena, "pg_dump ended with %s %d: %s",
                                    end->signal == 0 ? "status" : "signal",
                                    end->signal == 0 ? end->status : end->signal, last));
        return;
    case PROCESS_STOPPED:
        make_side_fail(side, TASK_CODE_CANCELLED, "cancelled while the reference was copied");
        return;
    case PROCESS_TIMED_OUT:
        make_side_fail(side, TASK_CODE_RUNNER, "pg_dump did not end in time");
        return;
    case PROCESS_NOT_STARTED:
    case PROCESS_LOST:
        break;
    }
    make_side_fail(side, TASK_CODE_RUNNER, arena_printf(arena, "pg_dump: %s", end->words));
}

/* In quotes it is no pattern. */
static const char *make_dump_schema(struct arena *arena, const char *schema)
{
    return arena_printf(arena, "--schema=%s", task_text_identifier(arena, schema));
}

static bool make_dump_to(struct make_side *side, const struct pg_conn *conn, const char *schema,
                         const char *other, const char *path)
{
    CLEANUP(buf_release) struct buf dsn = { .size_max = DUMP_DSN_BYTES_MAX };
    CLEANUP(process_output_release) struct process_output output = { 0 };
    const struct executor_options *options = side->context->options;
    struct arena *arena = &side->task->arena;
    const char *password = pg_conninfo_password(conn);
    struct error err = { 0 };
    struct process_end end;

    pg_conninfo_describe(conn, "skein-agent pg_dump", NULL, 0, &dsn);
    if (!buf_check(&dsn, &err)) {
        make_side_fail(side, TASK_CODE_RUNNER, err.message);
        return false;
    }
    const char *words[] = {
        options->pg_dump,
        "--schema-only",
        "--no-subscriptions",
        arena_printf(arena, "--lock-wait-timeout=%" PRIu64, side->task->lock_timeout_ms),
        arena_printf(arena, "--dbname=%s", buf_text(&dsn)),
        arena_printf(arena, "--file=%s", path),
        schema[0] == '\0' ? "--exclude-schema=skein" : make_dump_schema(arena, schema),
        other == NULL ? NULL : make_dump_schema(arena, other),
        NULL,
    };
    const char *environment[DUMP_ENVIRONMENT] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
    };
    if (password[0] != '\0') {
        environment[2] = arena_printf(arena, "PGPASSWORD=%s", password);
    }
    process_run(&(struct process_order){ .helper = options->helper,
                                         .words = words,
                                         .environment = environment,
                                         .timeout_ms = COPY_DUMP_MAX_MS,
                                         .may_go_on = make_dump_may_go_on,
                                         .context = side },
                &output, &end);
    if (end.ending == PROCESS_ENDED && end.status == 0 && end.signal == 0) {
        return true;
    }
    make_dump_refuse(side, &end, &output, password);
    return false;
}

bool make_dump_read(struct make_side *side, const struct pg_conn *conn, const char *schema,
                    const char *other, struct buf *ret_sql)
{
    const char *folder = getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR");
    char *path = arena_printf(&side->task->arena, "%s/skein-copy-XXXXXX", folder);
    struct error err = { 0 };
    int file = mkostemp(path, O_CLOEXEC);

    if (file < 0) {
        make_side_fail(side, TASK_CODE_RUNNER, "no file can be made for the copy of the reference");
        return false;
    }
    (void)close(file);
    bool dumped = make_dump_to(side, conn, schema, other, path);
    bool got = dumped && file_read(path, ret_sql, &err);
    (void)unlink(path);
    if (dumped && !got) {
        make_side_fail(side, TASK_CODE_RUNNER, err.message);
    }
    if (got) {
        make_dump_mask(ret_sql);
    }
    return got;
}
