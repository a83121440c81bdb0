/* A set as it travels: SetArchive, and FetchSet around it. */
#include "common/wire/wire.h"

#include "common/core/limits.h"
#include "common/wire/wire_check.h"
#include "common/wire/wire_codec.h"
#include "skein/v1/agent.pb-c.h"
#include "skein/v1/model.pb-c.h"

static ProtobufCBinaryData wire_set_borrow(struct bytes bytes)
{
    return (ProtobufCBinaryData){ bytes.size, (uint8_t *)(uintptr_t)bytes.data };
}

struct bytes wire_encode_set_archive(const struct set_file *files, size_t count,
                                     struct arena *arena)
{
    Skein__V1__SetArchive archive;

    skein__v1__set_archive__init(&archive);
    archive.n_files = count;
    archive.files = arena_alloc_array(arena, count, sizeof(Skein__V1__SetArchive__File *));
    for (size_t i = 0; i < count; i++) {
        archive.files[i] = wire_codec_new(&skein__v1__set_archive__file__descriptor, arena);
        archive.files[i]->path = wire_codec_borrow(files[i].path);
        archive.files[i]->content = wire_set_borrow(files[i].content);
    }
    return wire_codec_pack(&archive.base, arena);
}

bool wire_decode_set_archive(struct bytes wire, struct arena *arena, struct set_file **ret_files,
                             size_t *ret_count, struct error *err)
{
    struct wire_check check = { .message = "SetArchive", .err = err };

    if (wire.size > SET_ARCHIVE_BYTES_MAX) {
        return error_set(err, ERR_LIMIT, "SetArchive: %zu bytes, at most %d are allowed", wire.size,
                         SET_ARCHIVE_BYTES_MAX);
    }
    const Skein__V1__SetArchive *from =
        wire_codec_unpack(&skein__v1__set_archive__descriptor, wire, arena, err);
    if (from == NULL) {
        return false;
    }
    wire_check_number(&check, "files", from->n_files, SET_FILES_MAX);
    if (check.failed) {
        return false;
    }
    struct set_file *files = arena_alloc_array(arena, from->n_files, sizeof(*files));
    check.list = "files";
    for (size_t i = 0; i < from->n_files; i++) {
        const Skein__V1__SetArchive__File *file = from->files[i];
        check.index = i;
        files[i].path = wire_check_text(&check, "path", file->path, TEXT_BYTES_MAX);
        files[i].content = (struct bytes){ file->content.data, file->content.len };
        wire_check_number(&check, "content", file->content.len, SCRIPT_BYTES_MAX);
    }
    if (check.failed) {
        return false;
    }
    *ret_files = files;
    *ret_count = from->n_files;
    return true;
}

struct bytes wire_encode_fetch_set_request(const char *set, const char *digest, struct arena *arena)
{
    Skein__V1__FetchSetRequest request;

    skein__v1__fetch_set_request__init(&request);
    request.set = wire_codec_borrow(set);
    request.digest = wire_codec_borrow(digest);
    return wire_codec_pack(&request.base, arena);
}

bool wire_decode_fetch_set_request(struct bytes wire, struct arena *arena, const char **ret_set,
                                   const char **ret_digest, struct error *err)
{
    struct wire_check check = { .message = "FetchSetRequest", .err = err };
    const Skein__V1__FetchSetRequest *from =
        wire_codec_unpack(&skein__v1__fetch_set_request__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    wire_check_key(&check, "set", from->set);
    wire_check_key(&check, "digest", from->digest);
    if (check.failed) {
        return false;
    }
    *ret_set = from->set;
    *ret_digest = from->digest;
    return true;
}

struct bytes wire_encode_fetch_set_response(struct bytes chunk, struct arena *arena)
{
    Skein__V1__FetchSetResponse response;

    skein__v1__fetch_set_response__init(&response);
    response.chunk = wire_set_borrow(chunk);
    return wire_codec_pack(&response.base, arena);
}

bool wire_decode_fetch_set_response(struct bytes wire, struct arena *arena, struct bytes *ret_chunk,
                                    struct error *err)
{
    const Skein__V1__FetchSetResponse *from =
        wire_codec_unpack(&skein__v1__fetch_set_response__descriptor, wire, arena, err);

    if (from == NULL) {
        return false;
    }
    *ret_chunk = (struct bytes){ from->chunk.data, from->chunk.len };
    return true;
}
