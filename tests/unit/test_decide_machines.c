/* LIBS: coordinator_decide */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/decide/leader.h"
#include "coordinator/decide/machines.h"

enum { README_BYTES_MAX = 1 << 20 };

static void every_machine_is_sound(void **state)
{
    struct error err = { 0 };

    (void)state;
    if (!fleet_check_machines(&err)) {
        fail_msg("%s", err.message);
    }
}

static void the_readme_shows_the_machines_as_they_are(void **state)
{
    CLEANUP(buf_release) struct buf readme = { .size_max = README_BYTES_MAX };
    struct error err = { 0 };
    size_t count;
    const struct fsm *const *machines = fleet_machines(&count);

    (void)state;
    if (!file_read(SKEIN_SOURCE_DIR "/coordinator/decide/README.md", &readme, &err)) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf diagram = { .size_max = README_BYTES_MAX };
        fsm_print_mermaid(machines[i], &diagram);
        if (strstr(buf_text(&readme), buf_text(&diagram)) == NULL) {
            fail_msg("README.md differs from `skein-coordinator fsm %s`:\n%s", machines[i]->noun,
                     buf_text(&diagram));
        }
    }
}

static void a_coordinator_leads_only_when_it_has_won_and_loaded(void **state)
{
    (void)state;
    assert_int_equal(leader_step(LEADER_CAMPAIGNING, LEADER_EVENT_WON), LEADER_LOADING);
    assert_int_equal(leader_step(LEADER_LOADING, LEADER_EVENT_LOADED), LEADER_LEADING);
    assert_int_equal(leader_step(LEADER_LOADING, LEADER_EVENT_LOST), LEADER_CAMPAIGNING);
    assert_int_equal(leader_step(LEADER_FOLLOWER, LEADER_EVENT_LOADED), LEADER_FOLLOWER);
    assert_int_equal(leader_step(LEADER_CAMPAIGNING, LEADER_EVENT_BEATEN), LEADER_FOLLOWER);
    assert_int_equal(leader_step(LEADER_FOLLOWER, LEADER_EVENT_FREE), LEADER_CAMPAIGNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_machine_is_sound),
        cmocka_unit_test(the_readme_shows_the_machines_as_they_are),
        cmocka_unit_test(a_coordinator_leads_only_when_it_has_won_and_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
