/* LIBS: skein_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/mask.h"
#include "common/core/options.h"
#include "common/core/suggest.h"

struct config {
    const char *coordinator;
    char *mode;
    bool insecure;
    bool help;
    uint64_t workers;
    struct option_list labels;
    const char *postgres;
    const char *token;
};

static const struct option_spec specs[] = {
    { "coordinator", OPTION_TEXT, offsetof(struct config, coordinator), .argument = "HOST:PORT",
      .required = true, .help = "where it is" },
    { "commit", OPTION_CHOICE, offsetof(struct config, mode), .fallback = "single",
      .choices = "single|group", .help = "how" },
    { "insecure", OPTION_FLAG, offsetof(struct config, insecure), .help = "no TLS" },
    { "workers", OPTION_U64, offsetof(struct config, workers), .fallback = "4", .min = 1, .max = 64,
      .help = "threads" },
    { "label", OPTION_LIST, offsetof(struct config, labels), .argument = "KEY=VALUE", .letter = 'l',
      .help = "labels" },
    { "postgres", OPTION_TEXT, offsetof(struct config, postgres), .help = "conninfo" },
    { "token", OPTION_TEXT, offsetof(struct config, token), .secret = true, .help = "secret" },
    { "help", OPTION_FLAG, offsetof(struct config, help), .flag_only = true, .help = "this" },
};

static void config_release(struct config *config)
{
    options_release(specs, COUNT_OF(specs), config);
}

/* The arguments as a NULL-terminated list in `argv`, argv[0] included. */
static bool parse(struct config *config, char *argv[], const struct option_source *file,
                  size_t file_count, int *ret_positional, struct error *err)
{
    int argc = 0;

    while (argv[argc] != NULL) {
        argc++;
    }
    return options_parse(specs, COUNT_OF(specs), argc, argv, file != NULL ? "skein.yaml" : NULL,
                         file, file_count, config, ret_positional, err);
}

static int clear_environment(void **state)
{
    (void)state;
    unsetenv("SKEIN_WORKERS");
    unsetenv("SKEIN_COORDINATOR");
    unsetenv("SKEIN_LABEL");
    unsetenv("SKEIN_HELP");
    return 0;
}

static void flag_wins_over_environment_over_file_over_default(void **state)
{
    const struct option_source file[] = { { "workers", "5", 1 }, { "coordinator", "file:1", 2 } };
    CLEANUP(config_release) struct config a = { 0 };
    CLEANUP(config_release) struct config b = { 0 };
    CLEANUP(config_release) struct config c = { 0 };
    CLEANUP(config_release) struct config d = { 0 };
    char *none[] = { "x", NULL };
    char *flag[] = { "x", "--workers", "7", NULL };
    char *given[] = { "x", "--coordinator=here:1", NULL };
    struct error err = { 0 };
    int positional = 0;

    (void)state;
    assert_true(parse(&a, given, NULL, 0, &positional, &err));
    assert_int_equal(a.workers, 4);
    assert_string_equal(a.coordinator, "here:1");
    assert_string_equal(a.mode, "single");
    assert_true(parse(&b, none, file, 2, &positional, &err));
    assert_int_equal(b.workers, 5);
    assert_string_equal(b.coordinator, "file:1");
    setenv("SKEIN_WORKERS", "6", 1);
    setenv("SKEIN_COORDINATOR", "", 1); /* empty counts as not set */
    assert_true(parse(&c, none, file, 2, &positional, &err));
    assert_int_equal(c.workers, 6);
    assert_string_equal(c.coordinator, "file:1");
    assert_true(parse(&d, flag, file, 2, &positional, &err));
    assert_int_equal(d.workers, 7);
}

static void lists_collect_within_one_origin_and_replace_across(void **state)
{
    const struct option_source file[] = { { "label", "a=1", 1 }, { "label", "b=2", 2 } };
    CLEANUP(config_release) struct config a = { 0 };
    CLEANUP(config_release) struct config b = { 0 };
    char *none[] = { "x", "--coordinator", "h:1", NULL };
    char *flags[] = { "x", "--coordinator", "h:1", "-l", "c=3", "--label=d=4, e=5", NULL };
    struct error err = { 0 };
    int positional = 0;

    (void)state;
    assert_true(parse(&a, none, file, 2, &positional, &err));
    assert_int_equal(a.labels.count, 2);
    assert_string_equal(a.labels.items[1], "b=2");
    assert_true(parse(&b, flags, file, 2, &positional, &err));
    assert_int_equal(b.labels.count, 3);
    assert_string_equal(b.labels.items[0], "c=3");
    assert_string_equal(b.labels.items[1], "d=4");
    assert_string_equal(b.labels.items[2], "e=5");
}

