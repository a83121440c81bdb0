/* LIBS: skein_model */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/model/plan.h"

static const char *const script_names[] = {
    "0.1.0__a.sql", "0.2.0-alpha.0__b.sql", "0.2.0-alpha.2__c.sql", "0.2.0__d.sql", "0.4.0__e.sql",
};

/* The first `script_count` releases, or all scripts where prereleases are allowed. */
static void make_set(bool prereleases, const char *latest, const char *min_version,
                     struct set *ret_set)
{
    struct set_file files[COUNT_OF(script_names) + 1];
    size_t count = 0;
    char yaml[256];
    struct error err = { 0 };

    snprintf(yaml, sizeof(yaml), "name: billing\nprereleases: %s\n%s%s\n%s%s\n",
             prereleases ? "true" : "false", latest[0] == '\0' ? "#" : "latest: ", latest,
             min_version[0] == '\0' ? "#" : "min_version: ", min_version);
    files[count++] = (struct set_file){ "skein.yaml", bytes_of_text(yaml) };
    for (size_t i = 0; i < COUNT_OF(script_names); i++) {
        if (prereleases || strstr(script_names[i], "alpha") == NULL) {
            files[count++] = (struct set_file){ script_names[i], bytes_of_text("SELECT 1") };
        }
    }
    if (!set_parse(files, count, "x", ret_set, &err)) {
        fail_msg("%s", err.message);
    }
}

struct row {
    const char *what;
    bool prereleases;
    const char *latest;
    const char *min_version;
    const char *from;
    bool has_objects;
    const char *to;
    enum task_code code;
    const char *scripts; /* of the plan, joined by a blank */
};

static const struct row rows[] = {
    { "an empty tenant starts below everything", false, "", "", "", false, "0.4.0", TASK_CODE_NONE,
      "0.1.0__a 0.2.0__d 0.4.0__e" },
    { "an empty tenant may stop between two scripts", false, "", "", "", false, "0.3.0",
      TASK_CODE_NONE, "0.1.0__a 0.2.0__d" },
    { "an empty tenant may stop below the first script", false, "", "", "", false, "0.0.1",
      TASK_CODE_NONE, "" },
    { "an empty tenant does not care about the minimum", false, "", "0.2.0", "", false, "0.4.0",
      TASK_CODE_NONE, "0.1.0__a 0.2.0__d 0.4.0__e" },
    { "a tenant with objects and no version is unmanaged", false, "", "", "", true, "0.4.0",
      TASK_CODE_UNMANAGED, "" },
    { "start between two scripts", false, "", "", "0.1.5", true, "0.4.0", TASK_CODE_NONE,
      "0.2.0__d 0.4.0__e" },
    { "start at a script", false, "", "", "0.2.0", true, "0.4.0", TASK_CODE_NONE, "0.4.0__e" },
    { "start below the first script", false, "", "", "0.0.1", true, "0.1.0", TASK_CODE_NONE,
      "0.1.0__a" },
    { "after the last script the version moves alone", false, "0.5.0", "", "0.4.0", true, "0.5.0",
      TASK_CODE_NONE, "" },
    { "at the target there is nothing to do", false, "", "", "0.4.0", true, "0.4.0",
      TASK_CODE_UP_TO_DATE, "" },
    { "build metadata makes no other version", false, "", "", "0.4.0+b1", true, "0.4.0",
      TASK_CODE_UP_TO_DATE, "" },
    { "start above the latest", false, "", "", "0.4.1", true, "0.4.0", TASK_CODE_FUTURE_VERSION,
      "" },
    { "start above the target", false, "", "", "0.2.0", true, "0.1.0", TASK_CODE_FUTURE_VERSION,
      "" },
    { "start below the minimum", false, "", "0.2.0", "0.1.0", true, "0.4.0",
      TASK_CODE_VERSION_TOO_OLD, "" },
    { "start at the minimum", false, "", "0.2.0", "0.2.0", true, "0.4.0", TASK_CODE_NONE,
      "0.4.0__e" },
    { "start at a prerelease without permission", false, "", "", "0.2.0-alpha.1", true, "0.4.0",
      TASK_CODE_PRERELEASE, "" },
    { "start at a prerelease with permission", true, "", "", "0.2.0-alpha.1", true, "0.2.0",
      TASK_CODE_NONE, "0.2.0-alpha.2__c 0.2.0__d" },
    { "go to a prerelease with permission", true, "", "", "0.1.0", true, "0.2.0-alpha.1",
      TASK_CODE_NONE, "0.2.0-alpha.0__b" },
    { "a release is above its prereleases", true, "", "", "0.2.0-alpha.2", true, "0.2.0",
      TASK_CODE_NONE, "0.2.0__d" },
    { "a journal with something else in it", false, "", "", "five", true, "0.4.0",
      TASK_CODE_VERSION_MOVED, "" },
};

