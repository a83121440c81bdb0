#include "coordinator/coordinator.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/http/http_server.h"
#include "common/sql/sql_script.h"
#include "coordinator/brain.h"
#include "coordinator/serve/reflection.h"
#include "coordinator/serve/serve_check.h"
#include "coordinator/store/archive_fetch.h"

enum { COORDINATOR_METHODS_MAX = 64, COORDINATOR_ADDRESS_BYTES = 256 };

struct coordinator {
    struct metrics *metrics;
    struct mailbox *inbox;
    struct store *store;
    struct sql_parser *parser;
    struct leader_view *leader;
    struct agent_service *agents;
    struct operator_service *operators;
    struct health *health;
    struct reflection *reflection;
    struct rpc_server *server;
    struct http_server *http;
    struct brain *brain;
    char *store_prefix;
    char *tls_cert, *tls_key, *tls_ca;
    struct rpc_tls tls;
    char address[COORDINATOR_ADDRESS_BYTES];
    uint64_t grace_ms;
};

static void coordinator_discard(void *message)
{
    struct event *event = message;

    event_free(&event);
}

static size_t coordinator_measure(const void *message)
{
    return event_bytes(message);
}

static void coordinator_fetch(void *context, const char *set, const char *digest, set_fetched *done,
                              void *user)
{
    struct coordinator *coordinator = context;

    archive_fetch(coordinator->store, coordinator->store_prefix, set, digest, done, user);
}

static bool coordinator_open_store(struct coordinator *coordinator,
                                   const struct coordinator_options *options, struct error *err)
{
    CLEANUP(memory_free) char *fallback = NULL;
    const char *location = options->store;

    if (location == NULL || location[0] == '\0') {
        const char *folder = options->data_dir == NULL ? "." : options->data_dir;
        size_t size = strlen(folder) + sizeof("sqlite:/skein.db");
        fallback = memory_alloc(size);
        snprintf(fallback, size, "sqlite:%s/skein.db", folder);
        location = fallback;
    }
    const struct store_options store_options = {
        .location = location,
        .tls_cert = options->store_tls_cert == NULL ? "" : options->store_tls_cert,
        .tls_key = options->store_tls_key == NULL ? "" : options->store_tls_key,
        .tls_ca = options->store_tls_ca == NULL ? "" : options->store_tls_ca,
        .user = options->store_user == NULL ? "" : options->store_user,
        .password = options->store_password == NULL ? "" : options->store_password,
    };
    if (!store_open(&store_options, &coordinator->store, err)) {
        return error_wrap(err, "--store");
    }
    return true;
}

static bool coordinator_check_tls(struct coordinator *coordinator,
                                  const struct coordinator_options *options, struct error *err)
{
    coordinator->tls_cert = memory_strdup(options->tls_cert == NULL ? "" : options->tls_cert);
    coordinator->tls_key = memory_strdup(options->tls_key == NULL ? "" : options->tls_key);
    coordinator->tls_ca = memory_strdup(options->tls_ca == NULL ? "" : options->tls_ca);
    coordinator->tls = (struct rpc_tls){ .cert = coordinator->tls_cert,
                                         .key = coordinator->tls_key,
                                         .ca = coordinator->tls_ca };
    if (coordinator->tls_cert[0] != '\0' || coordinator->tls_key[0] != '\0' ||
        coordinator->tls_ca[0] != '\0') {
        if (coordinator->tls_cert[0] == '\0' || coordinator->tls_key[0] == '\0') {
            return error_set(err, ERR_INVALID,
                             "--tls-cert and --tls-key belong together: give both");
        }
        return rpc_tls_check(&coordinator->tls, err);
    }
    if (!options->insecure && !rpc_address_is_loopback(options->listen)) {
        return error_set(err, ERR_INVALID,
                         "--listen %s is not loopback: give --tls-cert and --tls-key, or say "
                         "--insecure to serve without encryption",
                         options->listen);
    }
    return true;
}

static bool coordinator_serve(struct coordinator *coordinator,
                              const struct coordinator_options *options, struct error *err)
{
    struct rpc_method methods[COORDINATOR_METHODS_MAX];
    size_t count = 0;

    agent_service_methods(coordinator->agents, methods);
    count += AGENT_SERVICE_METHODS;
    count += operator_service_methods(coordinator->operators, methods + count);
    count += health_methods(coordinator->health, methods + count);
    count += reflection_methods(coordinator->reflection, methods + count);
    const struct rpc_server_options server_options = {
        .listen = options->listen,
        .tls = coordinator->tls_cert[0] == '\0' ? NULL : &coordinator->tls,
        .methods = methods,
        .method_count = count,
    };
    return serve_check(methods, count, err) &&
           rpc_server_start(&server_options, &coordinator->server, err);
}

/* HOST:PORT as others reach it: --advertise, or --listen with the port that was chosen. */
static void coordinator_set_address(struct coordinator *coordinator,
                                    const struct coordinator_options *options)
{
    const char *colon = strrchr(options->listen, ':');

    if (options->advertise != NULL && options->advertise[0] != '\0') {
        snprintf(coordinator->address, sizeof(coordinator->address), "%s", options->advertise);
    } else {
        snprintf(coordinator->address, sizeof(coordinator->address), "%.*s:%d",
                 (int)(colon == NULL ? 0 : colon - options->listen), options->listen,
                 rpc_server_port(coordinator->server));
    }
}