static void positionals_come_first_and_a_double_dash_ends_options(void **state)
{
    CLEANUP(config_release) struct config config = { 0 };
    char *argv[] = { "x", "rollout", "--coordinator", "h:1", "start", "--insecure",
                     "-", "--",      "--workers",     NULL };
    struct error err = { 0 };
    int positional = 0;

    (void)state;
    assert_true(parse(&config, argv, NULL, 0, &positional, &err));
    assert_int_equal(positional, 4);
    assert_string_equal(argv[1], "rollout");
    assert_string_equal(argv[2], "start");
    assert_string_equal(argv[3], "-");
    assert_string_equal(argv[4], "--workers");
    assert_true(config.insecure);
}

static void check_error(char *argv[], const struct option_source *file, size_t count,
                        const char *expected)
{
    CLEANUP(config_release) struct config config = { 0 };
    struct error err = { 0 };
    int positional = 0;

    assert_false(parse(&config, argv, file, count, &positional, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.message, expected);
}

static void errors_say_where_what_and_what_was_expected(void **state)
{
    const struct option_source bad[] = { { "workers", "many", 3 } };
    const struct option_source unknown[] = { { "worker", "1", 4 } };
    char *none[] = { "x", NULL };
    char *typo[] = { "x", "--corrdinator", "h:1", NULL };
    char *wild[] = { "x", "--zzzzzzzzzz", NULL };
    char *range[] = { "x", "--workers=65", NULL };
    char *negative[] = { "x", "--workers", "-1", NULL };
    char *choice[] = { "x", "--commit", "grop", NULL };
    char *missing[] = { "x", "--coordinator", "--insecure", NULL };
    char *boolean[] = { "x", "--insecure=maybe", NULL };

    (void)state;
    check_error(typo, NULL, 0, "unknown option '--corrdinator'; did you mean '--coordinator'?");
    check_error(wild, NULL, 0, "unknown option '--zzzzzzzzzz'");
    check_error(range, NULL, 0, "--workers: '65' is not a number from 1 to 64");
    check_error(negative, NULL, 0, "--workers: '-1' is not a number from 1 to 64");
    check_error(choice, NULL, 0, "--commit: 'grop' is not one of single|group");
    check_error(missing, NULL, 0, "--coordinator needs a value: --coordinator=HOST:PORT");
    check_error(boolean, NULL, 0, "--insecure: 'maybe' is neither true nor false");
    check_error(none, bad, 1, "skein.yaml:3: workers: 'many' is not a number from 1 to 64");
    check_error(none, unknown, 1, "skein.yaml:4: unknown key 'worker'; did you mean 'workers'?");
    check_error(none, NULL, 0,
                "--coordinator is required (or SKEIN_COORDINATOR, or 'coordinator:' in the file "
                "given with --config)");
    setenv("SKEIN_WORKERS", "0", 1);
    check_error(none, NULL, 0, "SKEIN_WORKERS: '0' is not a number from 1 to 64");
}

static void help_excuses_what_is_required_and_has_no_variable(void **state)
{
    CLEANUP(config_release) struct config config = { 0 };
    char *argv[] = { "x", "--help", NULL };
    char *none[] = { "x", NULL };
    struct error err = { 0 };
    int positional = 0;

    (void)state;
    assert_true(parse(&config, argv, NULL, 0, &positional, &err));
    assert_true(config.help);
    setenv("SKEIN_HELP", "true", 1);
    CLEANUP(config_release) struct config other = { 0 };
    assert_false(parse(&other, none, NULL, 0, &positional, &err));
}

static void a_value_can_be_peeked_at_before_parsing(void **state)
{
    char *argv[] = { "x", "--workers", "3", "--workers=9", "--", "--workers=1", NULL };
    char *none[] = { "x", NULL };

    (void)state;
    assert_string_equal(options_peek(6, argv, "workers"), "9");
    assert_null(options_peek(1, none, "workers"));
    setenv("SKEIN_WORKERS", "5", 1);
    assert_string_equal(options_peek(1, none, "workers"), "5");
}

static void show_masks_secrets_and_passwords(void **state)
{
    CLEANUP(config_release) struct config config = { 0 };
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };
    char *argv[] = { "x",
                     "--coordinator=h:1",
                     "--postgres=host=db password='a b\\' c' user=u",
                     "--token=hunter2",
                     "-lk=v",
                     NULL };
    struct error err = { 0 };
    int positional = 0;

    (void)state;
    assert_true(parse(&config, argv, NULL, 0, &positional, &err));
    options_show(specs, COUNT_OF(specs), &config, &buf);
    assert_string_equal(buf_text(&buf), "coordinator: h:1\n"
                                        "commit: single\n"
                                        "insecure: false\n"
                                        "workers: 4\n"
                                        "label: [k=v]\n"
                                        "postgres: host=db password=******** user=u\n"
                                        "token: ********\n");
}