static void each_rule_of_a_linear_history_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        CLEANUP(set_release) struct set set = { 0 };
        struct plan plan;
        CLEANUP(buf_release) struct buf scripts = { .size_max = 256 };

        make_set(row->prereleases, row->latest, row->min_version, &set);
        const struct plan_start start = { .from = row->from,
                                          .has_objects = row->has_objects,
                                          .baseline = "" };
        plan_make(&set, &start, row->to, &plan);
        for (size_t m = 0; m < plan.count; m++) {
            buf_printf(&scripts, "%s%s", m == 0 ? "" : " ", set.migrations[plan.first + m].script);
        }
        if (plan.code != row->code || strcmp(buf_text(&scripts), row->scripts) != 0) {
            fail_msg("%s: code '%s', scripts '%s', %s", row->what, task_code_name(plan.code),
                     buf_text(&scripts), plan.error.message);
        }
        bool failed = plan.code != TASK_CODE_NONE && plan.code != TASK_CODE_UP_TO_DATE;
        assert_int_equal(plan.error.code != ERR_NONE, failed);
        if (failed && row->from[0] != '\0') {
            assert_non_null(strstr(plan.error.message, row->from));
        }
    }
}

static void check_target(const struct set *set, const char *target, const char *expected,
                         const char *part)
{
    const char *text = NULL;
    struct error err = { 0 };
    bool ok = plan_check_target(set, target, &text, &err);

    assert_int_equal(ok, expected != NULL);
    if (ok) {
        assert_string_equal(text, expected);
    } else if (strstr(err.message, part) == NULL) {
        fail_msg("%s", err.message);
    }
}

static void a_target_must_be_one_that_the_set_reaches(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(set_release) struct set early = { 0 };

    (void)state;
    make_set(false, "0.5.0", "0.2.0", &set);
    check_target(&set, "", "0.5.0", "");
    check_target(&set, "0.5.0", "0.5.0", "");
    check_target(&set, "0.3.7", "0.3.7", "");
    check_target(&set, "0.2.0", "0.2.0", "");
    check_target(&set, "0.5.1", NULL, "FUTURE_VERSION: the target '0.5.1' is above");
    check_target(&set, "0.1.9", NULL, "VERSION_TOO_OLD: the target '0.1.9' is below");
    check_target(&set, "0.3.0-rc.1", NULL, "PRERELEASE: the target '0.3.0-rc.1'");
    check_target(&set, "latest", NULL, "position 1");
    make_set(true, "0.5.0-rc.1", "", &early);
    check_target(&early, "", "0.5.0-rc.1", "");
    check_target(&early, "0.3.0-rc.1", "0.3.0-rc.1", "");
    check_target(&early, "0.5.0", NULL, "FUTURE_VERSION");
}

static void a_target_that_is_no_version_is_an_error_and_no_crash(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    struct plan plan;

    (void)state;
    make_set(false, "", "", &set);
    plan_make(&set, &(struct plan_start){ .from = "", .baseline = "" }, "soon", &plan);
    assert_int_not_equal(plan.code, TASK_CODE_NONE);
    assert_non_null(strstr(plan.error.message, "'soon'"));
}

/* A set at 0.2.0 with two repeatable scripts. */
static void make_repeating_set(const char *view, const char *latest, struct set *ret_set)
{
    char yaml[64];
    struct error err = { 0 };

    snprintf(yaml, sizeof(yaml), "name: billing\nlatest: %s\n", latest);
    const struct set_file files[] = {
        { "skein.yaml", bytes_of_text(yaml) },
        { "0.1.0__a.sql", bytes_of_text("SELECT 1") },
        { "0.2.0__b.sql", bytes_of_text("SELECT 2") },
        { "R__view.sql", bytes_of_text(view) },
        { "R__function.sql", bytes_of_text("SELECT 4") },
    };
    if (!set_parse(files, COUNT_OF(files), "x", ret_set, &err)) {
        fail_msg("%s", err.message);
    }
}