static bool coordinator_is_healthy(void *context, char reason[256])
{
    (void)context;
    reason[0] = '\0';
    return true;
}

static bool coordinator_is_ready(void *context, char reason[256])
{
    struct coordinator *coordinator = context;

    return brain_is_ready(coordinator->brain, reason);
}

static bool coordinator_start_http(struct coordinator *coordinator,
                                   const struct coordinator_options *options, struct error *err)
{
    const struct http_server_options http_options = {
        .listen = options->http,
        .metrics = coordinator->metrics,
        .is_healthy = coordinator_is_healthy,
        .is_ready = coordinator_is_ready,
        .context = coordinator,
    };

    if (options->http == NULL || options->http[0] == '\0') {
        return true;
    }
    return http_server_start(&http_options, &coordinator->http, err);
}

static void coordinator_make_parts(struct coordinator *coordinator)
{
    const struct set_source source = { .fetch = coordinator_fetch, .context = coordinator };

    coordinator->metrics = metrics_new();
    coordinator->inbox = mailbox_new(MAILBOX_EVENTS_MAX, coordinator_discard);
    mailbox_bound_bytes(coordinator->inbox, MAILBOX_BYTES_MAX, coordinator_measure);
    coordinator->parser = sql_parser_new();
    coordinator->leader = leader_view_new();
    coordinator->agents = agent_service_new(coordinator->inbox, coordinator->leader, &source);
    coordinator->operators =
        operator_service_new(coordinator->inbox, coordinator->leader, coordinator->parser);
    coordinator->health = health_new();
    coordinator->reflection = reflection_new();
}

static void coordinator_start_brain(struct coordinator *coordinator)
{
    const struct brain_parts parts = {
        .inbox = coordinator->inbox,
        .store = coordinator->store,
        .store_prefix = coordinator->store_prefix,
        .address = coordinator->address,
        .metrics = coordinator->metrics,
        .leader = coordinator->leader,
        .agents = coordinator->agents,
        .operators = coordinator->operators,
        .health = coordinator->health,
    };

    coordinator->brain = brain_start(&parts);
}

bool coordinator_start(const struct coordinator_options *options,
                       struct coordinator **ret_coordinator, struct error *err)
{
    struct coordinator *coordinator = memory_alloc(sizeof(*coordinator));

    coordinator->grace_ms = options->grace_ms;
    coordinator->store_prefix = memory_strdup(options->store_prefix);
    if (!coordinator_check_tls(coordinator, options, err) ||
        !coordinator_open_store(coordinator, options, err)) {
        coordinator_stop(&coordinator);
        return false;
    }
    coordinator_make_parts(coordinator);
    if (!coordinator_serve(coordinator, options, err)) {
        coordinator_stop(&coordinator);
        return error_wrap(err, "--listen");
    }
    coordinator_set_address(coordinator, options);
    coordinator_start_brain(coordinator);
    if (!coordinator_start_http(coordinator, options, err)) {
        coordinator_stop(&coordinator);
        return error_wrap(err, "--http");
    }
    log_info("coordinator_started", "version=%s name=%s listen=%s advertise=%s store=%s",
             SKEIN_VERSION, options->name, options->listen, coordinator->address,
             store_location(coordinator->store));
    *ret_coordinator = coordinator;
    return true;
}

void coordinator_ports(const struct coordinator *coordinator, int *ret_grpc, int *ret_http)
{
    *ret_grpc = rpc_server_port(coordinator->server);
    *ret_http = coordinator->http == NULL ? 0 : http_server_port(coordinator->http);
}

/* Accepts one that is half built. The order: no new readiness answers; decisions written, calls
 * ended and leadership given away; then the server, so that nobody can post any more. */
void coordinator_stop(struct coordinator **pointer)
{
    struct coordinator *coordinator = *pointer;

    if (coordinator == NULL) {
        return;
    }
    http_server_free(&coordinator->http);
    brain_stop(&coordinator->brain);
    if (coordinator->inbox != NULL) {
        mailbox_close(coordinator->inbox);
    }
    if (coordinator->server != NULL) {
        rpc_server_stop(coordinator->server, coordinator->grace_ms);
    }
    rpc_server_free(&coordinator->server);
    store_free(&coordinator->store);
    if (coordinator->agents != NULL) {
        agent_service_free(&coordinator->agents);
        operator_service_free(&coordinator->operators);
        health_free(&coordinator->health);
        reflection_free(&coordinator->reflection);
        leader_view_free(&coordinator->leader);
        sql_parser_free(&coordinator->parser);
        mailbox_free(&coordinator->inbox);
        metrics_free(&coordinator->metrics);
    }
    free(coordinator->store_prefix);
    free(coordinator->tls_cert);
    free(coordinator->tls_key);
    free(coordinator->tls_ca);
    free(coordinator);
    *pointer = NULL;
}
