#include "common/trace/trace_set.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/trace/trace_compare.h"

enum { TRACE_WORDS_BYTES_MAX = 4096 };

/* The set while it is run. */
struct trace_walk {
    struct lint_run *run;
    struct pg_conn *conn;
    struct trace_probe *probe;
    struct trace *trace;
    trace_go_on *go_on;
    const char *path; /* of the script that is run */
    size_t at;        /* its statement in the report */
    bool stopped;     /* a statement failed: what follows would stand on nothing */
};

void trace_release(struct trace *trace)
{
    free(trace->measures);
    arena_release(&trace->arena);
    *trace = (struct trace){ 0 };
}

static void trace_set_tell(struct trace_walk *walk, enum lint_rule rule, const char *words)
{
    const struct lint_statement *statement = &walk->run->report->statements[walk->at];

    lint_run_add_at(walk->run, rule, statement, words);
}

static void trace_set_compare(struct trace_walk *walk, const struct trace_measure *measure)
{
    CLEANUP(buf_release) struct buf words = { .size_max = TRACE_WORDS_BYTES_MAX };

    trace_compare(walk->run->report, walk->at, measure, &words);
    if (words.size > 0) {
        trace_set_tell(walk, LINT_TRACE, buf_text(&words));
    }
}

static bool trace_set_statement(struct trace_walk *walk, const struct sql_statement *statement,
                                bool transactional, struct error *err)
{
    struct trace_measure *measure = arena_alloc(&walk->trace->arena, sizeof(*measure));
    struct pg_error words = { 0 };

    if (!walk->go_on()) {
        return error_set(err, ERR_CONFLICT, "stopped");
    }
    if (!transactional && !trace_probe_begin(walk->probe, err)) {
        return false;
    }
    if (trace_probe_run(walk->probe, statement->text, transactional, measure, &words, err)) {
        walk->trace->measures[walk->at] = measure;
        trace_set_compare(walk, measure);
        return true;
    }
    if (pg_conn_is_lost(walk->conn)) {
        return false;
    }
    trace_set_tell(
        walk, LINT_TRACE_FAILED,
        arena_printf(&walk->trace->arena, "%s (SQLSTATE %s)", words.message, words.sqlstate));
    walk->stopped = true;
    return true;
}

/* Lint's own words about that statement of the script; it reads some scripts in another order. */
static bool trace_set_seek(struct trace_walk *walk, uint32_t number)
{
    const struct lint_report *report = walk->run->report;

    for (size_t i = 0; i < report->statement_count; i++) {
        size_t at = (walk->at + i) % report->statement_count;
        if (report->statements[at].number == number &&
            strcmp(report->statements[at].file, walk->path) == 0) {
            walk->at = at;
            return true;
        }
    }
    walk->stopped = true; /* lint could not read it, and has said so */
    return false;
}

static bool trace_set_statements(struct trace_walk *walk, const struct sql_script *script,
                                 bool transactional, struct error *err)
{
    for (size_t i = 0; i < script->count && !walk->stopped; i++) {
        if (!trace_set_seek(walk, script->statements[i].number) ||
            !trace_set_statement(walk, &script->statements[i], transactional, err)) {
            return walk->stopped;
        }
    }
    return true;
}

/* A constraint that was deferred may fail only now. */
static bool trace_set_end(struct trace_walk *walk, struct error *err)
{
    struct pg_error words = { 0 };

    if (pg_script(walk->conn, walk->stopped ? "ROLLBACK" : "COMMIT", &words, err)) {
        return true;
    }
    if (pg_conn_is_lost(walk->conn) || walk->run->report->statement_count == 0) {
        return false;
    }
    trace_set_tell(walk, LINT_TRACE_FAILED,
                   arena_printf(&walk->trace->arena, "the commit failed: %s (SQLSTATE %s)",
                                words.message, words.sqlstate));
    walk->stopped = true;
    return pg_script(walk->conn, "ROLLBACK", NULL, err);
}

static bool trace_set_script(struct trace_walk *walk, const char *path, struct bytes content,
                             bool transactional, struct error *err)
{
    CLEANUP(sql_script_release) struct sql_script script = { 0 };
    struct sql_problem problem = { 0 };

    walk->path = path;
    if (!sql_script_parse(walk->run->parser, content, &script, &problem)) {
        walk->stopped = true; /* lint has said so */
        return true;
    }
    if (!transactional) {
        return trace_set_statements(walk, &script, false, err);
    }
    return pg_script(walk->conn, "BEGIN", NULL, err) && trace_probe_begin(walk->probe, err) &&
           trace_set_statements(walk, &script, true, err) && trace_set_end(walk, err);
}

static bool trace_set_up(struct trace_walk *walk, const struct migration *migration,
                         struct error *err)
{
    bool done = trace_probe_start(walk->probe, err);

    for (size_t o = 0; o < migration->operation_count && done && !walk->stopped; o++) {
        const struct operation *operation = &migration->operations[o];
        if (operation->kind == OPERATION_SQL && !operation->settings.control_scope) {
            done = trace_set_script(walk, operation->path, operation->content,
                                    operation->settings.transaction, err);
        } /* a batch would find no rows to go over */
    }
    return done;
}

static bool trace_set_down(struct trace_walk *walk, const struct migration *migration,
                           struct error *err)
{
    bool done = trace_probe_start(walk->probe, err);

    for (size_t o = migration->operation_count; o > 0 && done && !walk->stopped; o--) {
        const struct operation *operation = &migration->operations[o - 1];
        if (operation->settings.control_scope ||
            (operation->down_path != NULL && operation->down_kind == OPERATION_BATCH)) {
            continue; /* works elsewhere, or on rows */
        }
        if (operation->down_path == NULL || operation->down_kind != OPERATION_SQL) {
            walk->stopped = true; /* older rollbacks expect that this one was taken back */
        } else {
            done = trace_set_script(walk, operation->down_path, operation->down_content,
                                    operation->down_settings.transaction, err);
        }
    }
    return done;
}

bool trace_set(struct lint_run *run, const struct set *set, struct pg_conn *conn,
               trace_go_on *go_on, struct trace *ret_trace, struct error *err)
{
    struct trace_walk walk = { .run = run, .conn = conn, .trace = ret_trace, .go_on = go_on };
    bool done = true;

    ret_trace->count = run->report->statement_count;
    ret_trace->measures = memory_alloc_array(ret_trace->count + 1, sizeof(*ret_trace->measures));
    walk.probe = trace_probe_new(conn, run->catalog.home == NULL ? "" : run->catalog.home,
                                 &ret_trace->arena);
    for (size_t m = 0; m < set->migration_count && done && !walk.stopped; m++) {
        done = trace_set_up(&walk, &set->migrations[m], err);
    }
    for (size_t m = 0; m < set->repeatable_count && done && !walk.stopped; m++) {
        done = trace_set_up(&walk, &set->repeatables[m], err);
    }
    run->down = true;
    for (size_t m = set->migration_count; m > 0 && done && !walk.stopped; m--) {
        done = trace_set_down(&walk, &set->migrations[m - 1], err);
    }
    run->down = false;
    trace_probe_free(&walk.probe);
    return done;
}