static void repeatable_scripts_run_at_the_latest_version_when_they_have_changed(void **state)
{
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(set_release) struct set changed = { 0 };
    CLEANUP(set_release) struct set further = { 0 };

    (void)state;
    make_repeating_set("SELECT 3", "0.2.0", &set);
    make_repeating_set("SELECT 5", "0.2.0", &changed);
    make_repeating_set("SELECT 3", "0.3.0", &further);
    assert_int_equal(set.repeatable_count, 2);
    assert_int_equal(set.migration_count, 2);
    assert_string_equal(set.repeatables[0].script, "R__function");
    assert_string_equal(set.repeatables[1].script, "R__view");
    assert_string_equal(set.repeatables[1].version_text, "");
    assert_int_not_equal(set.repeatables_digest, 0);
    assert_int_not_equal(set.repeatables_digest, changed.repeatables_digest);
    assert_int_equal(set.repeatables_digest, further.repeatables_digest);
    assert_true(set.repeatables_digest <= INT64_MAX); /* what the journal can hold */

    const struct {
        const char *what;
        const struct set *set;
        const char *from;
        uint64_t has;
        const char *to;
        enum task_code code;
        size_t scripts;
        bool repeatables;
    } cases[] = {
        { "a new tenant", &set, "", 0, "0.2.0", TASK_CODE_NONE, 2, true },
        { "a tenant on its way", &set, "0.1.0", 0, "0.2.0", TASK_CODE_NONE, 1, true },
        { "that has them already", &set, "0.1.0", set.repeatables_digest, "0.2.0", TASK_CODE_NONE,
          1, false },
        { "at the target with them", &set, "0.2.0", set.repeatables_digest, "0.2.0",
          TASK_CODE_UP_TO_DATE, 0, false },
        { "at the target without", &set, "0.2.0", 0, "0.2.0", TASK_CODE_NONE, 0, true },
        { "at the target with old ones", &changed, "0.2.0", set.repeatables_digest, "0.2.0",
          TASK_CODE_NONE, 0, true },
        { "on the way to less than the latest", &set, "", 0, "0.1.0", TASK_CODE_NONE, 1, false },
        { "at less than the latest", &set, "0.1.0", 0, "0.1.0", TASK_CODE_UP_TO_DATE, 0, false },
        { "at the last script, below the latest", &further, "0.2.0", 0, "0.2.0",
          TASK_CODE_UP_TO_DATE, 0, false },
        { "forward to the latest", &further, "0.2.0", 0, "0.3.0", TASK_CODE_NONE, 0, true },
        { "above the latest", &set, "0.4.0", 0, "0.2.0", TASK_CODE_FUTURE_VERSION, 0, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct plan_start start = { .from = cases[i].from,
                                          .baseline = "",
                                          .repeatables = cases[i].has };
        struct plan plan;

        plan_make(cases[i].set, &start, cases[i].to, &plan);
        if (plan.code != cases[i].code || plan.count != cases[i].scripts ||
            plan.repeatables != cases[i].repeatables) {
            fail_msg("%s: '%s', %zu, %d", cases[i].what, task_code_name(plan.code), plan.count,
                     plan.repeatables);
        }
    }
}

static void an_unmanaged_tenant_is_planned_from_its_baseline(void **state)
{
    static const struct {
        const char *from;
        bool has_objects;
        const char *baseline;
        enum task_code code;
        size_t first;
        size_t count;
    } cases[] = {
        { "", true, "0.2.0", TASK_CODE_NONE, 2, 1 },      /* from there */
        { "", true, "0.3.0", TASK_CODE_NONE, 2, 1 },      /* between two scripts */
        { "", true, "0.4.0", TASK_CODE_NONE, 3, 0 },      /* the target: to be recorded */
        { "", true, "", TASK_CODE_UNMANAGED, 0, 0 },      /* none was named */
        { "", false, "0.2.0", TASK_CODE_NONE, 0, 3 },     /* an empty tenant gets everything */
        { "0.1.0", true, "0.2.0", TASK_CODE_NONE, 1, 2 }, /* one with a version keeps it */
        { "0.4.0", true, "0.2.0", TASK_CODE_UP_TO_DATE, 3, 0 },
    };
    CLEANUP(set_release) struct set set = { 0 };

    (void)state;
    make_set(false, "", "", &set);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct plan_start start = { .from = cases[i].from,
                                          .has_objects = cases[i].has_objects,
                                          .baseline = cases[i].baseline };
        struct plan plan;

        plan_make(&set, &start, "0.4.0", &plan);
        if (plan.code != cases[i].code || plan.first != cases[i].first ||
            plan.count != cases[i].count) {
            fail_msg("case %zu: '%s', %zu + %zu", i, task_code_name(plan.code), plan.first,
                     plan.count);
        }
    }
}

static void a_baseline_of_unmanaged_tenants_must_be_a_start_of_the_set(void **state)
{
    static const struct {
        const char *baseline;
        const char *part; /* of the refusal; NULL: it is taken */
    } cases[] = {
        { "0.2.0", NULL },
        { "0.3.3", NULL },
        { "0.4.0", NULL },
        { "0.4.1", "FUTURE_VERSION: baseline of unmanaged tenants: the tenant is at '0.4.1'" },
        { "0.6.0", "FUTURE_VERSION: baseline of unmanaged tenants: the tenant is at '0.6.0'" },
        { "0.1.0", "VERSION_TOO_OLD: baseline of unmanaged tenants" },
        { "0.2.0-alpha.2", "PRERELEASE: baseline of unmanaged tenants" },
        { "two", "baseline of unmanaged tenants: version 'two', position 1" },
    };
    CLEANUP(set_release) struct set set = { 0 };

    (void)state;
    make_set(false, "0.5.0", "0.2.0", &set);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = { 0 };
        bool taken = plan_check_baseline(&set, cases[i].baseline, "0.4.0", &err);

        const char *part = cases[i].part;
        assert_int_equal(taken, part == NULL);
        if (part != NULL && strstr(err.message, part) == NULL) {
            fail_msg("%s: %s", cases[i].baseline, err.message);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_of_a_linear_history_holds),
        cmocka_unit_test(a_target_must_be_one_that_the_set_reaches),
        cmocka_unit_test(a_target_that_is_no_version_is_an_error_and_no_crash),
        cmocka_unit_test(repeatable_scripts_run_at_the_latest_version_when_they_have_changed),
        cmocka_unit_test(an_unmanaged_tenant_is_planned_from_its_baseline),
        cmocka_unit_test(a_baseline_of_unmanaged_tenants_must_be_a_start_of_the_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
