#include "agent/run/runner.h"

#include <stdarg.h>
#include <string.h>

#include "agent/run/accident.h"
#include "common/core/error.h"

static const char *runner_sentence(const struct runner_call *call, const char *format,
                                   va_list arguments) __attribute__((format(printf, 2, 0)));

static const char *runner_sentence(const struct runner_call *call, const char *format,
                                   va_list arguments)
{
    struct error sentence = { 0 };

    (void)error_set_v(&sentence, ERR_INTERNAL, format, arguments);
    return arena_strdup(call->arena, sentence.message);
}

bool runner_fail(const struct runner_call *call, struct runner_report *report, enum task_code code,
                 const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    report->problem =
        (struct runner_problem){ .code = code,
                                 .message = runner_sentence(call, format, arguments) };
    va_end(arguments);
    return false;
}

void runner_warn(const struct runner_call *call, struct runner_report *report, enum task_code code,
                 const char *format, ...)
{
    va_list arguments;

    if (report->warning_count == WARNINGS_PER_TRY_MAX) {
        return;
    }
    va_start(arguments, format);
    report->warnings[report->warning_count++] =
        (struct runner_problem){ .code = code,
                                 .message = runner_sentence(call, format, arguments) };
    va_end(arguments);
}

bool runner_fail_pg(const struct runner_call *call, const struct pg_error *error,
                    struct runner_report *report)
{
    struct arena *arena = call->arena;
    enum task_code code = TASK_CODE_SQL;

    report->interrupted = pg_conn_is_lost(call->conn) || accident_is(error);
    if (strcmp(error->sqlstate, "55P03") == 0) {
        code = TASK_CODE_LOCK_TIMEOUT;
    } else if (strcmp(error->sqlstate, "57014") == 0 &&
               call->why(call->context) != TASK_CODE_NONE) {
        code = call->why(call->context);
    } else if (strcmp(error->sqlstate, "SK002") == 0) {
        code = TASK_CODE_FENCED;
    }
    report->problem = (struct runner_problem){ .code = code,
                                               .sqlstate = arena_strdup(arena, error->sqlstate),
                                               .message = arena_strdup(arena, error->message),
                                               .detail = arena_strdup(arena, error->detail),
                                               .hint = arena_strdup(arena, error->hint) };
    return false;
}
