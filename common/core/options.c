#include "common/core/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/mask.h"
#include "common/core/memory.h"
#include "common/core/suggest.h"

enum {
    OPTIONS_MAX = 96, /* rows in one table */
    OPTION_WHERE_BYTES = 512,
    OPTION_HELP_COLUMN = 34,
};

/* What a parse knows besides the values: where each option was last given. */
enum option_origin { ORIGIN_NONE, ORIGIN_FALLBACK, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_FLAG };

struct option_parse {
    const struct option_spec *specs;
    size_t count;
    void *config;
    enum option_origin origins[OPTIONS_MAX];
};

static void *option_field(const struct option_spec *spec, void *config)
{
    return (char *)config + spec->offset;
}

/* Text fields are `char *` or `const char *`; copying bytes suits both. */
static char *option_text(const struct option_spec *spec, const void *config)
{
    char *text;

    memcpy(&text, (const char *)config + spec->offset, sizeof(text));
    return text;
}

static void option_list_release(struct option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct option_list){ 0 };
}

static void option_list_add(struct option_list *list, const char *text, size_t size)
{
    while (size > 0 && isspace((unsigned char)text[0])) {
        text++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)text[size - 1])) {
        size--;
    }
    if (size == 0) {
        return;
    }
    list->items = memory_grow(list->items, list->count + 1, sizeof(list->items[0]));
    char *item = memory_alloc(size + 1);
    memcpy(item, text, size);
    list->items[list->count++] = item;
}

static bool option_parse_flag(const char *text, bool *ret_value)
{
    static const char *const words[][2] = {
        { "true", "false" }, { "yes", "no" }, { "on", "off" }, { "1", "0" }
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (int j = 0; j < 2; j++) {
            if (strcasecmp(text, words[i][j]) == 0) {
                *ret_value = j == 0;
                return true;
            }
        }
    }
    return false;
}

static bool option_parse_u64(const struct option_spec *spec, const char *text, uint64_t *ret_value)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < spec->min || (spec->max != 0 && value > spec->max)) {
        return false;
    }
    *ret_value = value;
    return true;
}

static bool option_has_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);

    for (const char *choice = choices; choice != NULL;) {
        const char *bar = strchr(choice, '|');
        size_t length = bar == NULL ? strlen(choice) : (size_t)(bar - choice);
        if (length == size && memcmp(choice, text, size) == 0) {
            return true;
        }
        choice = bar == NULL ? NULL : bar + 1;
    }
    return false;
}

static bool option_assign_u64(const struct option_spec *spec, void *config, const char *text,
                              const char *where, struct error *err)
{
    uint64_t value = 0;

    if (!option_parse_u64(spec, text, &value)) {
        if (spec->max != 0) {
            return error_set(err, ERR_INVALID,
                             "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, where, text,
                             spec->min, spec->max);
        }
        return error_set(err, ERR_INVALID, "%s: '%s' is not a number of at least %" PRIu64, where,
                         text, spec->min);
    }
    memcpy(option_field(spec, config), &value, sizeof(value));
    return true;
}

static void option_assign_text(const struct option_spec *spec, void *config, const char *text)
{
    char *copy = memory_strdup(text);

    free(option_text(spec, config));
    memcpy(option_field(spec, config), &copy, sizeof(copy));
}

