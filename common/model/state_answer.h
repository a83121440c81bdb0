/* state_answer.h - what a program that folds streams says of one of them: a line of JSON.
 *
 * Pure. {"stream": ID, "state": JSON}, {"stream": ID, "skip": true} or {"stream": ID, "error":
 * "words"}. */
#ifndef SKEIN_COMMON_MODEL_STATE_ANSWER_H
#define SKEIN_COMMON_MODEL_STATE_ANSWER_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"

enum state_outcome {
    STATE_MIGRATED, /* `text` is JSON, an object whose "state" is the new state: the numbers in it
                       are the server's to read, which loses no digit of them */
    STATE_SKIPPED,  /* nothing to be done for it */
    STATE_FAILED,   /* `text` says why */
};

struct state_answer {
    enum state_outcome outcome;
    const char *text; /* NULL of what is skipped */
};

/* `line` without its end; `stream` is the one that it has to be about. The text lives in the arena.
 * ERR_INVALID: the program does not speak as it should. */
MUST_CHECK bool state_answer_parse(struct bytes line, const char *stream, struct arena *arena,
                                   struct state_answer *ret_answer, struct error *err);

#endif
