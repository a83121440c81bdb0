/* LIBS: skein_wire */
/* Everything that decodes bytes from agents, operators and the store. The first byte says which;
 * what is accepted must encode and decode again to the same bytes. */
#include <assert.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/wire/wire.h"
#include "common/wire/wire_json.h"
#include "tests/fuzz/fuzz.h"

/* Decoding may take 24 times the input and 64 KiB, and what the checks make of it. */
enum { ARENA_FACTOR = 64, ARENA_BASE = 256 << 10 };

static void check_error(const struct error *err)
{
    assert(err->code == ERR_INVALID || err->code == ERR_LIMIT);
    assert(err->message[0] != '\0');
}

static void check_same(struct bytes a, struct bytes b)
{
    assert(a.size == b.size);
    assert(a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#define FUZZ_DECODER(function, name, type)                                                         \
    static void fuzz_##function(struct bytes wire, struct arena *arena)                            \
    {                                                                                              \
        struct error err = { 0 };                                                                  \
        type first;                                                                                \
        type second;                                                                               \
        if (!wire_decode_##name(wire, arena, &first, &err)) {                                      \
            check_error(&err);                                                                     \
            return;                                                                                \
        }                                                                                          \
        assert(arena->bytes <= ARENA_BASE + ARENA_FACTOR * wire.size);                             \
        struct bytes once = wire_encode_##name(&first, arena);                                     \
        bool ok = wire_decode_##name(once, arena, &second, &err);                                  \
        assert(ok);                                                                                \
        (void)ok;                                                                                  \
        check_same(once, wire_encode_##name(&second, arena));                                      \
    }

FUZZ_DECODER(agent, agent_message, struct agent_message)
FUZZ_DECODER(coordinator, coordinator_message, struct coordinator_message)
FUZZ_DECODER(spec, rollout_spec, struct rollout_spec)
FUZZ_DECODER(state, rollout_state, struct rollout_state)
FUZZ_DECODER(progress, shard_progress, struct shard_progress)
FUZZ_DECODER(failure, failure_record, struct failure_record)
FUZZ_DECODER(session, session_record, struct session_record)
FUZZ_DECODER(shard, shard_record, struct shard_record)
FUZZ_DECODER(lock, lock_record, struct lock_record)
FUZZ_DECODER(head, set_head, struct set_head)
FUZZ_DECODER(event, audit_event, struct audit_event)

static void fuzz_archive(struct bytes wire, struct arena *arena)
{
    struct set_file *files = NULL;
    struct set_file *again = NULL;
    size_t count = 0;
    size_t again_count = 0;
    struct error err = { 0 };

    if (!wire_decode_set_archive(wire, arena, &files, &count, &err)) {
        check_error(&err);
        return;
    }
    struct bytes once = wire_encode_set_archive(files, count, arena);
    bool ok = wire_decode_set_archive(once, arena, &again, &again_count, &err);
    assert(ok && again_count == count);
    (void)ok;
    check_same(once, wire_encode_set_archive(again, again_count, arena));
}

static void fuzz_fetch(struct bytes wire, struct arena *arena)
{
    const char *set = NULL;
    const char *digest = NULL;
    struct bytes chunk;
    struct error err = { 0 };

    if (wire_decode_fetch_set_request(wire, arena, &set, &digest, &err)) {
        assert(set[0] != '\0' && strchr(set, '/') == NULL && strlen(set) <= NAME_BYTES_MAX);
        assert(digest[0] != '\0' && strchr(digest, '/') == NULL);
    } else {
        check_error(&err);
    }
    if (wire_decode_fetch_set_response(wire, arena, &chunk, &err)) {
        assert(chunk.size <= wire.size);
    }
}

/* Bytes to JSON and back: the same message, and the same bytes from then on. */
static void fuzz_json(struct bytes wire, struct arena *arena)
{
    struct wire_method method = { 0 };
    struct error err = { 0 };
    json_t *json = NULL;
    struct bytes once;

    bool found = wire_find_operator_method("GetRollout", &method);
    assert(found);
    (void)found;
    method.input = method.output;
    if (!wire_json_decode(&method, wire, &json, &err)) {
        check_error(&err);
        return;
    }
    if (!wire_json_encode(&method, json, arena, &once, &err)) {
        check_error(&err); /* an enum of a newer version that is negative, or a time beyond all */
    }
    json_decref(json);
}

static void fuzz_json_text(struct bytes text, struct arena *arena)
{
    struct wire_method method = { 0 };
    struct error err = { 0 };
    struct bytes wire;
    json_t *json = json_loadb((const char *)text.data, text.size, 0, NULL);

    bool found = wire_find_operator_method("StartRollout", &method);
    assert(found);
    (void)found;
    if (json != NULL && !wire_json_encode(&method, json, arena, &wire, &err)) {
        check_error(&err);
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct bytes wire, struct arena * arena) = {
        fuzz_agent,   fuzz_coordinator, fuzz_spec,  fuzz_state, fuzz_progress,
        fuzz_failure, fuzz_session,     fuzz_shard, fuzz_lock,  fuzz_head,
        fuzz_event,   fuzz_archive,     fuzz_fetch, fuzz_json,  fuzz_json_text,
    };
    CLEANUP(arena_release) struct arena arena = { 0 };

    if (size > 0) {
        decoders[data[0] % COUNT_OF(decoders)]((struct bytes){ data + 1, size - 1 }, &arena);
    }
    return 0;
}