/* Stores one value. `first` says that it is the first of its origin: a list starts anew then. */
static bool option_assign(const struct option_spec *spec, void *config, const char *text,
                          bool first, const char *where, struct error *err)
{
    switch (spec->type) {
    case OPTION_TEXT:
        option_assign_text(spec, config, text);
        return true;
    case OPTION_CHOICE:
        if (!option_has_choice(spec->choices, text)) {
            return error_set(err, ERR_INVALID, "%s: '%s' is not one of %s", where, text,
                             spec->choices);
        }
        option_assign_text(spec, config, text);
        return true;
    case OPTION_FLAG: {
        bool value = false;
        if (!option_parse_flag(text, &value)) {
            return error_set(err, ERR_INVALID, "%s: '%s' is neither true nor false", where, text);
        }
        memcpy(option_field(spec, config), &value, sizeof(value));
        return true;
    }
    case OPTION_U64:
        return option_assign_u64(spec, config, text, where, err);
    case OPTION_LIST: {
        struct option_list *list = option_field(spec, config);
        if (first) {
            option_list_release(list);
        }
        while (text != NULL) {
            const char *comma = strchr(text, ',');
            option_list_add(list, text, comma == NULL ? strlen(text) : (size_t)(comma - text));
            text = comma == NULL ? NULL : comma + 1;
        }
        return true;
    }
    }
    return error_set(err, ERR_INTERNAL, "%s: option of an unknown type", where);
}

const struct option_spec *options_find(const struct option_spec *specs, size_t spec_count,
                                       const char *name)
{
    for (size_t i = 0; i < spec_count; i++) {
        if (strcmp(specs[i].name, name) == 0) {
            return &specs[i];
        }
    }
    return NULL;
}

static const struct option_spec *options_find_letter(const struct option_parse *parse, char letter)
{
    for (size_t i = 0; i < parse->count; i++) {
        if (parse->specs[i].letter == letter) {
            return &parse->specs[i];
        }
    }
    return NULL;
}

static bool options_put(struct option_parse *parse, const struct option_spec *spec,
                        enum option_origin origin, const char *text, const char *where,
                        struct error *err)
{
    enum option_origin *last = &parse->origins[spec - parse->specs];
    bool first = *last != origin;

    *last = origin;
    return option_assign(spec, parse->config, text, first, where, err);
}

/* "tls-cert" -> "SKEIN_TLS_CERT". */
static void option_variable(const char *name, char variable[OPTION_WHERE_BYTES])
{
    int size = snprintf(variable, OPTION_WHERE_BYTES, "SKEIN_%s", name);

    for (int i = 0; i < size && i < OPTION_WHERE_BYTES - 1; i++) {
        char c = variable[i];
        variable[i] = (char)(c == '-' || c == '.' ? '_' : toupper((unsigned char)c));
    }
}