static void help_is_aligned(void **state)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };

    (void)state;
    options_help(specs, 2, &buf);
    options_help(&specs[4], 1, &buf);
    assert_string_equal(buf_text(&buf), "      --coordinator HOST:PORT     where it is (required)\n"
                                        "      --commit single|group       how (default: single)\n"
                                        "  -l, --label KEY=VALUE           labels\n");
}

static void check_mask(const char *text, const char *expected)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };

    mask_passwords(text, &buf);
    assert_string_equal(buf_text(&buf), expected);
}

static void passwords_in_urls_and_conninfos_are_masked(void **state)
{
    (void)state;
    check_mask("", "");
    check_mask("host=a user=b", "host=a user=b");
    check_mask("host=a password = x&y user=b", "host=a password = ******** user=b");
    check_mask("sslpassword=s host=a", "sslpassword=******** host=a");
    check_mask("password='unterminated", "password=********");
    check_mask("PASSWORD=a\\ b c=d", "PASSWORD=******** c=d");
    check_mask("postgresql://u:p@h:1/db?x=1", "postgresql://u:********@h:1/db?x=1");
    check_mask("postgresql://u:p@ss@h/db", "postgresql://u:********@h/db");
    check_mask("postgresql://u@h:1/db?password=p&x=1",
               "postgresql://u@h:1/db?password=********&x=1");
    check_mask("etcd:http://h1:2379,http://u:p@h2:2379",
               "etcd:http://h1:2379,http://u:********@h2:2379");
    check_mask("etcd:http://u:p@h1:2379,http://u:q@h2:2379/",
               "etcd:http://u:********@h1:2379,http://u:********@h2:2379/");
}

static void the_nearest_word_is_suggested(void **state)
{
    struct suggestion near = { 0 };
    struct suggestion far = { 0 };

    (void)state;
    assert_int_equal(suggest_distance("rollout", "rollout"), 0);
    assert_int_equal(suggest_distance("rollotu", "rollout"), 1);
    assert_int_equal(suggest_distance("", "abc"), 3);
    suggest_offer(&near, "stat", "start");
    suggest_offer(&near, "stat", "status");
    assert_non_null(near.word);
    suggest_offer(&far, "quux", "rollout");
    assert_null(far.word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flag_wins_over_environment_over_file_over_default,
                               clear_environment),
        cmocka_unit_test_setup(lists_collect_within_one_origin_and_replace_across,
                               clear_environment),
        cmocka_unit_test_setup(positionals_come_first_and_a_double_dash_ends_options,
                               clear_environment),
        cmocka_unit_test_setup(errors_say_where_what_and_what_was_expected, clear_environment),
        cmocka_unit_test_setup(help_excuses_what_is_required_and_has_no_variable,
                               clear_environment),
        cmocka_unit_test_setup(a_value_can_be_peeked_at_before_parsing, clear_environment),
        cmocka_unit_test_setup(show_masks_secrets_and_passwords, clear_environment),
        cmocka_unit_test_setup(help_is_aligned, clear_environment),
        cmocka_unit_test_setup(passwords_in_urls_and_conninfos_are_masked, clear_environment),
        cmocka_unit_test_setup(the_nearest_word_is_suggested, clear_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
