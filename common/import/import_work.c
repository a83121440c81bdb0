#include "common/import/import_work.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/model/quote.h"

static void import_remark(struct import_work *work, bool problem, const char *file, uint32_t line,
                          const char *format, va_list arguments) PRINTF(5, 0);

static void import_remark(struct import_work *work, bool problem, const char *file, uint32_t line,
                          const char *format, va_list arguments)
{
    struct error sentence = { 0 };

    work->problem_count += problem ? 1 : 0;
    if (work->remark_count == IMPORT_REMARKS_MAX) {
        return;
    }
    if (work->remarks == NULL) {
        work->remarks = arena_alloc_array(work->arena, IMPORT_REMARKS_MAX, sizeof(*work->remarks));
    }
    (void)error_set_v(&sentence, ERR_INVALID, format, arguments);
    work->remarks[work->remark_count++] = (struct import_remark){
        .problem = problem,
        .file = arena_strdup(work->arena, file),
        .line = line,
        .text = arena_strdup(work->arena, sentence.message),
    };
}

void import_note(struct import_work *work, const char *file, uint32_t line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    import_remark(work, false, file, line, format, arguments);
    va_end(arguments);
}

void import_problem(struct import_work *work, const char *file, uint32_t line, const char *format,
                    ...)
{
    va_list arguments;

    va_start(arguments, format);
    import_remark(work, true, file, line, format, arguments);
    va_end(arguments);
}

struct import_migration *import_add_version(struct import_work *work, const char *version,
                                            const char *key, const char *name, json_t *ledger)
{
    char *text = NULL;
    json_t *whole = json_pack("{s:s}", "key", key); /* first, for people */

    if (whole != NULL && json_object_update(whole, ledger) == 0) {
        text = json_dumps(whole, JSON_COMPACT);
    }
    json_decref(whole);
    json_decref(ledger);
    work->migrations = memory_reserve(work->migrations, work->migration_count,
                                      &work->migration_capacity, sizeof(*work->migrations));
    struct import_migration *migration = &work->migrations[work->migration_count++];
    *migration = (struct import_migration){ .version = arena_strdup(work->arena, version),
                                            .name = arena_strdup(work->arena, name),
                                            .ledger = arena_strdup(work->arena, text) };
    free(text);
    return migration;
}

struct import_migration *import_add(struct import_work *work, const char *file, const char *key,
                                    const char *name, json_t *ledger)
{
    char version[SEMVER_BYTES_MAX + 1];
    struct error err = { 0 };

    if (!ledger_version(work->request->tool, key, version, &err)) {
        json_decref(ledger);
        import_problem(work, file, 0, "its version %s", err.message);
        return NULL;
    }
    return import_add_version(work, version, key, name, ledger);
}

void import_add_repeatable(struct import_work *work, const struct set_file *file, const char *name)
{
    work->repeatables = memory_reserve(work->repeatables, work->repeatable_count,
                                       &work->repeatable_capacity, sizeof(*work->repeatables));
    work->repeatables[work->repeatable_count++] = (struct import_repeatable){
        .name = arena_strdup(work->arena, name),
        .script = { .file = file->path, .text = file->content },
    };
}

struct import_lines import_lines_of(struct bytes text)
{
    const char *data = (const char *)text.data;

    return (struct import_lines){ .at = data, .end = text.size == 0 ? data : data + text.size };
}

bool import_next_line(struct import_lines *lines, struct bytes *ret_line)
{
    if (lines->at == lines->end) {
        return false;
    }
    const char *feed = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    const char *end = feed == NULL ? lines->end : feed;
    size_t size = (size_t)(end - lines->at);

    size -= size > 0 && end[-1] == '\r' ? 1 : 0;
    *ret_line = (struct bytes){ (const uint8_t *)lines->at, size };
    lines->at = feed == NULL ? lines->end : feed + 1;
    lines->number++;
    return true;
}

const char *import_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

const struct set_file *import_find(const struct import_work *work, const char *path)
{
    for (size_t i = 0; i < work->request->file_count; i++) {
        if (strcmp(work->request->files[i].path, path) == 0) {
            return &work->request->files[i];
        }
    }
    return NULL;
}

bool import_ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text);
    size_t ending_size = strlen(ending);

    return size >= ending_size && strcmp(text + size - ending_size, ending) == 0;
}

bool import_is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (!isspace(line.data[i])) {
            return false;
        }
    }
    return true;
}

static void import_trim(struct bytes *text)
{
    while (text->size > 0 && isspace(text->data[0])) {
        text->data++;
        text->size--;
    }
    while (text->size > 0 && isspace(text->data[text->size - 1])) {
        text->size--;
    }
}

static bool import_takes(struct bytes *text, const char *word)
{
    size_t size = strlen(word);

    import_trim(text);
    if (text->size < size || strncasecmp((const char *)text->data, word, size) != 0) {
        return false;
    }
    text->data += size;
    text->size -= size;
    import_trim(text);
    return true;
}

bool import_read_setting(struct bytes line, const char *key, const char *value)
{
    return import_takes(&line, key) && (import_takes(&line, "=") || import_takes(&line, ":")) &&
           import_takes(&line, value) && line.size == 0;
}
