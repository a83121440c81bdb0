#include "common/import/import_marks.h"

#include <ctype.h>
#include <string.h>

/* What stands behind "--" and blanks; false where the line does not begin with "--". */
static bool import_marks_comment(struct bytes line, struct bytes *ret_words)
{
    size_t at = 2;
    size_t end = line.size;

    if (line.size < 2 || memcmp(line.data, "--", 2) != 0) {
        return false;
    }
    while (at < end && isspace(line.data[at])) {
        at++;
    }
    while (end > at && isspace(line.data[end - 1])) {
        end--;
    }
    *ret_words = (struct bytes){ line.data + at, end - at };
    return true;
}

static bool import_marks_begins(struct bytes words, const char *mark)
{
    size_t size = strlen(mark);

    return words.size >= size && strncasecmp((const char *)words.data, mark, size) == 0 &&
           (words.size == size || isspace(words.data[size]));
}

static bool import_marks_is(struct bytes words, const char *mark)
{
    return words.size == strlen(mark) && import_marks_begins(words, mark);
}

static bool import_marks_is_comment(struct bytes line)
{
    size_t at = 0;

    while (at < line.size && isspace(line.data[at])) {
        at++;
    }
    return at == line.size || (line.size - at >= 2 && memcmp(line.data + at, "--", 2) == 0);
}

/* The part of a text from where `lines` stands; its end is set when the next mark is found. */
static struct import_script import_marks_open(const struct import_lines *lines, struct bytes words)
{
    static const char no_transaction[] = "transaction:false";

    return (struct import_script){
        .text = { (const uint8_t *)lines->at, (size_t)(lines->end - lines->at) },
        .line = lines->number,
        .outside = words.size > 0 && memmem(words.data, words.size, no_transaction,
                                            sizeof(no_transaction) - 1) != NULL,
    };
}

bool import_marks_dbmate(struct bytes text, struct import_marks *ret_marks, uint32_t *ret_line,
                         struct error *err)
{
    struct import_lines lines = import_lines_of(text);
    struct import_marks marks = { 0 };
    struct bytes line;
    struct bytes words;
    bool has_up = false;

    while (import_next_line(&lines, &line)) {
        bool comment = import_marks_comment(line, &words);
        *ret_line = lines.number;
        if (comment && import_marks_begins(words, "migrate:up")) {
            if (has_up) {
                return error_set(err, ERR_INVALID, "a second '-- migrate:up'");
            }
            has_up = true;
            marks.up = import_marks_open(&lines, words);
        } else if (comment && import_marks_begins(words, "migrate:down")) {
            if (!has_up || marks.has_down) {
                return error_set(err, ERR_INVALID,
                                 "'-- migrate:down' without '-- migrate:up' "
                                 "before it, or a second one");
            }
            marks.has_down = true;
            marks.up.text.size = (size_t)(line.data - marks.up.text.data);
            marks.down = import_marks_open(&lines, words);
        } else if (!has_up && !import_marks_is_comment(line)) {
            return error_set(err, ERR_INVALID, "something before '-- migrate:up'");
        }
    }
    *ret_marks = marks;
    return has_up || error_set(err, ERR_INVALID, "no '-- migrate:up'");
}

/* ---- goose ---- */

enum import_goose_mark {
    IMPORT_GOOSE_UP,
    IMPORT_GOOSE_DOWN,
    IMPORT_GOOSE_BEGIN,
    IMPORT_GOOSE_END,
    IMPORT_GOOSE_NO_TRANSACTION,
    IMPORT_GOOSE_VARIABLES,
    IMPORT_GOOSE_NO_VARIABLES,
    IMPORT_GOOSE_NONE,
};

static const char *const import_goose_marks[IMPORT_GOOSE_NONE] = {
    [IMPORT_GOOSE_UP] = "+goose Up",
    [IMPORT_GOOSE_DOWN] = "+goose Down",
    [IMPORT_GOOSE_BEGIN] = "+goose StatementBegin",
    [IMPORT_GOOSE_END] = "+goose StatementEnd",
    [IMPORT_GOOSE_NO_TRANSACTION] = "+goose NO TRANSACTION",
    [IMPORT_GOOSE_VARIABLES] = "+goose ENVSUBST ON",
    [IMPORT_GOOSE_NO_VARIABLES] = "+goose ENVSUBST OFF",
};

