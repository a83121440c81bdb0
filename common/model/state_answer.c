#include "common/model/state_answer.h"

#include <jansson.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/quote.h"

static void state_answer_decref(json_t **json)
{
    json_decref(*json);
}

bool state_answer_parse(struct bytes line, const char *stream, struct arena *arena,
                        struct state_answer *ret_answer, struct error *err)
{
    __attribute__((cleanup(state_answer_decref))) json_t *root = json_loadb(
        (const char *)line.data, line.size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    const char *name = json_string_value(json_object_get(root, "stream"));
    const json_t *state = json_object_get(root, "state");
    const json_t *problem = json_object_get(root, "error");
    bool skips = json_is_true(json_object_get(root, "skip"));
    char said[QUOTE_BYTES];
    char wanted[QUOTE_BYTES];

    if (name == NULL || strcmp(name, stream) != 0) {
        return error_set(
            err, ERR_INVALID, "answered %s, expected one line of JSON with \"stream\": %s",
            quote_bytes((const char *)line.data, line.size, said), quote_text(stream, wanted));
    }
    if ((state != NULL ? 1 : 0) + (problem != NULL ? 1 : 0) + (skips ? 1 : 0) != 1 ||
        (problem != NULL && !json_is_string(problem))) {
        return error_set(err, ERR_INVALID,
                         "answered %s, expected one of \"state\", \"skip\": true and \"error\": "
                         "\"...\" beside the stream",
                         quote_bytes((const char *)line.data, line.size, said));
    }
    *ret_answer = (struct state_answer){
        .outcome = skips           ? STATE_SKIPPED
                   : state != NULL ? STATE_MIGRATED
                                   : STATE_FAILED,
        .text = skips           ? NULL
                : state != NULL ? arena_strndup(arena, (const char *)line.data, line.size)
                                : arena_strdup(arena, json_string_value(problem)),
    };
    if (state != NULL && line.size > STATE_RESULT_BYTES_MAX) {
        *ret_answer = (struct state_answer){ .outcome = STATE_FAILED,
                                             .text = "its state is larger than 1 MiB" };
    }
    return true;
}
