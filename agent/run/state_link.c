#include "agent/run/state_link.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "agent/run/task_text.h"

#define STATE_LINK_APPLICATION "skein-agent state"

/* What is written elsewhere has to be durable before the tenant's journal says so. */
static const char state_link_sql[] =
    "SELECT set_config('search_path', coalesce($1, current_setting('search_path')), false),"
    " set_config('lock_timeout', $2, false), set_config('statement_timeout', $3, false),"
    " set_config('default_transaction_read_only', $4, false),"
    " set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'),"
    " 'off'), 'local'), false),"
    " set_config('standard_conforming_strings', 'on', false),"
    " set_config('client_min_messages', 'warning', false)";

void state_link_release(struct state_link *link)
{
    pg_batch_free(&link->batch);
    pg_conn_free(&link->conn);
}

static bool state_link_is_allowed(const struct executor_options *options, const char *database)
{
    for (size_t i = 0; i < options->control_database_count; i++) {
        if (strcmp(options->control_databases[i], database) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < options->state_database_count; i++) {
        if (fnmatch(options->state_databases[i], database, FNM_PERIOD) == 0) {
            return true;
        }
    }
    return false;
}

bool state_link_check(const struct runner_call *call, const char *database,
                      struct runner_report *report)
{
    if (database[0] == '\0' || state_link_is_allowed(call->options, database)) {
        return true;
    }
    return runner_fail(call, report, TASK_CODE_RUNNER,
                       "the agent of shard '%s' may not work in the database '%s': no "
                       "state-database of its configuration matches that name, and it is no "
                       "control-database",
                       call->options->shard, database);
}

static bool state_link_refuse(const struct runner_call *call, const char *database,
                              const struct error *err, struct runner_report *report)
{
    bool again =
        err->code == ERR_UNAVAILABLE || err->code == ERR_UNCERTAIN || err->code == ERR_LIMIT;

    return runner_fail(call, report, again ? TASK_CODE_DATABASE_LOST : TASK_CODE_RUNNER,
                       "the database '%s' was not to be had: %s", database, err->message);
}

bool state_link_open(const struct runner_call *call, const char *database, bool reads,
                     struct state_link *ret_link, struct runner_report *report)
{
    CLEANUP(state_link_release) struct state_link link = { 0 };
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    const struct operation_settings *own = &call->operation->operation->settings;
    bool schema_mode = !call->options->database_mode;
    const char *tenant = call->task->tenant;
    const char *named = database[0] != '\0' ? database : tenant;
    struct error err = { 0 };
    uint64_t lock_ms =
        own->lock_timeout_ms != 0 ? own->lock_timeout_ms : call->task->lock_timeout_ms;
    uint64_t statement_ms = own->statement_timeout_ms != 0
                                ? own->statement_timeout_ms
                                : executor_task_statement_ms(call->task, call->options);
    const char *schema = schema_mode ? task_text_identifier(call->arena, tenant) : NULL;
    const char *parameters[] = {
        schema_mode && database[0] != '\0' ? arena_printf(call->arena, "%s, public", schema)
                                           : schema,
        arena_printf(call->arena, "%" PRIu64 "ms", lock_ms),
        arena_printf(call->arena, "%" PRIu64 "ms", statement_ms),
        reads ? "on" : "off",
    };

    if (!state_link_check(call, database, report)) {
        return false;
    }
    if (!pg_conn_open(call->options->conninfo,
                      database[0] != '\0' ? database
                      : schema_mode       ? ""
                                          : tenant,
                      STATE_LINK_APPLICATION, &link.conn, &err) ||
        !pg_query(link.conn, state_link_sql, parameters, COUNT_OF(parameters), &rows, NULL, &err)) {
        return state_link_refuse(call, named, &err, report);
    }
    pg_conn_set_patience(link.conn, 0); /* its statements may take any time, as the walk's may */
    link.batch = pg_batch_new(link.conn);
    link.database = arena_strdup(call->arena, named);
    *ret_link = TAKE(link);
    return true;
}

struct pg_conn *state_link_conn(const struct state_link *link, const struct runner_call *call)
{
    return link->conn != NULL ? link->conn : call->conn;
}

struct pg_batch *state_link_batch(const struct state_link *link, const struct runner_call *call)
{
    return link->batch != NULL ? link->batch : call->batch;
}

bool state_link_fail(const struct runner_call *call, const struct state_link *link,
                     const struct pg_error *error, struct runner_report *report)
{
    if (link->conn != NULL && pg_conn_is_lost(link->conn)) {
        return runner_fail(call, report, TASK_CODE_DATABASE_LOST,
                           "the connection to the database '%s' is lost: %s", link->database,
                           error->message);
    }
    return runner_fail_pg(call, error, report);
}

bool state_link_is_own(const struct pg_error *error)
{
    static const char *const classes[] = { "21", "22", "23", "2F", "38",
                                           "39", "44", "54", "P0", "25" };

    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (strncmp(error->sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}