struct import_goose_reader {
    struct import_marks marks;
    struct import_script *part; /* the one that is open */
    char *filled;               /* of the part: its text without the marks */
    bool in_statement;
    bool outside;
    struct arena *arena;
};

static enum import_goose_mark import_goose_mark_of(struct bytes line)
{
    struct bytes words;

    for (size_t i = 0; i < IMPORT_GOOSE_NONE && import_marks_comment(line, &words); i++) {
        if (import_marks_is(words, import_goose_marks[i])) {
            return (enum import_goose_mark)i;
        }
    }
    return IMPORT_GOOSE_NONE;
}

static void import_goose_open(struct import_goose_reader *reader, struct import_script *part,
                              const struct import_lines *lines)
{
    reader->filled = arena_alloc(reader->arena, (size_t)(lines->end - lines->at) + 2);
    *part = (struct import_script){ .text = { (const uint8_t *)reader->filled, 0 },
                                    .line = lines->number };
    reader->part = part;
}

/* Marks become empty lines, so that the others keep their numbers. */
static bool import_goose_line(struct import_goose_reader *reader, const struct import_lines *lines,
                              struct bytes line, struct error *err)
{
    struct import_marks *marks = &reader->marks;
    enum import_goose_mark mark = import_goose_mark_of(line);

    switch (mark) {
    case IMPORT_GOOSE_UP:
        if (reader->part != NULL) {
            return error_set(err, ERR_INVALID, "a second '-- +goose Up'");
        }
        import_goose_open(reader, &marks->up, lines);
        return true;
    case IMPORT_GOOSE_DOWN:
        if (reader->part != &marks->up || reader->in_statement) {
            return error_set(err, ERR_INVALID,
                             "'-- +goose Down' without '-- +goose Up' before it, "
                             "or inside a statement");
        }
        marks->has_down = true;
        import_goose_open(reader, &marks->down, lines);
        return true;
    case IMPORT_GOOSE_BEGIN:
    case IMPORT_GOOSE_END:
        if (reader->part == NULL || reader->in_statement != (mark == IMPORT_GOOSE_END)) {
            return error_set(err, ERR_INVALID,
                             "'-- +goose StatementBegin' and 'StatementEnd' do not pair up");
        }
        reader->in_statement = mark == IMPORT_GOOSE_BEGIN;
        break;
    case IMPORT_GOOSE_NO_TRANSACTION:
        reader->outside = true;
        break;
    case IMPORT_GOOSE_VARIABLES:
        marks->variables_line = lines->number;
        break;
    case IMPORT_GOOSE_NO_VARIABLES:
        break;
    case IMPORT_GOOSE_NONE:
        if (reader->part == NULL) {
            return import_marks_is_comment(line) ||
                   error_set(err, ERR_INVALID, "something before '-- +goose Up'");
        }
        memcpy(reader->filled + reader->part->text.size, line.data, line.size);
        reader->part->text.size += line.size;
        break;
    }
    if (reader->part != NULL) {
        reader->filled[reader->part->text.size++] = '\n';
    }
    return true;
}

bool import_marks_goose(struct bytes text, struct arena *arena, struct import_marks *ret_marks,
                        uint32_t *ret_line, struct error *err)
{
    struct import_goose_reader reader = { .arena = arena };
    struct import_lines lines = import_lines_of(text);
    struct bytes line;

    while (import_next_line(&lines, &line)) {
        *ret_line = lines.number;
        if (!import_goose_line(&reader, &lines, line, err)) {
            return false;
        }
    }
    if (reader.part == NULL || reader.in_statement) {
        return error_set(err, ERR_INVALID,
                         reader.part == NULL ? "no '-- +goose Up'" : "no '-- +goose StatementEnd'");
    }
    reader.marks.up.outside = reader.outside;
    reader.marks.down.outside = reader.outside;
    *ret_marks = reader.marks;
    return true;
}

bool import_marks_name(const char *base, const char *ending, struct arena *arena,
                       const char **ret_key, const char **ret_name)
{
    size_t digits = strspn(base, "0123456789");

    if (digits == 0 || !import_ends_with(base + digits, ending)) {
        return false;
    }
    const char *rest = base + digits + (base[digits] == '_' || base[digits] == '-' ? 1 : 0);
    size_t size = strlen(base) - strlen(ending);
    *ret_key = arena_strndup(arena, base, digits);
    *ret_name = (size_t)(rest - base) >= size
                    ? ""
                    : arena_strndup(arena, rest, size - (size_t)(rest - base));
    return true;
}
