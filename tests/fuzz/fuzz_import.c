/* LIBS: skein_import skein_lint skein_sql skein_model */
/* A tool's folder as one text: its first line is the tool, a line "=== PATH" begins a file. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/import/import.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_FILES_MAX = 64 };

/* One thread for all inputs, as in a program; it lives as long as the process. */
static struct sql_parser *fuzz_parser(void)
{
    static struct sql_parser *parser;

    if (parser == NULL) {
        parser = sql_parser_new();
    }
    return parser;
}

static size_t split(char *text, char *end, struct set_file files[FUZZ_FILES_MAX])
{
    size_t count = 0;

    while (text < end) {
        char *line_end = memchr(text, '\n', (size_t)(end - text));
        char *next = line_end == NULL ? end : line_end + 1;
        if (line_end != NULL && line_end - text >= 4 && memcmp(text, "=== ", 4) == 0) {
            if (count == FUZZ_FILES_MAX) {
                break;
            }
            *line_end = '\0';
            files[count].path = text + 4;
            files[count].content = (struct bytes){ (const uint8_t *)next, 0 };
            count++;
        } else if (count > 0) {
            files[count - 1].content.size += (size_t)(next - text);
        }
        text = next;
    }
    return count;
}

/* Whatever comes out is a set, and each of its versions is found again by its key. */
static void check(enum ledger_tool tool, const struct import_result *result)
{
    CLEANUP(set_release) struct set set = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct error err = { 0 };
    char version[SEMVER_BYTES_MAX + 1];

    assert(set_parse(result->files, result->file_count, "fuzz", &set, &err));
    assert(set.migration_count == result->migration_count);
    if (!ledger_check_set(tool, &set, &err)) {
        return; /* a name that is not UTF-8 has no line */
    }
    for (size_t i = 0; i < set.migration_count; i++) {
        const struct ledger_row row = { ledger_key(tool, &set.migrations[i], &arena), LEDGER_UP_TO,
                                        "" };
        assert(ledger_entry(tool, &set.migrations[i], &arena) != NULL);
        assert(!ledger_judge(tool, &set, &row, 1, version, &err) ||
               strcmp(version, set.migrations[i].version_text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(import_result_release) struct import_result result = { 0 };
    struct set_file files[FUZZ_FILES_MAX];
    char *const placeholders[] = { "a=b", "prefix=" };
    struct error err = { 0 };
    char *text = malloc(size + 1);
    char *end = text == NULL ? NULL : memchr(data, '\n', size) == NULL ? NULL : text + size;

    if (end == NULL) {
        free(text);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *line_end = memchr(text, '\n', size);
    *line_end = '\0';
    struct import_request request = { .tool = ledger_tool_find(text),
                                      .set_name = "fuzz",
                                      .files = files,
                                      .placeholders = placeholders,
                                      .placeholder_count = COUNT_OF(placeholders),
                                      .parser = fuzz_parser() };
    request.file_count = split(line_end + 1, end, files);
    if (request.tool == LEDGER_NONE) {
        /* nothing */
    } else if (import_run(&request, &result, &err)) {
        check(request.tool, &result);
    } else {
        assert(err.message[0] != '\0');
    }
    free(text);
    return 0;
}
