/* coordinator.h - the coordinator: one brain thread between gRPC, the store and the decisions.
 *
 * coordinator_start returns when the ports are open; the rest happens on the brain thread, which
 * owns the fleet, the flush and the leadership. */
#ifndef SKEIN_COORDINATOR_COORDINATOR_H
#define SKEIN_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"

struct coordinator;

struct coordinator_options {
    char *listen;
    char *advertise; /* "" for the address that `listen` chose */
    char *name;
    char *http; /* "" for none */
    char *store;
    char *store_prefix;
    char *store_user;
    char *store_password;
    char *store_tls_cert;
    char *store_tls_key;
    char *store_tls_ca;
    char *data_dir;
    char *tls_cert;
    char *tls_key;
    char *tls_ca;
    bool insecure;
    char *log_level;
    char *config;
    bool help, version;
    uint64_t grace_ms;
};

MUST_CHECK bool coordinator_start(const struct coordinator_options *options,
                                  struct coordinator **ret_coordinator, struct error *err);
/* The ports that were chosen; http is 0 without one. */
void coordinator_ports(const struct coordinator *coordinator, int *ret_grpc, int *ret_http);
/* Gives leadership away, writes what is decided, ends the calls within the grace period, joins. */
void coordinator_stop(struct coordinator **pointer);

#endif
