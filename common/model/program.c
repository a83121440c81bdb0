#include "common/model/program.h"

#include <stdio.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/model/config_file.h"

enum { PROGRAM_TEXT_BYTES_MAX = 256 << 10 };

static bool program_wants(int argc, char *argv[], const char *flag)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0) {
            return true;
        }
    }
    return false;
}

static void program_print_help(const struct program *program)
{
    CLEANUP(buf_release) struct buf text = { .size_max = PROGRAM_TEXT_BYTES_MAX };

    buf_printf(&text, "%s\n\nUsage: %s\n\nOptions:\n", program->summary, program->usage);
    options_help(program->specs, program->spec_count, &text);
    buf_printf(&text,
               "\nEvery option is also a variable (SKEIN_ and upper case, dashes as "
               "underscores)\nand a key of the --config file. A flag wins over the variable, "
               "the variable over\nthe file.\n");
    fputs(buf_text(&text), stdout);
}

bool program_options(const struct program *program, int argc, char *argv[], void *config,
                     enum program_next *ret_next, int *ret_words, struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    const char *path = options_peek(argc, argv, "config");

    *ret_next = PROGRAM_DONE;
    *ret_words = 0;
    if (program_wants(argc, argv, "--help") || program_wants(argc, argv, "-h")) {
        program_print_help(program);
        return true;
    }
    if (program_wants(argc, argv, "--version")) {
        printf("%s %s\n", program->name, SKEIN_VERSION);
        return true;
    }
    if (path != NULL && path[0] != '\0' && !config_file_read(path, &file, err)) {
        return error_wrap(err, "--config");
    }
    if (!options_parse(program->specs, program->spec_count, argc, argv, path, file.entries,
                       file.entry_count, config, ret_words, err)) {
        return false;
    }
    if (*ret_words == 2 && strcmp(argv[1], "config") == 0 && strcmp(argv[2], "show") == 0) {
        CLEANUP(buf_release) struct buf text = { .size_max = PROGRAM_TEXT_BYTES_MAX };
        options_show(program->specs, program->spec_count, config, &text);
        fputs(buf_text(&text), stdout);
        return true;
    }
    *ret_next = *ret_words == 0 ? PROGRAM_RUN : PROGRAM_COMMAND;
    return true;
}
