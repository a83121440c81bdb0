/* wire.h - bytes of protobuf <-> the structs of common/model/message.h.
 *
 * Pure. Decoding validates: sizes against limits.h, enums, UTF-8, names; ERR_INVALID names the
 * message, the field and the value. Decoded messages live in the given arena; encoded bytes too. */
#ifndef SKEIN_COMMON_WIRE_WIRE_H
#define SKEIN_COMMON_WIRE_WIRE_H

#include <stdbool.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/error.h"
#include "common/model/message.h"
#include "common/model/set.h"

struct bytes wire_encode_agent_message(const struct agent_message *message, struct arena *arena);
MUST_CHECK bool wire_decode_agent_message(struct bytes wire, struct arena *arena,
                                          struct agent_message *ret_message, struct error *err);
struct bytes wire_encode_coordinator_message(const struct coordinator_message *message,
                                             struct arena *arena);
MUST_CHECK bool wire_decode_coordinator_message(struct bytes wire, struct arena *arena,
                                                struct coordinator_message *ret_message,
                                                struct error *err);

/* What the store keeps: wire_encode_<x>(const struct <x> *, arena), wire_decode_<x>(bytes, arena,
 * ret, err). */
#define WIRE_RECORD(name)                                                                          \
    struct bytes wire_encode_##name(const struct name *record, struct arena *arena);               \
    MUST_CHECK bool wire_decode_##name(struct bytes wire, struct arena *arena,                     \
                                       struct name *ret_record, struct error *err)
WIRE_RECORD(rollout_spec);
WIRE_RECORD(rollout_state);
WIRE_RECORD(shard_progress);
WIRE_RECORD(rollout_measures);
WIRE_RECORD(failure_record);
WIRE_RECORD(session_record);
WIRE_RECORD(shard_record);
WIRE_RECORD(lock_record);
WIRE_RECORD(token_base);
WIRE_RECORD(set_head);
WIRE_RECORD(audit_event);
#undef WIRE_RECORD

/* A set's archive (SetArchive). Decoding borrows nothing from `wire`. */
struct bytes wire_encode_set_archive(const struct set_file *files, size_t count,
                                     struct arena *arena);
MUST_CHECK bool wire_decode_set_archive(struct bytes wire, struct arena *arena,
                                        struct set_file **ret_files, size_t *ret_count,
                                        struct error *err);

/* FetchSet, from the agent's side. */
struct bytes wire_encode_fetch_set_request(const char *set, const char *digest,
                                           struct arena *arena);
MUST_CHECK bool wire_decode_fetch_set_request(struct bytes wire, struct arena *arena,
                                              const char **ret_set, const char **ret_digest,
                                              struct error *err);
struct bytes wire_encode_fetch_set_response(struct bytes chunk, struct arena *arena);
MUST_CHECK bool wire_decode_fetch_set_response(struct bytes wire, struct arena *arena,
                                               struct bytes *ret_chunk, struct error *err);

/* One chunk of PublishSet, from the command's side. */
struct bytes wire_encode_publish_set_request(struct bytes chunk, bool dry_run, const char *reason,
                                             struct arena *arena);

#endif
