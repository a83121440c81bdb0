#include "common/import/sqitch_plan.h"

#include <ctype.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/import/import_work.h"
#include "common/model/checksum.h"
#include "common/model/quote.h"

enum { SQITCH_TIME_BYTES = 20 };

struct sqitch_reader {
    struct sqitch_plan plan;
    struct arena *arena;
    uint32_t line;
    struct error *err;
};

static bool sqitch_fail(const struct sqitch_reader *reader, const char *expected)
{
    return error_set(reader->err, ERR_INVALID, "sqitch.plan:%u: %s", reader->line, expected);
}

static struct bytes sqitch_trim(struct bytes text)
{
    while (text.size > 0 && isspace(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && isspace(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

static const char *sqitch_copy(const struct sqitch_reader *reader, struct bytes text)
{
    return arena_strndup(reader->arena, (const char *)text.data, text.size);
}

/* Up to the first of `stops`, which are left; `text` goes on there. */
static struct bytes sqitch_take(struct bytes *text, const char *stops)
{
    struct bytes taken = { text->data, 0 };

    while (taken.size < text->size &&
           (text->data[taken.size] == '\0' || strchr(stops, text->data[taken.size]) == NULL)) {
        taken.size++;
    }
    text->data += taken.size;
    text->size -= taken.size;
    return taken;
}

/* \n, \r and \\ stand for what they say. */
static const char *sqitch_note(const struct sqitch_reader *reader, struct bytes text)
{
    char *note = arena_strndup(reader->arena, (const char *)text.data, text.size);
    size_t size = 0;

    for (const char *at = note; *at != '\0'; at++) {
        char c = *at;
        if (c == '\\' && at[1] != '\0' && strchr("nr\\", at[1]) != NULL) {
            at++;
            c = *at;
            if (c == 'n') {
                c = '\n';
            } else if (c == 'r') {
                c = '\r';
            }
        }
        note[size++] = c;
    }
    note[size] = '\0';
    return note;
}

/* ---- what a dependency means ---- */

static const struct sqitch_tag *sqitch_find_tag(const struct sqitch_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->tag_count; i++) {
        if (strcmp(plan->tags[i].name, name) == 0) {
            return &plan->tags[i];
        }
    }
    return NULL;
}

/* The last change of that name, as of a tag if it names one. */
static const char *sqitch_resolve(const struct sqitch_reader *reader, const char *text)
{
    const struct sqitch_plan *plan = &reader->plan;
    const char *at = strchr(text, '@');
    const struct sqitch_tag *tag = at == NULL ? NULL : sqitch_find_tag(plan, at);
    size_t size = at == NULL ? strlen(text) : (size_t)(at - text);
    size_t last = tag == NULL ? plan->change_count : tag->change + 1;

    if (strchr(text, ':') != NULL || (at != NULL && tag == NULL)) {
        return NULL;
    }
    for (size_t i = last; i > 0; i--) {
        const struct sqitch_change *change = &plan->changes[i - 1];
        if (size == 0 || strcmp(change->id, text) == 0 ||
            (strlen(change->name) == size && memcmp(change->name, text, size) == 0)) {
            return change->id;
        }
    }
    return NULL;
}

static bool sqitch_read_dependencies(struct sqitch_reader *reader, struct bytes text,
                                     struct sqitch_change *change)
{
    struct sqitch_dependency *list =
        arena_alloc_array(reader->arena, text.size / 2 + 1, sizeof(*list));

    for (text = sqitch_trim(text); text.size > 0; text = sqitch_trim(text)) {
        const char *word = sqitch_copy(reader, sqitch_take(&text, " \t"));
        const size_t own = strlen(reader->plan.project);
        struct sqitch_dependency *dependency = &list[change->dependency_count];

        dependency->conflict = *word == '!';
        word += dependency->conflict ? 1 : 0;
        if (strncmp(word, reader->plan.project, own) == 0 && word[own] == ':') {
            word += own + 1; /* this very project */
        }
        if (*word == '\0') {
            return sqitch_fail(reader, "an empty dependency");
        }
        dependency->text = word;
        dependency->id = dependency->conflict ? NULL : sqitch_resolve(reader, word);
        change->dependency_count++;
    }
    change->dependencies = list;
    return true;
}

/* ---- the id ---- */

static void sqitch_list_dependencies(const struct sqitch_change *change, bool conflicts,
                                     struct buf *buf)
{
    bool first = true;

    for (size_t i = 0; i < change->dependency_count; i++) {
        if (change->dependencies[i].conflict == conflicts) {
            buf_printf(buf, "%s\n  %c %s",
                       !first      ? ""
                       : conflicts ? "\nconflicts"
                                   : "\nrequires",
                       conflicts ? '-' : '+', change->dependencies[i].text);
            first = false;
        }
    }
}

/* SHA-1 over a description of the change, which names the change before it. */
static void sqitch_identify(const struct sqitch_reader *reader, struct sqitch_change *change)
{
    CLEANUP(buf_release) struct buf text = { .size_max = SCRIPT_BYTES_MAX };
    const struct sqitch_plan *plan = &reader->plan;
    char *id = arena_alloc(reader->arena, CHECKSUM_SHA1_TEXT_BYTES);

    buf_printf(&text, "project %s", plan->project);
    if (plan->uri[0] != '\0') {
        buf_printf(&text, "\nuri %s", plan->uri);
    }
    buf_printf(&text, "\nchange %s", change->name);
    if (plan->change_count > 0) {
        buf_printf(&text, "\nparent %s", plan->changes[plan->change_count - 1].id);
    }
    buf_printf(&text, "\nplanner %s <%s>\ndate %s", change->planner_name, change->planner_email,
               change->planned_at);
    sqitch_list_dependencies(change, false, &text);
    sqitch_list_dependencies(change, true, &text);
    if (change->note[0] != '\0') {
        buf_printf(&text, "\n\n%s", change->note);
    }
    checksum_sha1_text(arena_printf(reader->arena, "change %zu", text.size), buf_view(&text), id);
    change->id = id;
}

/* ---- lines ---- */

/* Where a name comes again, the scripts of the one before got the name of the tag between. */
static void sqitch_rework(struct sqitch_reader *reader, const char *name)
{
    struct sqitch_plan *plan = &reader->plan;

    for (size_t i = plan->change_count; i > 0; i--) {
        struct sqitch_change *change = &plan->changes[i - 1];
        if (strcmp(change->name, name) != 0) {
            continue;
        }
        for (size_t t = 0; t < plan->tag_count; t++) {
            if (plan->tags[t].change >= i - 1) {
                change->file = arena_printf(reader->arena, "%s%s", name, plan->tags[t].name);
                return;
            }
        }
        return;
    }
}

static bool sqitch_is_time(struct bytes text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

    if (text.size != SQITCH_TIME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool fits = form[i] == 'd' ? isdigit(text.data[i]) : text.data[i] == (uint8_t)form[i];
        if (!fits) {
            return false;
        }
    }
    return true;
}

/* 2024-01-31T12:00:00Z Name <mail> */
static bool sqitch_read_planner(struct sqitch_reader *reader, struct bytes text,
                                struct sqitch_change *change)
{
    struct bytes time = sqitch_take(&text, " \t");
    struct bytes name = sqitch_trim(sqitch_take(&text, "<"));

    if (!sqitch_is_time(time) || name.size == 0 || text.size < 3 ||
        text.data[text.size - 1] != '>') {
        return sqitch_fail(reader,
                           "expected a time such as 2024-01-31T12:00:00Z, a name and <mail>");
    }
    change->planned_at = sqitch_copy(reader, time);
    change->planner_name = sqitch_copy(reader, name);
    change->planner_email = sqitch_copy(reader, (struct bytes){ text.data + 1, text.size - 2 });
    return true;
}

static bool sqitch_read_tag(struct sqitch_reader *reader, struct bytes text)
{
    struct sqitch_plan *plan = &reader->plan;
    const char *name = sqitch_copy(reader, sqitch_take(&text, " \t"));

    if (plan->change_count == 0 || name[1] == '\0' || sqitch_find_tag(plan, name) != NULL) {
        return sqitch_fail(reader, "a tag without a change before it, or for the second time");
    }
    plan->tags[plan->tag_count++] =
        (struct sqitch_tag){ .name = name, .change = plan->change_count - 1 };
    return true;
}

static bool sqitch_read_change(struct sqitch_reader *reader, struct bytes text, const char *note)
{
    struct sqitch_plan *plan = &reader->plan;
    struct sqitch_change change = { .note = note, .line = reader->line };

    if (text.data[0] == '-') {
        return sqitch_fail(reader, "lines with a '-' in front are not understood");
    }
    if (text.data[0] == '+') {
        text = sqitch_trim((struct bytes){ text.data + 1, text.size - 1 });
    }
    change.name = sqitch_copy(reader, sqitch_take(&text, " \t["));
    change.file = change.name;
    text = sqitch_trim(text);
    if (change.name[0] == '\0') {
        return sqitch_fail(reader, "expected a change's name");
    }
    if (text.size > 0 && text.data[0] == '[') {
        text.data++;
        text.size--;
        struct bytes list = sqitch_take(&text, "]");
        if (text.size == 0) {
            return sqitch_fail(reader, "expected ']' behind the dependencies");
        }
        if (!sqitch_read_dependencies(reader, list, &change)) {
            return false;
        }
        text = sqitch_trim((struct bytes){ text.data + 1, text.size - 1 });
    }
    if (!sqitch_read_planner(reader, text, &change)) {
        return false;
    }
    sqitch_rework(reader, change.name);
    sqitch_identify(reader, &change);
    plan->changes[plan->change_count++] = change;
    return true;
}

/* %name=value */
static bool sqitch_read_pragma(struct sqitch_reader *reader, struct bytes text)
{
    text.data++;
    text.size--;
    struct bytes name = sqitch_trim(sqitch_take(&text, "="));
    const char *value =
        text.size == 0
            ? ""
            : sqitch_copy(reader, sqitch_trim((struct bytes){ text.data + 1, text.size - 1 }));

    if (name.size == 7 && memcmp(name.data, "project", 7) == 0) {
        reader->plan.project = value;
    } else if (name.size == 3 && memcmp(name.data, "uri", 3) == 0) {
        reader->plan.uri = value;
    }
    return reader->plan.change_count == 0 ||
           sqitch_fail(reader, "a pragma behind the first change");
}

static bool sqitch_read_line(struct sqitch_reader *reader, struct bytes line)
{
    struct bytes rest = line;
    struct bytes text = sqitch_trim(sqitch_take(&rest, "#"));
    const char *note = "";

    if (text.size == 0) {
        return true; /* blank, or a comment */
    }
    if (rest.size > 0) {
        note = sqitch_note(reader, sqitch_trim((struct bytes){ rest.data + 1, rest.size - 1 }));
    }
    if (memchr(line.data, '\0', line.size) != NULL) {
        return sqitch_fail(reader, "a NUL byte");
    }
    if (text.data[0] == '%') {
        return sqitch_read_pragma(reader, text);
    }
    if (reader->plan.project[0] == '\0') {
        return sqitch_fail(reader, "expected %project=NAME before the first change");
    }
    return text.data[0] == '@' ? sqitch_read_tag(reader, text)
                               : sqitch_read_change(reader, text, note);
}

bool sqitch_plan_parse(struct bytes text, struct arena *arena, struct sqitch_plan *ret_plan,
                       struct error *err)
{
    struct sqitch_reader reader = { .plan = { .project = "", .uri = "" },
                                    .arena = arena,
                                    .err = err };
    struct import_lines lines = import_lines_of(text);
    struct bytes line;
    size_t most = 1;

    for (size_t i = 0; i < text.size; i++) {
        most += text.data[i] == '\n' ? 1 : 0;
    }
    if (most > SET_FILES_MAX) {
        return error_set(err, ERR_LIMIT, "sqitch.plan has more than %d lines", SET_FILES_MAX);
    }
    reader.plan.changes = arena_alloc_array(arena, most, sizeof(*reader.plan.changes));
    reader.plan.tags = arena_alloc_array(arena, most, sizeof(*reader.plan.tags));
    while (import_next_line(&lines, &line)) {
        reader.line = lines.number;
        if (!sqitch_read_line(&reader, line)) {
            return false;
        }
    }
    *ret_plan = reader.plan;
    return true;
}
