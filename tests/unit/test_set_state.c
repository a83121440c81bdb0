/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/model/set.h"
#include "common/model/set_state.h"

static void read_well(struct arena *arena, const char *text, struct set_state *ret_state)
{
    struct error err = { 0 };

    if (!set_state_parse("x.yaml", bytes_of_text(text), arena, ret_state, &err)) {
        fail_msg("%s", err.message);
    }
}

static void refuse(const char *text, const char *words)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_state read;
    struct error err = { 0 };

    assert_false(set_state_parse("x.yaml", bytes_of_text(text), &arena, &read, &err));
    if (strstr(err.message, words) == NULL) {
        fail_msg("expected '%s' in: %s", words, err.message);
    }
}

static void what_is_not_said_has_a_default(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_state read = { 0 };

    (void)state;
    read_well(&arena, "prefix: account-\nfold: fold_account\n", &read);
    assert_string_equal(read.prefix, "account-");
    assert_string_equal(read.to, "account-");
    assert_string_equal(read.kind, "");
    assert_string_equal(read.initial, "{}");
    assert_string_equal(read.events.table, "events");
    assert_string_equal(read.events.stream, "stream_id");
    assert_string_equal(read.events.sequence, "sequence");
    assert_string_equal(read.events.type, "type");
    assert_string_equal(read.events.payload, "payload");
    assert_string_equal(read.events.database, "");
    assert_string_equal(read.snapshots.table, "snapshots");
    assert_string_equal(read.snapshots.state, "state");
    assert_string_equal(read.registry.table, "");
    assert_null(read.program);
    assert_int_equal(read.workers, STATE_WORKERS_DEFAULT);
    assert_int_equal(read.page, STATE_PAGE_DEFAULT);
    assert_true(read.max_errors == UINT64_MAX);
    assert_false(read.rollback);
}

static void everything_can_be_said(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_state read = { 0 };

    (void)state;
    read_well(&arena,
              "prefix: '{tenant}.account-'\nto: account2-\nkind: Opened\nfold: app.fold\n"
              "migrate: app.v2\ninitial: '[]'\n"
              "events: {database: '{tenant}_events', table: es.events, stream: id, sequence: n,\n"
              "         type: t, payload: data}\n"
              "snapshots:\n  table: Snaps\n  state: body\n"
              "registry: {database: control, table: '{tenant}.streams', kind: category}\n"
              "workers: 2\npage: 7\nmax_errors: 0\nmax_events: 10\nmax_bytes: 100\n"
              "rollback: true\n",
              &read);
    assert_string_equal(read.prefix, "{tenant}.account-");
    assert_string_equal(read.to, "account2-");
    assert_string_equal(read.fold, "app.fold");
    assert_string_equal(read.migrate, "app.v2");
    assert_string_equal(read.events.database, "{tenant}_events");
    assert_string_equal(read.events.payload, "data");
    assert_string_equal(read.snapshots.table, "Snaps");
    assert_string_equal(read.snapshots.state, "body");
    assert_string_equal(read.registry.table, "{tenant}.streams");
    assert_string_equal(read.registry.kind, "category");
    assert_int_equal(read.workers, 2);
    assert_int_equal(read.page, 7);
    assert_true(read.max_errors == 0 && read.max_events == 10 && read.max_bytes == 100);
    assert_true(read.rollback);
}

