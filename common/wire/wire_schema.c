#include "common/wire/wire_schema.h"

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"

Skein__V1__SchemaRequest *wire_schema_of_request(const struct schema_request *request,
                                                 struct arena *arena)
{
    Skein__V1__SchemaRequest *message =
        wire_codec_new(&skein__v1__schema_request__descriptor, arena);

    message->request = request->request;
    message->tenants = wire_parts_of_texts(request->tenants, request->tenant_count, arena);
    message->n_tenants = request->tenant_count;
    message->lines = request->lines;
    return message;
}

const char *const *wire_schema_to_tenants(struct wire_check *check, char *const *tenants,
                                          size_t count, bool lines, struct arena *arena)
{
    const size_t most = lines ? 1 : SCHEMAS_PER_CALL_MAX;

    wire_check_number(check, "tenants", count, most);
    if (count == 0) {
        wire_check_fail(check, "tenants", "none is named");
    }
    if (check->failed) {
        return NULL;
    }
    const char **names = arena_alloc_array(arena, count, sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        names[i] = wire_check_key(check, "tenants", tenants[i]);
    }
    return names;
}

struct schema_request wire_schema_to_request(struct wire_check *check,
                                             const Skein__V1__SchemaRequest *request,
                                             struct arena *arena)
{
    check->message = "SchemaRequest";
    return (struct schema_request){
        .request = request->request,
        .tenants = wire_schema_to_tenants(check, request->tenants, request->n_tenants,
                                          request->lines != 0, arena),
        .tenant_count = request->n_tenants,
        .lines = request->lines != 0,
    };
}

Skein__V1__TenantSchema **wire_schema_of_items(const struct tenant_schema *items, size_t count,
                                               struct arena *arena)
{
    Skein__V1__TenantSchema **messages =
        arena_alloc_array(arena, count, sizeof(Skein__V1__TenantSchema *));

    for (size_t i = 0; i < count; i++) {
        Skein__V1__TenantSchema *to = wire_codec_new(&skein__v1__tenant_schema__descriptor, arena);
        to->tenant = wire_codec_borrow(items[i].tenant);
        to->digest = wire_codec_borrow(items[i].digest);
        to->n_lines = items[i].line_count;
        to->lines = arena_alloc_array(arena, items[i].line_count, sizeof(*to->lines));
        for (size_t l = 0; l < items[i].line_count; l++) {
            to->lines[l] = wire_codec_text(arena, items[i].lines[l], TEXT_BYTES_MAX);
        }
        to->error = wire_codec_text(arena, items[i].error, ERROR_BYTES_MAX);
        messages[i] = to;
    }
    return messages;
}

Skein__V1__SchemaReply *wire_schema_of_reply(const struct schema_reply *reply, struct arena *arena)
{
    Skein__V1__SchemaReply *message = wire_codec_new(&skein__v1__schema_reply__descriptor, arena);

    message->request = reply->request;
    message->schemas = wire_schema_of_items(reply->items, reply->count, arena);
    message->n_schemas = reply->count;
    message->error = wire_codec_text(arena, reply->error, ERROR_BYTES_MAX);
    return message;
}

static struct tenant_schema wire_schema_to_item(struct wire_check *check,
                                                const Skein__V1__TenantSchema *item,
                                                struct arena *arena)
{
    wire_check_number(check, "lines", item->n_lines, FINGERPRINT_LINES_MAX);
    const char **lines = arena_alloc_array(arena, item->n_lines, sizeof(*lines));

    for (size_t i = 0; i < item->n_lines && !check->failed; i++) {
        lines[i] = wire_check_text(check, "lines", item->lines[i], TEXT_BYTES_MAX);
    }
    return (struct tenant_schema){
        .tenant = wire_check_key(check, "tenant", item->tenant),
        .digest = wire_check_text(check, "digest", item->digest, FINGERPRINT_BYTES),
        .lines = lines,
        .line_count = item->n_lines,
        .error = wire_check_text(check, "error", item->error, ERROR_BYTES_MAX),
    };
}

struct schema_reply wire_schema_to_reply(struct wire_check *check,
                                         const Skein__V1__SchemaReply *reply, struct arena *arena)
{
    check->message = "SchemaReply";
    wire_check_number(check, "schemas", reply->n_schemas, SCHEMAS_PER_CALL_MAX);
    struct tenant_schema *items = arena_alloc_array(arena, reply->n_schemas, sizeof(*items));

    for (size_t i = 0; i < reply->n_schemas && !check->failed; i++) {
        items[i] = wire_schema_to_item(check, reply->schemas[i], arena);
    }
    return (struct schema_reply){
        .request = reply->request,
        .items = items,
        .count = reply->n_schemas,
        .error = wire_check_text(check, "error", reply->error, ERROR_BYTES_MAX),
    };
}
