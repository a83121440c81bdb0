#include "coordinator/cli/cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/memory.h"
#include "common/model/config_file.h"
#include "common/model/duration.h"
#include "common/model/size_text.h"
#include "coordinator/cli/command.h"

enum { CLI_HELP_BYTES = 64 << 10, CLI_SENTENCE_BYTES = 4096 };

/* The words of a command line that are no options, before it is known which verb's rows count. */
struct cli_words {
    char **items;
    size_t count;
    bool help;
    bool version;
};

static void cli_words_release(struct cli_words *words)
{
    free(words->items);
}

/* Whether argv[i], an option, takes the next argument as its value. */
static bool cli_takes_next(const char *argument)
{
    const struct option_spec *spec = NULL;

    if (strncmp(argument, "--", 2) == 0) {
        spec = strchr(argument, '=') != NULL ? NULL : cli_options_find(argument + 2);
    } else {
        spec = argument[2] != '\0' ? NULL : cli_options_find_letter(argument[1]);
    }
    return spec != NULL && spec->type != OPTION_FLAG;
}

static void cli_words_find(int argc, char *argv[], struct cli_words *words)
{
    words->items = memory_alloc_array((size_t)argc, sizeof(char *));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            words->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            words->version = true;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            i += cli_takes_next(argv[i]) ? 1 : 0;
        } else {
            words->items[words->count++] = argv[i];
        }
    }
}

static int cli_print_help(const char *group, const struct command *command, FILE *stream)
{
    CLEANUP(buf_release) struct buf text = { .size_max = CLI_HELP_BYTES };

    if (command != NULL) {
        command_help(command, &text);
    } else {
        command_help_group(group, &text);
    }
    (void)fputs(buf_text(&text), stream);
    return stream == stdout ? EXIT_CODE_DONE : EXIT_CODE_USAGE;
}

/* No verb at all: help, unless one of the options makes no sense. */
static int cli_no_words(const struct cli_words *words, int argc, char *argv[])
{
    struct option_spec specs[CLI_OPTIONS_MAX];
    const size_t count = cli_options_collect("", specs);
    struct cli_options options = { 0 };
    struct error err = { 0 };
    int positional = 0;

    bool valid =
        options_parse(specs, count, argc, argv, NULL, NULL, 0, &options, &positional, &err);
    options_release(specs, count, &options);
    if (!valid) {
        output_say("%s (see 'skein --help')", err.message);
        return EXIT_CODE_USAGE;
    }
    if (words->version) {
        (void)printf("skein %s\n", SKEIN_VERSION);
        return EXIT_CODE_DONE;
    }
    return cli_print_help(NULL, NULL, words->help ? stdout : stderr);
}

/* No verb matched: help, where that is what was asked for, else what was probably meant. */
static int cli_no_command(const struct cli_words *words)
{
    const char *first = words->items[0];

    if (strcmp(first, "version") == 0) {
        (void)printf("skein %s\n", SKEIN_VERSION);
        return EXIT_CODE_DONE;
    }
    if (command_is_group(first) && (words->help || words->count == 1)) {
        return cli_print_help(first, NULL, words->help ? stdout : stderr);
    }
    const char *meant = command_suggest(words->items, words->count);
    const char *second = words->count > 1 ? words->items[1] : "";
    if (!command_is_group(first) && meant == NULL) {
        second = "";
    }
    output_say("there is no verb '%s%s%s'%s%s%s 'skein --help' lists all", first,
               second[0] != '\0' ? " " : "", second, meant != NULL ? "; did you mean 'skein " : ";",
               meant != NULL ? meant : "", meant != NULL ? "'?" : "");
    return EXIT_CODE_USAGE;
}

/* `skein help rollout start`. */
static int cli_help_words(const struct cli_words *words)
{
    size_t used = 0;
    const struct command *command = NULL;

    if (words->count == 1) {
        return cli_print_help(NULL, NULL, stdout);
    }
    command = command_find(words->items + 1, words->count - 1, &used);
    if (command == NULL && !command_is_group(words->items[1])) {
        const struct cli_words rest = { .items = words->items + 1, .count = words->count - 1 };
        return cli_no_command(&rest);
    }
    return cli_print_help(words->items[1], command, stdout);
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    char sentence[CLI_SENTENCE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    output_say("%s (see 'skein %s --help')", sentence, cli->command->path);
    return EXIT_CODE_USAGE;
}

int cli_fail(const struct cli *cli, const struct rpc_end *end, const struct error *err)
{
    output_say("%s", err->message);
    return (int)exit_code_of_status(end->status, cli->has_deadline);
}

int cli_confirm(const struct cli *cli, const char *question, ...)
{
    char sentence[CLI_SENTENCE_BYTES];
    va_list arguments;
    bool asked = false;

    va_start(arguments, question);
    vsnprintf(sentence, sizeof(sentence), question, arguments);
    va_end(arguments);
    if (output_confirm(cli->options.yes, sentence, &asked)) {
        return EXIT_CODE_DONE;
    }
    if (asked) {
        output_say("nothing was done");
        return EXIT_CODE_USAGE;
    }
    return cli_usage(cli, "%s There is no terminal to ask on: give --yes", sentence);
}

bool cli_duration(const struct cli *cli, const char *option, const char *text, uint64_t fallback_ms,
                  uint64_t *ret_ms)
{
    struct error err = { 0 };

    if (text[0] == '\0') {
        *ret_ms = fallback_ms;
        return true;
    }
    if (!duration_parse(text, ret_ms, &err)) {
        (void)cli_usage(cli, "--%s: %s", option, err.message);
        return false;
    }
    return true;
}

bool cli_size(const struct cli *cli, const char *option, const char *text, uint64_t fallback_bytes,
              uint64_t *ret_bytes)
{
    struct error err = { 0 };

    if (text[0] == '\0') {
        *ret_bytes = fallback_bytes;
        return true;
    }
    if (!size_text_parse(text, ret_bytes, &err)) {
        (void)cli_usage(cli, "--%s: %s", option, err.message);
        return false;
    }
    return true;
}

/* Keys of other verbs may stand in the file; keys of none are refused by options_parse. */
static void cli_filter_file(struct config_file *file, const struct option_spec *specs, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < file->entry_count; i++) {
        const char *key = file->entries[i].key;
        if (options_find(specs, count, key) != NULL || cli_options_find(key) == NULL) {
            file->entries[kept++] = file->entries[i];
        }
    }
    file->entry_count = kept;
}