static void a_program_can_fold(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct set_state read = { 0 };

    (void)state;
    read_well(&arena,
              "prefix: a-\nprogram: /usr/bin/fold\narguments: [--all, x]\n"
              "environment:\n  MODE: fast\ntimeout: 1m\n",
              &read);
    assert_string_equal(read.fold, "");
    assert_string_equal(read.program->program, "/usr/bin/fold");
    assert_int_equal(read.program->argument_count, 2);
    assert_string_equal(read.program->environment[0], "MODE=fast");
    assert_int_equal(read.program->timeout_ms, 60000);
    assert_false(read.is_object);
    read_well(&arena, "prefix: a-\nobject: fold.so\narguments: [x]\n", &read);
    assert_string_equal(read.program->program, "fold.so");
    assert_true(read.is_object);
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
#define HEAD "prefix: a-\nfold: f\n"
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        { "fold: f\n", "x.yaml:1: expected the key prefix" },
        { "prefix: ''\nfold: f\n", "x.yaml:1: key 'prefix', value '': expected a value" },
        { "prefix: a-\n",
          "x.yaml:1: expected one of the keys fold: FUNCTION, program: /PATH and object: NAME.so" },
        { HEAD "program: /bin/x\n", "expected one of the keys fold" },
        { "prefix: a-\nprogram: fold\n", "x.yaml:2: key 'program', value 'fold': expected the" },
        { "prefix: a-\nprogram: /bin/x\nmigrate: m\n", "expected no key migrate beside program" },
        { "prefix: a-\nprogram: /bin/x\ndry_run: true\n", "x.yaml:3: key 'dry_run'" },
        { HEAD "timeout: 5s\n", "expected one of the keys fold" },
        { HEAD "object: a.so\n", "expected one of the keys fold" },
        { "prefix: a-\nobject: /a.so\n",
          "x.yaml:2: key 'object', value '/a.so': expected the name" },
        { "prefix: a-\nobject: a.so\nprogram: /bin/x\n",
          "key 'program', value '/bin/x': unknown key" },
        { "prefix: a-\nobject: a.so\nenvironment: {A: b}\n", "key 'environment.A'" },
        { "prefix: a-\nobject: a.so\nmigrate: m\n", "no key migrate beside program or object" },
        { HEAD "to: a-b-\n", "x.yaml:3: expected that neither of prefix and to begins with" },
        { HEAD "to: a\n", "x.yaml:3: expected that neither" },
        { HEAD "to: b{x}\n", "x.yaml:3: key 'to', value 'b{x}': expected what the streams' ids" },
        { HEAD "rollback: true\n", "x.yaml:3: expected a key to beside rollback: true" },
        { HEAD "rollback: yes\n", "x.yaml:3: key 'rollback', value 'yes': expected true or false" },
        { HEAD "initial: '{'\n", "x.yaml:3: key 'initial', value '{': expected JSON" },
        { HEAD "events:\n  table: a.b.c\n", "x.yaml:4: key 'events.table', value 'a.b.c'" },
        { HEAD "events:\n  table: '\"a\"'\n", "expected TABLE or SCHEMA.TABLE without quotes" },
        { HEAD "events:\n  table: a.\n", "expected TABLE or SCHEMA.TABLE" },
        { HEAD "events:\n  stream: '{tenant}'\n", "expected a column's name" },
        { "prefix: a-\nfold: f(x)\n", "expected FUNCTION or SCHEMA.FUNCTION" },
        { HEAD "workers: 0\n", "value '0': expected a number from 1 to 16" },
        { HEAD "workers: 17\n", "expected a number from 1 to 16" },
        { HEAD "page: -1\n", "expected a number from 1 to 2000" },
        { HEAD "max_events: 99999999999999999999\n", "expected a number from 1 to" },
        { HEAD "max_bytes: 64MB\n", "expected a number from 1 to 67108864" },
        { HEAD "registry: {kind: k}\nkind: x\n", "expected the key registry.table" },
        { HEAD "registry: {table: r, kind: k}\n", "expected the key kind" },
        { HEAD "fold: g\n", "'fold' stands in line 2 already" },
        { HEAD "prefixes: b\n", "x.yaml:3: key 'prefixes', value 'b': expected another key" },
        { HEAD "to: [b, c]\n", "expected one value, not a list" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse(cases[i].text, cases[i].words);
    }
}

static bool parse_set(const char *yaml, const char *down_path, const char *down,
                      struct set *ret_set, struct error *err)
{
    const struct set_file files[] = { { "1.0.0__a.state.yaml", bytes_of_text(yaml) },
                                      { down_path, bytes_of_text(down) } };

    return set_parse(files, down_path == NULL ? 1 : 2, "x", ret_set, err);
}

static void a_set_holds_states_and_what_undoes_them(void **state)
{
    struct set set = { 0 };
    struct error err = { 0 };

    (void)state;
    assert_true(parse_set(HEAD "to: b-\nrollback: true\n", NULL, "", &set, &err));
    const struct operation *operation = &set.migrations[0].operations[0];
    assert_int_equal(operation->kind, OPERATION_STATE);
    assert_string_equal(operation->state->to, "b-");
    assert_int_equal(operation->down_kind, OPERATION_STATE);
    assert_true(operation_has_rollback(operation));
    assert_false(operation_is_transactional(operation, false));
    set_release(&set);

    assert_true(parse_set(HEAD, "1.0.0__a.down.sql", "DELETE FROM snapshots;", &set, &err));
    assert_int_equal(set.migrations[0].operations[0].down_kind, OPERATION_SQL);
    set_release(&set);

    assert_false(parse_set(HEAD, "1.0.0__a.down.state.yaml", HEAD, &set, &err));
    assert_non_null(strstr(err.message, "'1.0.0__a.down.state.yaml': streams are not folded back"));
    assert_false(
        parse_set(HEAD "to: b-\nrollback: true\n", "1.0.0__a.down.sql", "SELECT 1;", &set, &err));
    assert_non_null(strstr(err.message, "says rollback: true already"));
    assert_false(parse_set(HEAD "workers: 99\n", NULL, "", &set, &err));
    assert_non_null(strstr(err.message, "1.0.0__a.state.yaml:3: key 'workers', value '99'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(everything_can_be_said),
        cmocka_unit_test(a_program_can_fold),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
        cmocka_unit_test(a_set_holds_states_and_what_undoes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
