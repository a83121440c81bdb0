/* options.h - one table of options feeds flags, SKEIN_* variables, a YAML file, --help and
 * `config show`.
 *
 * Not thread-safe; used in main only. Order of precedence: flag, environment, file, default. The
 * YAML file is read by common/model/config_file.h and handed in as key/value pairs, because core
 * knows no YAML. */
#ifndef SKEIN_COMMON_CORE_OPTIONS_H
#define SKEIN_COMMON_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

enum option_type {
    OPTION_TEXT,   /* const char ** ... char *: owned by the options */
    OPTION_FLAG,   /* bool */
    OPTION_U64,    /* uint64_t with min and max */
    OPTION_LIST,   /* struct option_list: may be given several times; commas separate */
    OPTION_CHOICE, /* text, one of `choices` ("single|group") */
};

struct option_list {
    char **items;
    size_t count;
};

struct option_spec {
    const char *name; /* "tls-cert": --tls-cert, SKEIN_TLS_CERT, tls-cert: in YAML */
    enum option_type type;
    size_t offset;        /* of the value in the program's config struct */
    const char *fallback; /* text form; NULL: empty, false, 0 */
    const char *argument; /* how --help calls the value: "FILE" */
    const char *help;     /* one line */
    const char *choices;
    uint64_t min, max; /* OPTION_U64 */
    bool required;
    bool secret;    /* masked in `config show`; a password inside a conninfo or URL is masked too */
    bool flag_only; /* neither in the environment nor in the file: --help, --version, --config */
    char letter;    /* 'o' for -o; 0 for none */
};

struct option_source {
    const char *key;   /* as in the YAML file */
    const char *value; /* lists arrive as several sources of one key */
    unsigned line;
};

/* Fills `config` (zeroed by the caller, who releases it also after a failure). Positional arguments
 * are moved to the front of argv[1..] and counted in *ret_positional. Errors name the flag,
 * variable or file line, the value, and what was expected; an unknown option suggests the nearest
 * known one.
 * `--` ends options. An empty variable counts as not set. While a flag called `help` or `version`
 * is given, nothing is required. */
MUST_CHECK bool options_parse(const struct option_spec *specs, size_t spec_count, int argc,
                              char *argv[], const char *file_name, const struct option_source *file,
                              size_t file_count, void *config, int *ret_positional,
                              struct error *err);
/* The value of --NAME or SKEIN_NAME alone, before anything else is parsed (for --config); NULL. */
const char *options_peek(int argc, char *argv[], const char *name);
void options_release(const struct option_spec *specs, size_t spec_count, void *config);
/* The row of that name; NULL. */
const struct option_spec *options_find(const struct option_spec *specs, size_t spec_count,
                                       const char *name);

/* The table for --help, aligned. */
void options_help(const struct option_spec *specs, size_t spec_count, struct buf *buf);
/* `key: value` lines, secrets masked. */
void options_show(const struct option_spec *specs, size_t spec_count, const void *config,
                  struct buf *buf);

#endif