static bool cli_parse(struct cli *cli, const struct option_spec *specs, size_t count, int argc,
                      char *argv[], int *ret_positional, struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    const char *path = options_peek(argc, argv, "config");

    if (path != NULL && path[0] != '\0') {
        if (!config_file_read(path, &file, err)) {
            return false;
        }
        cli_filter_file(&file, specs, count);
    }
    return options_parse(specs, count, argc, argv, path, file.entries, file.entry_count,
                         &cli->options, ret_positional, err);
}

static int cli_check_arguments(const struct cli *cli)
{
    const struct command *command = cli->command;

    if (cli->argument_count < command->arguments_min) {
        return cli_usage(cli, "'skein %s' needs %s", command->path, command->arguments);
    }
    if (cli->argument_count > command->arguments_max) {
        return cli_usage(cli, "'skein %s' does not take '%s'", command->path,
                         cli->arguments[command->arguments_max]);
    }
    return EXIT_CODE_DONE;
}

static enum output_format cli_format(const char *name)
{
    if (strcmp(name, "json") == 0) {
        return OUTPUT_JSON;
    }
    return strcmp(name, "ndjson") == 0 ? OUTPUT_NDJSON : OUTPUT_TABLE;
}

/* Everything that a verb finds prepared. */
static int cli_prepare(struct cli *cli)
{
    const struct cli_options *options = &cli->options;
    const struct rpc_tls tls = { .cert = options->tls_cert,
                                 .key = options->tls_key,
                                 .ca = options->tls_ca };
    uint64_t timeout_ms = 0;
    struct error err = { 0 };

    int code = cli_check_arguments(cli);
    if (code != EXIT_CODE_DONE) {
        return code;
    }
    cli->format = cli_format(options->output);
    cli->style = output_style(options->color);
    cli->terminal = isatty(STDOUT_FILENO) == 1;
    cli->has_deadline = options->timeout[0] != '\0';
    if (!cli_duration(cli, "timeout", options->timeout, 0, &timeout_ms)) {
        return EXIT_CODE_USAGE;
    }
    if (!cli->command->offline &&
        !caller_init(&cli->caller, &options->coordinator, &tls, options->insecure,
                     cli->has_deadline ? clock_monotonic_ms() + timeout_ms : UINT64_MAX, &err)) {
        return cli_usage(cli, "%s", err.message);
    }
    return EXIT_CODE_DONE;
}

static int cli_dispatch(struct cli *cli, const struct option_spec *specs, size_t count, int argc,
                        char *argv[], size_t verb_words)
{
    struct error err = { 0 };
    int positional = 0;

    if (!cli_parse(cli, specs, count, argc, argv, &positional, &err)) {
        return cli_usage(cli, "%s", err.message);
    }
    if (cli->options.help) {
        return cli_print_help(NULL, cli->command, stdout);
    }
    if (cli->options.show_version) {
        (void)printf("skein %s\n", SKEIN_VERSION);
        return EXIT_CODE_DONE;
    }
    cli->arguments = argv + 1 + verb_words;
    cli->argument_count = (size_t)positional - verb_words;
    int code = cli_prepare(cli);
    return code != EXIT_CODE_DONE ? code : cli->command->run(cli);
}

int cli_run(int argc, char *argv[])
{
    CLEANUP(cli_words_release) struct cli_words words = { 0 };
    struct option_spec specs[CLI_OPTIONS_MAX];
    struct cli cli = { 0 };
    size_t verb_words = 0;
    int code = EXIT_CODE_DONE;

    cli_words_find(argc, argv, &words);
    cli.command = command_find(words.items, words.count, &verb_words);
    if (words.count == 0) {
        code = cli_no_words(&words, argc, argv);
    } else if (strcmp(words.items[0], "help") == 0) {
        code = cli_help_words(&words);
    } else if (cli.command == NULL) {
        code = cli_no_command(&words);
    } else {
        size_t count = cli_options_collect(cli.command->options, specs);
        code = cli_dispatch(&cli, specs, count, argc, argv, verb_words);
        caller_release(&cli.caller);
        options_release(specs, count, &cli.options);
    }
    if (!output_finish() && code == EXIT_CODE_DONE) {
        output_say("what was to be printed could not be written");
        code = EXIT_CODE_INTERNAL;
    }
    return code;
}
