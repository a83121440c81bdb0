#include "common/rpc/rpc_peer.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>

#include "common/core/limits.h"
#include "common/core/memory.h"

enum { PEER_BYTES = TEXT_BYTES_MAX + 8 };

/* A name with a NUL inside ("root\0.example") or control characters would be read differently by
 * people and by checks: it is no name at all. */
static bool rpc_peer_is_name(const grpc_auth_property *property)
{
    if (property->value_length == 0 || property->value_length > TEXT_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < property->value_length; i++) {
        if (iscntrl((unsigned char)property->value[i])) {
            return false;
        }
    }
    return true;
}

static bool rpc_peer_find(const grpc_auth_context *context, const char *key, char *ret_name)
{
    grpc_auth_property_iterator iterator = grpc_auth_context_find_properties_by_name(context, key);
    const grpc_auth_property *property;

    while ((property = grpc_auth_property_iterator_next(&iterator)) != NULL) {
        if (rpc_peer_is_name(property)) {
            snprintf(ret_name, PEER_BYTES, "cert:%.*s", (int)property->value_length,
                     property->value);
            return true;
        }
    }
    return false;
}

/* gRPC writes "ipv6:%5B::1%5D:80". */
static void rpc_peer_unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0';) {
        if (strncmp(from, "%5B", 3) == 0) {
            *to++ = '[';
            from += 3;
        } else if (strncmp(from, "%5D", 3) == 0) {
            *to++ = ']';
            from += 3;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

char *rpc_peer_name(grpc_call *call)
{
    char name[PEER_BYTES];
    bool found = false;
    grpc_auth_context *context = grpc_call_auth_context(call);

    if (context != NULL && grpc_auth_context_peer_is_authenticated(context)) {
        found = rpc_peer_find(context, GRPC_X509_CN_PROPERTY_NAME, name) ||
                rpc_peer_find(context, GRPC_X509_SAN_PROPERTY_NAME, name);
    }
    if (context != NULL) {
        grpc_auth_context_release(context);
    }
    if (!found) {
        char *peer = grpc_call_get_peer(call);
        snprintf(name, sizeof(name), "addr:%s", peer);
        gpr_free(peer);
        rpc_peer_unescape(name);
    }
    return memory_strdup(name);
}
