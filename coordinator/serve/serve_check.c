#include "coordinator/serve/serve_check.h"

#include <stdio.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "skein/v1/agent.pb-c.h"
#include "skein/v1/operator.pb-c.h"

enum { PATH_BYTES = 256 };

static const ProtobufCServiceDescriptor *const serve_check_services[] = {
    &skein__v1__agent_service__descriptor,
    &skein__v1__operator_service__descriptor,
    &grpc__health__v1__health__descriptor,
    &grpc__reflection__v1__server_reflection__descriptor,
    &grpc__reflection__v1alpha__server_reflection__descriptor,
};

static size_t serve_check_count(const struct rpc_method *methods, size_t count, const char *path)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        found += strcmp(methods[i].path, path) == 0;
    }
    return found;
}

bool serve_check(const struct rpc_method *methods, size_t count, struct error *err)
{
    size_t known = 0;

    for (size_t s = 0; s < COUNT_OF(serve_check_services); s++) {
        const ProtobufCServiceDescriptor *service = serve_check_services[s];
        for (unsigned m = 0; m < service->n_methods; m++) {
            char path[PATH_BYTES];
            snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[m].name);
            size_t found = serve_check_count(methods, count, path);
            if (found != 1) {
                return error_set(err, ERR_INTERNAL, "method %s has %zu handlers, not one", path,
                                 found);
            }
            known++;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (methods[i].handler == NULL || methods[i].handler->on_open == NULL ||
            methods[i].handler->on_message == NULL || methods[i].handler->on_closed == NULL) {
            return error_set(err, ERR_INTERNAL, "method %s lacks a function", methods[i].path);
        }
    }
    if (known != count) {
        return error_set(err, ERR_INTERNAL, "%zu handlers for the %zu methods of the protos", count,
                         known);
    }
    return true;
}

bool serve_check_is_service(const char *name)
{
    for (size_t s = 0; s < COUNT_OF(serve_check_services); s++) {
        if (strcmp(serve_check_services[s]->name, name) == 0) {
            return true;
        }
    }
    return false;
}