static const char *option_environment(const char *name)
{
    char variable[OPTION_WHERE_BYTES];

    option_variable(name, variable);
    const char *value = getenv(variable);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool options_unknown(const struct option_parse *parse, const char *where, const char *typed,
                            const char *dashes, struct error *err)
{
    struct suggestion near = { 0 };

    for (size_t i = 0; i < parse->count; i++) {
        suggest_offer(&near, typed, parse->specs[i].name);
    }
    if (near.word != NULL) {
        return error_set(err, ERR_INVALID, "%s '%s%s'; did you mean '%s%s'?", where, dashes, typed,
                         dashes, near.word);
    }
    return error_set(err, ERR_INVALID, "%s '%s%s'", where, dashes, typed);
}

static bool options_read_file(struct option_parse *parse, const char *file_name,
                              const struct option_source *file, size_t file_count,
                              struct error *err)
{
    char where[OPTION_WHERE_BYTES];

    for (size_t i = 0; i < file_count; i++) {
        const struct option_spec *spec = options_find(parse->specs, parse->count, file[i].key);
        if (spec == NULL || spec->flag_only) {
            snprintf(where, sizeof(where), "%s:%u: unknown key", file_name, file[i].line);
            return options_unknown(parse, where, file[i].key, "", err);
        }
        snprintf(where, sizeof(where), "%s:%u: %s", file_name, file[i].line, file[i].key);
        if (!options_put(parse, spec, ORIGIN_FILE, file[i].value, where, err)) {
            return false;
        }
    }
    return true;
}

static bool options_read_environment(struct option_parse *parse, struct error *err)
{
    char variable[OPTION_WHERE_BYTES];

    for (size_t i = 0; i < parse->count; i++) {
        const struct option_spec *spec = &parse->specs[i];
        const char *value = spec->flag_only ? NULL : option_environment(spec->name);
        if (value == NULL) {
            continue;
        }
        option_variable(spec->name, variable);
        if (!options_put(parse, spec, ORIGIN_ENVIRONMENT, value, variable, err)) {
            return false;
        }
    }
    return true;
}

/* One option at argv[*at]; moves *at to the last argument that it used. */
static bool options_read_flag(struct option_parse *parse, int argc, char *argv[], int *at,
                              struct error *err)
{
    const char *argument = argv[*at];
    const bool is_long = argument[1] == '-';
    const char *name = is_long ? argument + 2 : argument + 1;
    const char *equals = strchr(name, '=');
    size_t name_size = !is_long ? 1 : equals == NULL ? strlen(name) : (size_t)(equals - name);
    char typed[OPTION_WHERE_BYTES];
    char where[OPTION_WHERE_BYTES];
    const char *value = NULL;

    snprintf(typed, sizeof(typed), "%.*s", (int)name_size, name);
    snprintf(where, sizeof(where), "%s%.500s", is_long ? "--" : "-", typed);
    const struct option_spec *spec = is_long ? options_find(parse->specs, parse->count, typed)
                                             : options_find_letter(parse, typed[0]);
    if (spec == NULL) {
        return options_unknown(parse, "unknown option", typed, is_long ? "--" : "-", err);
    }
    if (is_long && equals != NULL) {
        value = equals + 1;
    } else if (!is_long && name[1] != '\0') {
        value = name + 1;
    } else if (spec->type == OPTION_FLAG) {
        value = "true";
    } else if (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0) {
        value = argv[++*at];
    } else {
        return error_set(err, ERR_INVALID, "%s needs a value: %s%s%s", where, where,
                         is_long ? "=" : " ", spec->argument != NULL ? spec->argument : "VALUE");
    }
    return options_put(parse, spec, ORIGIN_FLAG, value, where, err);
}

static bool options_check_required(const struct option_parse *parse, const char *file_name,
                                   struct error *err)
{
    static const char *const excuses[] = { "help", "version" };
    char variable[OPTION_WHERE_BYTES];

    for (size_t i = 0; i < COUNT_OF(excuses); i++) {
        const struct option_spec *spec = options_find(parse->specs, parse->count, excuses[i]);
        if (spec != NULL && spec->type == OPTION_FLAG) {
            bool given;
            memcpy(&given, (const char *)parse->config + spec->offset, sizeof(given));
            if (given) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < parse->count; i++) {
        const struct option_spec *spec = &parse->specs[i];
        if (spec->required && parse->origins[i] == ORIGIN_NONE) {
            option_variable(spec->name, variable);
            return error_set(err, ERR_INVALID, "--%s is required (or %s, or '%s:' in %s)",
                             spec->name, variable, spec->name,
                             file_name != NULL ? file_name : "the file given with --config");
        }
    }
    return true;
}

bool options_parse(const struct option_spec *specs, size_t spec_count, int argc, char *argv[],
                   const char *file_name, const struct option_source *file, size_t file_count,
                   void *config, int *ret_positional, struct error *err)
{
    struct option_parse parse = { .specs = specs, .count = spec_count, .config = config };
    int positional = 0;
    bool ended = false;

    assert(spec_count <= OPTIONS_MAX);
    for (size_t i = 0; i < spec_count; i++) {
        if (specs[i].fallback != NULL && !options_put(&parse, &specs[i], ORIGIN_FALLBACK,
                                                      specs[i].fallback, specs[i].name, err)) {
            return false;
        }
    }
    if (!options_read_file(&parse, file_name, file, file_count, err) ||
        !options_read_environment(&parse, err)) {
        return false;
    }
    for (int i = 1; i < argc; i++) {
        if (ended || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[1 + positional++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (!options_read_flag(&parse, argc, argv, &i, err)) {
            return false;
        }
    }
    if (!options_check_required(&parse, file_name, err)) {
        return false;
    }
    *ret_positional = positional;
    return true;
}

const char *options_peek(int argc, char *argv[], const char *name)
{
    const char *found = NULL;
    size_t size = strlen(name);

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0 || strncmp(argv[i] + 2, name, size) != 0) {
            continue;
        }
        if (argv[i][2 + size] == '=') {
            found = argv[i] + 3 + size;
        } else if (argv[i][2 + size] == '\0' && i + 1 < argc) {
            found = argv[++i];
        }
    }
    return found != NULL ? found : option_environment(name);
}

void options_release(const struct option_spec *specs, size_t spec_count, void *config)
{
    for (size_t i = 0; i < spec_count; i++) {
        const struct option_spec *spec = &specs[i];
        if (spec->type == OPTION_TEXT || spec->type == OPTION_CHOICE) {
            free(option_text(spec, config));
            memset(option_field(spec, config), 0, sizeof(char *));
        } else if (spec->type == OPTION_LIST) {
            option_list_release(option_field(spec, config));
        }
    }
}

static void option_help_row(const struct option_spec *spec, struct buf *buf)
{
    char left[OPTION_WHERE_BYTES];
    const char *argument = spec->argument;

    if (argument == NULL && spec->choices != NULL) {
        argument = spec->choices;
    } else if (argument == NULL && spec->type != OPTION_FLAG) {
        argument = spec->type == OPTION_U64 ? "NUMBER" : "TEXT";
    }
    int size = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", spec->letter != 0 ? '-' : ' ',
                        spec->letter != 0 ? spec->letter : ' ', spec->letter != 0 ? ", " : "  ",
                        spec->name, argument != NULL ? " " : "", argument != NULL ? argument : "");
    if (size < OPTION_HELP_COLUMN) {
        buf_printf(buf, "%-*s", OPTION_HELP_COLUMN, left);
    } else {
        buf_printf(buf, "%s\n%*s", left, OPTION_HELP_COLUMN, "");
    }
    buf_puts(buf, spec->help != NULL ? spec->help : "");
    if (spec->fallback != NULL && spec->fallback[0] != '\0') {
        buf_printf(buf, " (default: %s)", spec->fallback);
    }
    if (spec->required) {
        buf_puts(buf, " (required)");
    }
    buf_puts(buf, "\n");
}

void options_help(const struct option_spec *specs, size_t spec_count, struct buf *buf)
{
    for (size_t i = 0; i < spec_count; i++) {
        option_help_row(&specs[i], buf);
    }
}

static void option_show_text(const struct option_spec *spec, const char *text, struct buf *buf)
{
    if (spec->secret && text[0] != '\0') {
        buf_puts(buf, MASK_TEXT);
    } else {
        mask_passwords(text, buf);
    }
}

static void option_show_row(const struct option_spec *spec, const void *config, struct buf *buf)
{
    const void *field = (const char *)config + spec->offset;

    buf_printf(buf, "%s: ", spec->name);
    switch (spec->type) {
    case OPTION_TEXT:
    case OPTION_CHOICE: {
        const char *text = option_text(spec, config);
        option_show_text(spec, text != NULL ? text : "", buf);
        break;
    }
    case OPTION_FLAG: {
        bool value;
        memcpy(&value, field, sizeof(value));
        buf_puts(buf, value ? "true" : "false");
        break;
    }
    case OPTION_U64: {
        uint64_t value;
        memcpy(&value, field, sizeof(value));
        buf_printf(buf, "%" PRIu64, value);
        break;
    }
    case OPTION_LIST: {
        const struct option_list *list = field;
        buf_puts(buf, "[");
        for (size_t i = 0; i < list->count; i++) {
            buf_puts(buf, i > 0 ? ", " : "");
            option_show_text(spec, list->items[i], buf);
        }
        buf_puts(buf, "]");
        break;
    }
    }
    buf_puts(buf, "\n");
}

void options_show(const struct option_spec *specs, size_t spec_count, const void *config,
                  struct buf *buf)
{
    for (size_t i = 0; i < spec_count; i++) {
        if (!specs[i].flag_only) {
            option_show_row(&specs[i], config, buf);
        }
    }
}
