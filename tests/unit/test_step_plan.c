/* LIBS: agent_run */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/run/step_plan.h"
#include "agent/run/unwind_plan.h"
#include "common/core/memory.h"

#define LOOSE "-- skein:transaction none\n"

struct file {
    const char *path;
    const char *text;
};

static const struct file files[] = {
    { "skein.yaml", "name: billing\n" },
    { "1.0.0__one.sql", "SELECT 1;" },
    { "1.0.0__one.down.sql", "SELECT 1;" },
    { "2.0.0__two/10_a.sql", "SELECT 1;" },
    { "2.0.0__two/10_a.down.sql", "SELECT 1;" },
    { "2.0.0__two/20_b.sql", LOOSE "VACUUM;" },
    { "2.0.0__two/20_b.down.sql", LOOSE "VACUUM;" },
    { "2.0.0__two/30_c.sql", "SELECT 1;" },
    { "2.0.0__two/30_c.down.sql", "SELECT 1;" },
    { "3.0.0__three.sql", "SELECT 1;" },
    { "3.0.0__three.down.sql", "SELECT 1;" },
    { "4.0.0__four.sql", "SELECT 1;" },
    { "4.0.0__four.down.sql", LOOSE "VACUUM;" },
};

struct world {
    struct sql_parser *parser;
    struct prepared_set *set;
    struct arena arena;
};

static int set_up(void **state)
{
    static struct set_file set_files[COUNT_OF(files)];
    CLEANUP(set_release) struct set model = { 0 };
    struct world *world = memory_alloc(sizeof(*world));
    struct error err = { 0 };

    *world = (struct world){ .parser = sql_parser_new() };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        set_files[i] = (struct set_file){ files[i].path, bytes_of_text(files[i].text) };
    }
    if (!set_parse(set_files, COUNT_OF(files), "billing", &model, &err) ||
        !prepared_set_new(world->parser, "billing", model.digest, set_files, COUNT_OF(files),
                          &world->set, &err)) {
        fail_msg("%s", err.message);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    prepared_set_unref(&world->set);
    sql_parser_free(&world->parser);
    arena_release(&world->arena);
    memory_free(&world);
    return 0;
}

static struct plan plan_of(const struct world *world, const char *from, const char *target)
{
    const struct plan_start start = { .from = from, .baseline = "" };
    struct plan plan;

    plan_make(prepared_set_model(world->set), &start, target, &plan);
    assert_int_equal(plan.code, TASK_CODE_NONE);
    return plan;
}

/* ---- up ---- */

/* "T(...)" a transaction, "R(...)" a runner's step; `!` behind what completes a migration. */
static const char *steps_of(struct world *world, const char *from, const char *target,
                            const struct step_known *known, size_t known_count)
{
    const struct plan plan = plan_of(world, from, target);
    const struct step_start start = {
        .known = known, .known_count = known_count, .rollout = "r1", .target = target
    };
    struct step_plan steps;
    const char *said = "";

    step_plan_make(&world->arena, world->set, &plan, &start, &steps);
    for (size_t i = 0; i < steps.step_count; i++) {
        const struct step *step = &steps.steps[i];

        said =
            arena_printf(&world->arena, "%s%s(", said, step->kind == STEP_TRANSACTION ? "T" : "R");
        for (size_t o = step->first; o < step->first + step->count; o++) {
            said = arena_printf(&world->arena, "%s%s%s%s", said, o > step->first ? " " : "",
                                steps.operations[o].prepared->operation->stem,
                                steps.operations[o].last ? "!" : "");
        }
        said = arena_printf(&world->arena, "%s)", said);
    }
    return said;
}

static void what_needs_a_runner_parts_the_transactions(void **state)
{
    struct world *world = *state;

    assert_string_equal(steps_of(world, "", "4.0.0", NULL, 0),
                        "T(1.0.0__one! 10_a)R(20_b)T(30_c!)T(3.0.0__three! 4.0.0__four!)");
    assert_string_equal(steps_of(world, "2.0.0", "4.0.0", NULL, 0),
                        "T(3.0.0__three! 4.0.0__four!)");
}

static void only_plain_sql_is_simple(void **state)
{
    struct world *world = *state;
    struct plan plan = plan_of(world, "2.0.0", "4.0.0");

    assert_true(step_plan_is_simple(world->set, &plan));
    assert_false(step_plan_goes_back(world->set, &plan));
    plan = plan_of(world, "2.0.0", "3.0.0");
    assert_true(step_plan_goes_back(world->set, &plan));
    plan = plan_of(world, "1.0.0", "2.0.0");
    assert_false(step_plan_is_simple(world->set, &plan));
}

