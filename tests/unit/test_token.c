/* LIBS: coordinator_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "coordinator/decide/token.h"

static struct fleet fleet_at(uint64_t base, uint64_t term)
{
    struct loaded loaded = { .term = term, .token_base = { .base = base } };
    struct fleet fleet = { 0 };

    token_load(&fleet, &loaded);
    return fleet;
}

static void note_fence(struct fleet *fleet, struct effects *effects, uint64_t fence)
{
    struct step step = { .fleet = fleet, .effects = effects };
    const struct set_version version = { "billing", "0.1.0", "r1", fence, "", 0 };
    const struct tenant_info tenant = { .name = "t", .versions = &version, .version_count = 1 };

    token_note_fences(&step, &tenant, 1);
}

static void with_one_store_the_token_is_its_revision(void **state)
{
    struct fleet fleet = fleet_at(0, 100);
    CLEANUP(effects_release) struct effects effects = { 0 };

    (void)state;
    note_fence(&fleet, &effects, 99);
    assert_int_equal(effects.count, 0);
    assert_int_equal(token_of_revision(&fleet, 101), 101);
}

static void a_store_that_was_made_anew_goes_on_above_the_fences(void **state)
{
    struct fleet fleet = fleet_at(0, 2);
    CLEANUP(effects_release) struct effects effects = { 0 };

    (void)state;
    note_fence(&fleet, &effects, 363);
    assert_int_equal(effects.count, 1);
    assert_int_equal(effects.items[0].record, RECORD_TOKEN_BASE);
    assert_true(token_of_revision(&fleet, 3) > 363);
    note_fence(&fleet, &effects, 363); /* known by now: no second write */
    assert_int_equal(effects.count, 1);
    struct fleet next = fleet_at(effects.items[0].token_base.base, 50);
    assert_true(token_of_revision(&next, 51) > token_of_revision(&fleet, 49));
}

static void a_fence_that_no_token_can_reach_is_left_alone(void **state)
{
    struct fleet fleet = fleet_at(0, 2);
    CLEANUP(effects_release) struct effects effects = { 0 };

    (void)state;
    note_fence(&fleet, &effects, UINT64_MAX);
    assert_int_equal(effects.count, 0);
    assert_int_equal(token_of_revision(&fleet, 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_one_store_the_token_is_its_revision),
        cmocka_unit_test(a_store_that_was_made_anew_goes_on_above_the_fences),
        cmocka_unit_test(a_fence_that_no_token_can_reach_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
