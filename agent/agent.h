/* agent.h - the agent of one shard: one brain thread between the coordinator and the workers.
 *
 * The brain owns the uplink, the shelf of sets and the list of results that the coordinator has not
 * acknowledged. It keeps nothing on disk: what was applied stands in the tenants' journals. */
#ifndef SKEIN_AGENT_AGENT_H
#define SKEIN_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/options.h"

struct agent;

struct agent_options {
    struct option_list coordinators;
    char *shard;
    struct option_list labels; /* KEY=VALUE */
    char *postgres;
    char *tenants_mode; /* "schema" or "database" */
    struct option_list tenants_match;
    struct option_list tenants_exclude;
    char *tenants_query;
    char *registry_postgres;
    char *registry_table;
    char *registry_set;
    char *registry_tenant_column;
    char *registry_version_column;
    char *registry_shard_column;
    struct option_list control_databases;
    struct option_list state_databases; /* patterns */
    uint64_t workers;
    char *commit; /* "single" or "group" */
    uint64_t statement_timeout_ms;
    uint64_t dry_statement_ms;
    uint64_t yield_sessions;
    uint64_t yield_after_ms;
    uint64_t old_transaction_ms;
    uint64_t max_lag_ms;
    uint64_t min_disk_percent;
    uint64_t min_connections;
    uint64_t max_active;
    char *size_limit;
    struct option_list allow_exec; /* patterns of programs */
    char *plugin_dir;
    char *pg_dump;
    uint64_t refresh_ms;
    uint64_t grace_ms;
    char *http;
    char *tls_cert;
    char *tls_key;
    char *tls_ca;
    bool insecure;
    char *log_level;
    char *config;
    bool help, version;
};

MUST_CHECK bool agent_start(const struct agent_options *options, struct agent **ret_agent,
                            struct error *err);
/* Lets running tasks end within the grace period, hands the rest back, joins. */
void agent_stop(struct agent **pointer);

#endif
