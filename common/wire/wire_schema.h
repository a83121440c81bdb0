/* wire_schema.h - the messages by which an agent is asked what its tenants' schemas are.
 *
 * Pure. As wire_parts.h. */
#ifndef SKEIN_COMMON_WIRE_WIRE_SCHEMA_H
#define SKEIN_COMMON_WIRE_WIRE_SCHEMA_H

#include "common/wire/wire_parts.h"

Skein__V1__SchemaRequest *wire_schema_of_request(const struct schema_request *request,
                                                 struct arena *arena);
struct schema_request wire_schema_to_request(struct wire_check *check,
                                             const Skein__V1__SchemaRequest *request,
                                             struct arena *arena);
Skein__V1__SchemaReply *wire_schema_of_reply(const struct schema_reply *reply, struct arena *arena);
struct schema_reply wire_schema_to_reply(struct wire_check *check,
                                         const Skein__V1__SchemaReply *reply, struct arena *arena);

/* What both of the requests have: 1 to SCHEMAS_PER_CALL_MAX names, and lines of one only. */
const char *const *wire_schema_to_tenants(struct wire_check *check, char *const *tenants,
                                          size_t count, bool lines, struct arena *arena);
Skein__V1__TenantSchema **wire_schema_of_items(const struct tenant_schema *items, size_t count,
                                               struct arena *arena);

#endif
