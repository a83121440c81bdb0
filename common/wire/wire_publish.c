/* PublishSet from the command's side; the coordinator's is in coordinator/serve. */
#include "common/wire/wire.h"

#include "common/wire/wire_codec.h"
#include "skein/v1/operator.pb-c.h"

struct bytes wire_encode_publish_set_request(struct bytes chunk, bool dry_run, const char *reason,
                                             struct arena *arena)
{
    Skein__V1__PublishSetRequest request;

    skein__v1__publish_set_request__init(&request);
    request.chunk.data = (uint8_t *)(uintptr_t)chunk.data;
    request.chunk.len = chunk.size;
    request.dry_run = dry_run;
    request.reason = wire_codec_borrow(reason);
    return wire_codec_pack(&request.base, arena);
}
