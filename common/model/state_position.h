/* state_position.h - how far an operation of the kind state has come, as the JSON that the journal
 * keeps of it.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_STATE_POSITION_H
#define SKEIN_COMMON_MODEL_STATE_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/core/limits.h"

/* A stream of which there is something to tell. */
struct state_note {
    const char *stream;
    const char *words;
    bool registry; /* it was migrated, but its registry entry was not rewritten: a warning */
};

struct state_position {
    const char *after; /* the last stream that was looked at; "": none was */
    uint64_t migrated, skipped, errors, warnings;
    /* Streams whose snapshots are written and whose registry entries may not have been rewritten
     * yet. */
    const char *const *pending;
    size_t pending_count;
    struct state_note notes[STATE_NAMED_MAX]; /* the first of them */
    size_t note_count;
};

/* `json` "" is the beginning. Texts live in the arena. ERR_INVALID for what state_position_put has
 * not written. */
MUST_CHECK bool state_position_parse(const char *json, struct arena *arena,
                                     struct state_position *ret_position, struct error *err);
void state_position_put(const struct state_position *position, struct buf *buf);

/* Counts the stream, and notes it where there is room. Copies into the arena; words are cut to
 * STATE_WORDS_BYTES_MAX. */
void state_position_note(struct state_position *position, struct arena *arena, const char *stream,
                         const char *words, bool registry);

#endif