/* What is done is left out, and what is half done does not share a transaction with the next. */
static void a_half_done_migration_goes_on(void **state)
{
    struct world *world = *state;
    const struct step_known known[] = {
        { .script = "2.0.0__two", .operation = "10_a", .done = true, .rollout = "r0" },
        { .script = "2.0.0__two", .operation = "20_b", .position = "{}", .rollout = "r0" },
    };

    assert_string_equal(steps_of(world, "1.0.0", "3.0.0", known, 1),
                        "R(20_b)T(30_c!)T(3.0.0__three!)");
    assert_string_equal(steps_of(world, "1.0.0", "3.0.0", known, 2),
                        "R(20_b)T(30_c!)T(3.0.0__three!)");
    assert_ptr_equal(step_plan_find(known, 2, "2.0.0__two", "20_b"), &known[1]);
    assert_null(step_plan_find(known, 2, "2.0.0__two", "30_c"));
}

/* ---- down ---- */

/* As above; `<to` behind what makes a complete migration a half done one, `-` before what has
 * nothing to undo. */
static const char *unwind_of(struct world *world, const struct unwind_start *start,
                             bool *ret_simple)
{
    struct unwind_plan plan;
    const char *said = "";

    unwind_plan_make(&world->arena, world->set, start, &plan);
    for (size_t i = 0; i < plan.step_count; i++) {
        const struct step *step = &plan.steps[i];

        said =
            arena_printf(&world->arena, "%s%s(", said, step->kind == STEP_TRANSACTION ? "T" : "R");
        for (size_t o = step->first; o < step->first + step->count; o++) {
            const struct unwind_operation *operation = &plan.operations[o];

            said = arena_printf(&world->arena, "%s%s%s%s%s%s", said, o > step->first ? " " : "",
                                operation->nothing ? "-" : "", operation->prepared->operation->stem,
                                operation->opens ? "<" : "", operation->opens ? operation->to : "");
        }
        said = arena_printf(&world->arena, "%s)", said);
    }
    if (ret_simple != NULL) {
        *ret_simple = unwind_plan_is_simple(start, &plan);
    }
    return said;
}

static void the_newest_is_undone_first(void **state)
{
    struct world *world = *state;
    static const size_t all[] = { 3, 2, 1, 0 };
    struct unwind_start start = {
        .version = "4.5.0", .target = "", .migrations = all, .count = COUNT_OF(all)
    };
    bool simple = true;

    assert_string_equal(
        unwind_of(world, &start, &simple),
        "R(4.0.0__four<3.0.0)T(3.0.0__three<2.0.0 30_c<1.0.0)R(20_b)T(10_a 1.0.0__one<)");
    assert_false(simple);
    start.migrations = &all[1];
    start.count = 1;
    start.version = "3.0.0";
    start.target = "2.1.0"; /* where it was before, though no script carries it */
    assert_string_equal(unwind_of(world, &start, &simple), "T(3.0.0__three<2.1.0)");
    assert_true(simple);
    start.count = 0;
    assert_string_equal(unwind_of(world, &start, &simple), "");
    assert_true(simple);
}

static void what_is_undone_already_is_left_out(void **state)
{
    struct world *world = *state;
    static const size_t both[] = { 1, 0 };
    const struct step_known known[] = {
        { .script = "2.0.0__two", .operation = "before_tenant", .done = true, .position = "" },
        { .script = "2.0.0__two", .operation = "10_a", .done = true, .position = "" },
        { .script = "2.0.0__two", .operation = "20_b", .down = true, .position = "" },
    };
    struct unwind_start start = { .version = "1.0.0",
                                  .target = "",
                                  .migrations = both,
                                  .count = 2,
                                  .known = known,
                                  .known_count = 3 };

    assert_string_equal(unwind_of(world, &start, NULL), "R(20_b)T(10_a 1.0.0__one<)");
    /* A hook's row says nothing about its migration. */
    start.known_count = 1;
    start.version = "2.0.0";
    assert_string_equal(unwind_of(world, &start, NULL), "T(30_c<1.0.0)R(20_b)T(10_a 1.0.0__one<)");
}

static void what_was_never_complete_goes_first(void **state)
{
    struct world *world = *state;
    static const size_t one[] = { 0 };
    const struct step_known known[] = {
        { .script = "2.0.0__two", .operation = "10_a", .done = true, .position = "" },
        { .script = "2.0.0__two",
          .operation = "20_b",
          .position = "{\"done\": 0, \"under_way\": false}" },
    };
    struct unwind_start start = { .version = "1.0.0",
                                  .target = "0.9.0",
                                  .migrations = one,
                                  .count = 1,
                                  .has_half = true,
                                  .half = 1,
                                  .known = known,
                                  .known_count = 2 };
    bool simple = true;

    assert_string_equal(unwind_of(world, &start, &simple), "T(-20_b 10_a 1.0.0__one<0.9.0)");
    assert_false(simple);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_needs_a_runner_parts_the_transactions),
        TEST(only_plain_sql_is_simple),
        TEST(a_half_done_migration_goes_on),
        TEST(the_newest_is_undone_first),
        TEST(what_is_undone_already_is_left_out),
        TEST(what_was_never_complete_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
