#include "common/model/state_position.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void state_position_decref(json_t **json)
{
    json_decref(*json);
}

static bool state_position_parse_notes(const json_t *notes, struct arena *arena,
                                       struct state_position *position)
{
    size_t count = json_array_size(notes);

    if (count > STATE_NAMED_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *stream = NULL;
        const char *words = NULL;
        int registry = 0;

        if (json_unpack((json_t *)(uintptr_t)json_array_get(notes, i), "{s:s, s:s, s:b}", "stream",
                        &stream, "words", &words, "registry", &registry) != 0) {
            return false;
        }
        position->notes[i] = (struct state_note){ .stream = arena_strdup(arena, stream),
                                                  .words = arena_strdup(arena, words),
                                                  .registry = registry != 0 };
    }
    position->note_count = count;
    return true;
}

static bool state_position_parse_pending(const json_t *pending, struct arena *arena,
                                         struct state_position *position)
{
    size_t count = json_array_size(pending);
    const char **streams = arena_alloc_array(arena, count + 1, sizeof(*streams));

    for (size_t i = 0; i < count; i++) {
        const char *stream = json_string_value(json_array_get(pending, i));

        if (stream == NULL) {
            return false;
        }
        streams[i] = arena_strdup(arena, stream);
    }
    position->pending = streams;
    position->pending_count = count;
    return true;
}

bool state_position_parse(const char *json, struct arena *arena,
                          struct state_position *ret_position, struct error *err)
{
    __attribute__((cleanup(state_position_decref))) json_t *root = NULL;
    json_t *pending = NULL;
    json_t *notes = NULL;
    const char *after = NULL;
    json_int_t counts[4] = { 0 };
    struct state_position position = { .after = "" };

    if (json[0] == '\0') {
        *ret_position = position;
        return true;
    }
    root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL ||
        json_unpack(root, "{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "after", &after, "migrated",
                    &counts[0], "skipped", &counts[1], "errors", &counts[2], "warnings", &counts[3],
                    "pending", &pending, "notes", &notes) != 0 ||
        !state_position_parse_pending(pending, arena, &position) ||
        !state_position_parse_notes(notes, arena, &position)) {
        return error_set(err, ERR_INVALID, "the journal's position of the operation is not ours");
    }
    position.after = arena_strdup(arena, after);
    position.migrated = (uint64_t)counts[0];
    position.skipped = (uint64_t)counts[1];
    position.errors = (uint64_t)counts[2];
    position.warnings = (uint64_t)counts[3];
    *ret_position = position;
    return true;
}

void state_position_put(const struct state_position *position, struct buf *buf)
{
    json_t *pending = json_array();
    json_t *notes = json_array();

    for (size_t i = 0; i < position->pending_count; i++) {
        (void)json_array_append_new(pending, json_string(position->pending[i]));
    }
    for (size_t i = 0; i < position->note_count; i++) {
        const struct state_note *note = &position->notes[i];

        (void)json_array_append_new(notes,
                                    json_pack("{s:s, s:s, s:b}", "stream", note->stream, "words",
                                              note->words, "registry", note->registry ? 1 : 0));
    }
    json_t *root =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "after", position->after, "migrated",
                  (json_int_t)position->migrated, "skipped", (json_int_t)position->skipped,
                  "errors", (json_int_t)position->errors, "warnings",
                  (json_int_t)position->warnings, "pending", pending, "notes", notes);
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);

    (void)buf_puts(buf, text == NULL ? "" : text);
    free(text);
    json_decref(root);
}

/* At most so many bytes of it, and no half character. */
static const char *state_position_cut(struct arena *arena, const char *text)
{
    size_t size = strlen(text);

    if (size > STATE_WORDS_BYTES_MAX) {
        size = STATE_WORDS_BYTES_MAX;
        while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80) {
            size--;
        }
    }
    return arena_strndup(arena, text, size);
}

void state_position_note(struct state_position *position, struct arena *arena, const char *stream,
                         const char *words, bool registry)
{
    if (registry) {
        position->warnings++;
    } else {
        position->errors++;
    }
    if (position->note_count < STATE_NAMED_MAX) {
        position->notes[position->note_count++] =
            (struct state_note){ .stream = arena_strdup(arena, stream),
                                 .words = state_position_cut(arena, words),
                                 .registry = registry };
    }
}
