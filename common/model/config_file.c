#include "common/model/config_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/quote.h"

enum { CONFIG_FILE_DEPTH_MAX = 8, CONFIG_FILE_KEY_BYTES_MAX = 255 };

/* One open map or list. */
struct config_file_level {
    bool list;
    bool key_read;   /* a map whose next event is a value */
    size_t key_size; /* of the path that leads here */
};

struct config_file_entry {
    struct option_source source;
    size_t place; /* items of one list share it: the only way a key may come again */
};

struct config_file_reader {
    const char *name;
    struct arena *arena;
    struct error *err;
    struct config_file_level levels[CONFIG_FILE_DEPTH_MAX];
    size_t depth;
    char key[CONFIG_FILE_KEY_BYTES_MAX + 1]; /* the path to where the reader is */
    size_t key_size;
    size_t place;
    size_t document_count;
    struct config_file_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
};

void config_file_release(struct config_file *file)
{
    arena_release(&file->arena);
    *file = (struct config_file){ 0 };
}

static unsigned config_file_line(const yaml_event_t *event)
{
    return (unsigned)event->start_mark.line + 1;
}

static bool config_file_fail(struct config_file_reader *reader, const yaml_event_t *event,
                             const char *problem)
{
    return error_set(reader->err, ERR_INVALID, "%s:%u: %s", reader->name, config_file_line(event),
                     problem);
}

static bool config_file_add(struct config_file_reader *reader, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (memchr(value, '\0', size) != NULL) {
        return config_file_fail(reader, event, "a value holds a NUL character");
    }
    if (reader->entry_count == CONFIG_ENTRIES_MAX) {
        return error_set(reader->err, ERR_LIMIT, "%s:%u: more than %d values", reader->name,
                         config_file_line(event), CONFIG_ENTRIES_MAX);
    }
    if (plain && (strcmp(value, "~") == 0 || strcmp(value, "null") == 0)) {
        size = 0;
    }
    reader->entries = memory_reserve(reader->entries, reader->entry_count, &reader->entry_capacity,
                                     sizeof(*reader->entries));
    reader->entries[reader->entry_count++] = (struct config_file_entry){
        .source = { .key = arena_strndup(reader->arena, reader->key, reader->key_size),
                    .value = arena_strndup(reader->arena, value, size),
                    .line = config_file_line(event) },
        .place = reader->place,
    };
    return true;
}

/* A value is complete: back to the path of what holds it. */
static void config_file_close_value(struct config_file_reader *reader)
{
    if (reader->depth > 0) {
        struct config_file_level *level = &reader->levels[reader->depth - 1];
        level->key_read = false;
        reader->key_size = level->key_size;
        reader->key[reader->key_size] = '\0';
        reader->place += level->list ? 0 : 1;
    }
}

static bool config_file_on_key(struct config_file_reader *reader, const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT) {
        return config_file_fail(reader, event, "a key must be a single word");
    }
    const char *word = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    size_t dot = reader->key_size > 0 ? 1 : 0;
    if (size == 0 || memchr(word, '\0', size) != NULL) {
        return config_file_fail(reader, event, "a key is empty or holds a NUL character");
    }
    if (dot + size > CONFIG_FILE_KEY_BYTES_MAX - reader->key_size) {
        return config_file_fail(reader, event, "a key is longer than 255 characters");
    }
    if (dot == 1) {
        reader->key[reader->key_size++] = '.';
    }
    memcpy(reader->key + reader->key_size, word, size);
    reader->key_size += size;
    reader->key[reader->key_size] = '\0';
    reader->levels[reader->depth - 1].key_read = true;
    return true;
}

static bool config_file_open(struct config_file_reader *reader, const yaml_event_t *event)
{
    if (reader->depth == CONFIG_FILE_DEPTH_MAX - 1) {
        return config_file_fail(reader, event, "nested too deeply");
    }
    reader->levels[reader->depth++] = (struct config_file_level){
        .list = event->type == YAML_SEQUENCE_START_EVENT,
        .key_size = reader->key_size,
    };
    return true;
}

static bool config_file_on_value(struct config_file_reader *reader, const yaml_event_t *event)
{
    bool scalar = event->type == YAML_SCALAR_EVENT;

    if (reader->depth == 0) {
        if (event->type == YAML_MAPPING_START_EVENT) {
            return config_file_open(reader, event);
        }
        bool empty = scalar && event->data.scalar.length == 0;
        return empty || config_file_fail(reader, event, "expected `key: value` lines");
    }
    struct config_file_level *level = &reader->levels[reader->depth - 1];
    if (level->list && !scalar) {
        return config_file_fail(reader, event, "a list may hold only single values");
    }
    if (!level->list && !level->key_read) {
        return config_file_on_key(reader, event);
    }
    if (!scalar) {
        return config_file_open(reader, event);
    }
    if (!config_file_add(reader, event)) {
        return false;
    }
    config_file_close_value(reader);
    return true;
}

static bool config_file_on_event(struct config_file_reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return config_file_on_value(reader, event);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        assert(reader->depth > 0);
        reader->depth--;
        config_file_close_value(reader);
        return true;
    case YAML_ALIAS_EVENT:
        return config_file_fail(reader, event, "aliases (*name) are not supported");
    case YAML_DOCUMENT_START_EVENT:
        if (++reader->document_count > 1) {
            return config_file_fail(reader, event, "expected one document only");
        }
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static bool config_file_run(struct config_file_reader *reader, yaml_parser_t *parser)
{
    bool ended = false;

    while (!ended) {
        yaml_event_t event;
        if (yaml_parser_parse(parser, &event) == 0) {
            char quoted[QUOTE_BYTES];
            const char *problem = parser->problem == NULL ? "cannot be read" : parser->problem;
            quote_text(problem, quoted); /* libyaml's sentences hold no foreign text; be safe */
            return error_set(reader->err, ERR_INVALID, "%s:%zu: not valid YAML: %s", reader->name,
                             parser->problem_mark.line + 1, quoted);
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        bool ok = config_file_on_event(reader, &event);
        yaml_event_delete(&event);
        if (!ok) {
            return false;
        }
    }
    return true;
}

static int config_file_compare(const void *a, const void *b)
{
    const struct config_file_entry *x = *(const struct config_file_entry *const *)a;
    const struct config_file_entry *y = *(const struct config_file_entry *const *)b;
    int order = strcmp(x->source.key, y->source.key);

    return order != 0 ? order : (x > y) - (x < y); /* the file's order */
}

static bool config_file_check_unique(const struct config_file_reader *reader)
{
    CLEANUP(memory_free)
    const struct config_file_entry **sorted =
        memory_alloc_array(reader->entry_count, sizeof(struct config_file_entry *));

    for (size_t i = 0; i < reader->entry_count; i++) {
        sorted[i] = &reader->entries[i];
    }
    qsort(sorted, reader->entry_count, sizeof(struct config_file_entry *), config_file_compare);
    for (size_t i = 1; i < reader->entry_count; i++) {
        const struct config_file_entry *first = sorted[i - 1];
        const struct config_file_entry *again = sorted[i];
        if (first->place != again->place && strcmp(first->source.key, again->source.key) == 0) {
            char quoted[QUOTE_BYTES];
            return error_set(reader->err, ERR_INVALID,
                             "%s:%u: the key %s stands in line %u already", reader->name,
                             again->source.line, quote_text(again->source.key, quoted),
                             first->source.line);
        }
    }
    return true;
}

bool config_file_parse(const char *name, struct bytes text, struct config_file *ret_file,
                       struct error *err)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    struct config_file_reader reader = { .name = name, .arena = &file.arena, .err = err };
    yaml_parser_t parser;

    if (text.size > CONFIG_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "%s: larger than %d bytes", name, CONFIG_BYTES_MAX);
    }
    if (yaml_parser_initialize(&parser) == 0) {
        abort(); /* out of memory, as in memory.h */
    }
    yaml_parser_set_input_string(&parser, text.data, text.size);
    bool ok = config_file_run(&reader, &parser) && config_file_check_unique(&reader);
    yaml_parser_delete(&parser);
    if (ok) {
        file.entries =
            arena_alloc_array(&file.arena, reader.entry_count, sizeof(struct option_source));
        file.entry_count = reader.entry_count;
        for (size_t i = 0; i < reader.entry_count; i++) {
            file.entries[i] = reader.entries[i].source;
        }
        *ret_file = TAKE(file);
    }
    free(reader.entries);
    return ok;
}

bool config_file_read(const char *path, struct config_file *ret_file, struct error *err)
{
    CLEANUP(buf_release) struct buf text = { .size_max = CONFIG_BYTES_MAX };

    return file_read(path, &text, err) && config_file_parse(path, buf_view(&text), ret_file, err);
}
