#include "agent/agent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/agent_brain.h"
#include "agent/register_desk.h"
#include "agent/check/size_guard.h"
#include "agent/control_post.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/http/http_server.h"
#include "common/model/size_text.h"
#include "common/sql/sql_script.h"

enum { AGENT_MAILBOX_EVENTS = 4096, AGENT_ACKNOWLEDGE_WAIT_MS = 2000, AGENT_ID_BYTES = 128 };

struct agent {
    struct arena arena;
    struct metrics *metrics;
    struct mailbox *inbox;
    struct sql_parser *parser;
    struct size_guard *size_guard;
    struct control_post *control;
    struct executor *executor;
    struct desk *desk;
    struct agent_brain *brain;
    struct http_server *http;
    struct rpc_tls tls;
    bool uses_tls;
    struct tenants_options tenants;
    struct tenant_register_options registry;
    struct register_desk *register_desk;
    char id[AGENT_ID_BYTES];
    uint64_t seed;
    uint64_t grace_ms;
};

static void agent_discard(void *message)
{
    struct agent_event *event = message;

    agent_event_free(&event);
}

/* Worker's thread: the arena and the result in it move into an event. */
static void agent_on_result(void *context, struct arena *arena, const struct task_result *result)
{
    struct agent *agent = context;
    struct agent_event *event = agent_event_new(AGENT_EVENT_RESULT);

    event->arena = *arena;
    event->result = *result;
    *arena = (struct arena){ 0 };
    mailbox_post_reserved(agent->inbox, event);
}

static const char *agent_text(struct agent *agent, const char *text)
{
    return arena_strdup(&agent->arena, text == NULL ? "" : text);
}

/* New at each start, so that a coordinator can tell a restarted agent from one that came back. */
static void agent_make_id(struct agent *agent)
{
    char host[65] = "";
    unsigned char salt[4] = { 0 };

    gethostname(host, sizeof(host) - 1);
    if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt)) {
        salt[0] = (unsigned char)getpid();
    }
    if (getrandom(&agent->seed, sizeof(agent->seed), 0) != (ssize_t)sizeof(agent->seed)) {
        agent->seed = (uint64_t)getpid();
    }
    snprintf(agent->id, sizeof(agent->id), "%s-%d-%02x%02x%02x%02x", host, (int)getpid(), salt[0],
             salt[1], salt[2], salt[3]);
}

static int agent_compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->key, ((const struct label *)b)->key);
}

static bool agent_make_labels(struct agent *agent, const struct option_list *list,
                              struct labels *ret_labels, struct error *err)
{
    struct label *items = arena_alloc_array(&agent->arena, list->count, sizeof(*items));

    if (list->count > LABELS_MAX) {
        return error_set(err, ERR_INVALID, "--label: more than %d labels", LABELS_MAX);
    }
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i]) {
            return error_set(err, ERR_INVALID, "--label '%s': expected KEY=VALUE", list->items[i]);
        }
        items[i].key =
            arena_strndup(&agent->arena, list->items[i], (size_t)(equals - list->items[i]));
        items[i].value = agent_text(agent, equals + 1);
    }
    qsort(items, list->count, sizeof(*items), agent_compare_labels);
    for (size_t i = 1; i < list->count; i++) {
        if (strcmp(items[i - 1].key, items[i].key) == 0) {
            return error_set(err, ERR_INVALID, "--label: '%s' is given twice", items[i].key);
        }
    }
    *ret_labels = (struct labels){ .items = items, .count = list->count };
    return true;
}

static bool agent_check_name(const char *shard, struct error *err)
{
    size_t size = strlen(shard);

    if (size == 0 || size > NAME_BYTES_MAX) {
        return error_set(err, ERR_INVALID, "--shard '%s': expected 1 to %d bytes", shard,
                         NAME_BYTES_MAX);
    }
    for (const char *c = shard; *c != '\0'; c++) {
        bool good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("-_.", *c) != NULL;
        if (!good) {
            return error_set(err, ERR_INVALID,
                             "--shard '%s': expected letters, digits, '-', '_' and '.' only",
                             shard);
        }
    }
    return true;
}

static bool agent_check_tls(struct agent *agent, const struct agent_options *options,
                            struct error *err)
{
    agent->tls = (struct rpc_tls){ .cert = agent_text(agent, options->tls_cert),
                                   .key = agent_text(agent, options->tls_key),
                                   .ca = agent_text(agent, options->tls_ca) };
    agent->uses_tls =
        agent->tls.ca[0] != '\0' || agent->tls.cert[0] != '\0' || agent->tls.key[0] != '\0';
    if (agent->uses_tls) {
        return rpc_tls_check(&agent->tls, err);
    }
    for (size_t i = 0; !options->insecure && i < options->coordinators.count; i++) {
        if (!rpc_address_is_loopback(options->coordinators.items[i])) {
            return error_set(err, ERR_INVALID,
                             "--coordinator %s is not loopback: give --tls-ca (and --tls-cert, "
                             "--tls-key), or say --insecure to talk without encryption",
                             options->coordinators.items[i]);
        }
    }
    return true;
}

static void agent_start_control(struct agent *agent, const struct agent_options *options)
{
    const struct control_desk_options desk_options = {
        .conninfo = agent_text(agent, options->postgres),
        .agent = agent->id,
        .databases = (const char *const *)options->control_databases.items,
        .database_count = options->control_databases.count,
        .statement_timeout_ms = options->statement_timeout_ms,
    };

    agent->control = control_post_start(&desk_options, agent->seed, agent->inbox);
}

/* skein-helper lies beside this program. "": it is not needed. */
static bool agent_find_helper(struct agent *agent, const struct agent_options *options,
                              const char **ret_helper, struct error *err)
{
    char path[PATH_MAX];

    *ret_helper = "";
    if (options->allow_exec.count == 0 && agent_text(agent, options->plugin_dir)[0] == '\0' &&
        agent_text(agent, options->pg_dump)[0] == '\0') {
        return true;
    }
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (size < 0) {
        return error_set(err, ERR_INTERNAL, "/proc/self/exe: %s", strerror(errno));
    }
    path[size] = '\0';
    *strrchr(path, '/') = '\0';
    *ret_helper = arena_printf(&agent->arena, "%s/skein-helper", path);
    if (access(*ret_helper, X_OK) != 0) {
        return error_set(err, ERR_INVALID,
                         "--allow-exec, --plugin-dir and --pg-dump need %s beside this program: %s",
                         *ret_helper, strerror(errno));
    }
    return true;
}

/* A relative path would mean another file tomorrow. */
static bool agent_check_paths(const struct agent_options *options, struct error *err)
{
    for (size_t i = 0; i < options->allow_exec.count; i++) {
        if (options->allow_exec.items[i][0] != '/') {
            return error_set(err, ERR_INVALID, "--allow-exec '%s': expected an absolute path",
                             options->allow_exec.items[i]);
        }
    }
    if (options->plugin_dir != NULL && strchr("/", options->plugin_dir[0]) == NULL) {
        return error_set(err, ERR_INVALID, "--plugin-dir '%s': expected an absolute path",
                         options->plugin_dir);
    }
    if (options->pg_dump != NULL && options->pg_dump[0] != '\0' &&
        (options->pg_dump[0] != '/' || access(options->pg_dump, X_OK) != 0)) {
        return error_set(err, ERR_INVALID, "--pg-dump '%s': expected the path of a program",
                         options->pg_dump);
    }
    return true;
}

static const char *const *agent_texts(struct agent *agent, const struct option_list *list)
{
    const char **texts = arena_alloc_array(&agent->arena, list->count, sizeof(*texts));

    for (size_t i = 0; i < list->count; i++) {
        texts[i] = agent_text(agent, list->items[i]);
    }
    return texts;
}

static void agent_set_tenants(struct agent *agent, const struct agent_options *options)
{
    agent->tenants = (struct tenants_options){
        .conninfo = agent_text(agent, options->postgres),
        .database_mode = strcmp(options->tenants_mode, "database") == 0,
        .match = agent_texts(agent, &options->tenants_match),
        .match_count = options->tenants_match.count,
        .exclude = agent_texts(agent, &options->tenants_exclude),
        .exclude_count = options->tenants_exclude.count,
        .query = agent_text(agent, options->tenants_query),
    };
}

static bool agent_set_registry(struct agent *agent, const struct agent_options *options,
                               struct error *err)
{
    agent->registry = (struct tenant_register_options){
        .conninfo = agent_text(agent, options->registry_postgres),
        .table = agent_text(agent, options->registry_table),
        .set = agent_text(agent, options->registry_set),
        .tenant_column = agent_text(agent, options->registry_tenant_column),
        .version_column = agent_text(agent, options->registry_version_column),
        .shard_column = agent_text(agent, options->registry_shard_column),
        .shard = agent_text(agent, options->shard),
    };
    bool any = agent->registry.conninfo[0] != '\0';
    if (any && (agent->registry.table[0] == '\0' || agent->registry.set[0] == '\0')) {
        return error_set(err, ERR_INVALID,
                         "--registry.postgres needs --registry.table and --registry.set, too");
    }
    return true;
}

static bool agent_start_executor(struct agent *agent, const struct agent_options *options,
                                 struct error *err)
{
    const char *helper = "";

    if (!agent_check_paths(options, err) || !agent_find_helper(agent, options, &helper, err)) {
        return false;
    }
    uint64_t size_limit_bytes = 0;

    if (!size_text_parse(options->size_limit, &size_limit_bytes, err)) {
        return error_wrap(err, "--size-limit");
    }
    agent->size_guard = size_guard_new(agent->parser);
    const struct executor_options executor_options = {
        .conninfo = agent->tenants.conninfo,
        .shard = agent_text(agent, options->shard),
        .agent = agent->id,
        .database_mode = agent->tenants.database_mode,
        .workers = (uint32_t)options->workers,
        .commit_group = strcmp(options->commit, "group") == 0,
        .statement_timeout_ms = options->statement_timeout_ms,
        .dry_statement_ms = options->dry_statement_ms,
        .size_guard = agent->size_guard,
        .size_limit_bytes = size_limit_bytes,
        .control = control_post_client(agent->control),
        .allow_exec = (const char *const *)options->allow_exec.items,
        .allow_exec_count = options->allow_exec.count,
        .control_databases = (const char *const *)options->control_databases.items,
        .control_database_count = options->control_databases.count,
        .state_databases = (const char *const *)options->state_databases.items,
        .state_database_count = options->state_databases.count,
        .plugin_dir = agent_text(agent, options->plugin_dir),
        .helper = helper,
        .pg_dump = agent_text(agent, options->pg_dump),
        .tenants = &agent->tenants,
        .registry = &agent->registry,
        .watch = { .enabled = true,
                   .yield_sessions = (uint32_t)options->yield_sessions,
                   .yield_after_ms = options->yield_after_ms,
                   .old_ms = options->old_transaction_ms,
                   .lag_max_ms = options->max_lag_ms,
                   .disk_min_percent = options->min_disk_percent,
                   .connections_min = options->min_connections,
                   .active_max = options->max_active },
        .on_result = agent_on_result,
        .context = agent,
    };

    return executor_start(&executor_options, &agent->executor, err);
}

static void agent_start_desk(struct agent *agent, const struct agent_options *options)
{
    const struct desk_options desk_options = {
        .tenants = agent->tenants,
        .shard = agent_text(agent, options->pg_dump)[0] == '\0' ? NULL
                                                                : agent_text(agent, options->shard),
        .refresh_interval_ms = options->refresh_ms,
        .inbox = agent->inbox,
        .parser = agent->parser,
    };

    agent->desk = desk_start(&desk_options);
}

static void agent_start_brain(struct agent *agent, const struct agent_options *options,
                              const struct labels *labels)
{
    const struct agent_brain_parts parts = {
        .inbox = agent->inbox,
        .executor = agent->executor,
        .control = agent->control,
        .desk = agent->desk,
        .register_desk = agent->register_desk,
        .metrics = agent->metrics,
        .line = { .addresses = options->coordinators.items,
                  .address_count = options->coordinators.count,
                  .tls = agent->uses_tls ? &agent->tls : NULL,
                  .loopback_only = !agent->uses_tls && !options->insecure,
                  .inbox = agent->inbox },
        .shard = agent_text(agent, options->shard),
        .agent = agent->id,
        .labels = *labels,
        .workers = (uint32_t)options->workers,
        .seed = agent->seed,
    };

    agent->brain = agent_brain_start(&parts);
}

static bool agent_is_healthy(void *context, char reason[256])
{
    (void)context;
    reason[0] = '\0';
    return true;
}

static bool agent_is_ready(void *context, char reason[256])
{
    struct agent *agent = context;

    return agent_brain_is_ready(agent->brain, reason);
}

static bool agent_start_http(struct agent *agent, const struct agent_options *options,
                             struct error *err)
{
    const struct http_server_options http_options = { .listen = options->http,
                                                      .metrics = agent->metrics,
                                                      .is_healthy = agent_is_healthy,
                                                      .is_ready = agent_is_ready,
                                                      .context = agent };

    if (options->http == NULL || options->http[0] == '\0') {
        return true;
    }
    if (!http_server_start(&http_options, &agent->http, err)) {
        return error_wrap(err, "--http");
    }
    return true;
}

bool agent_start(const struct agent_options *options, struct agent **ret_agent, struct error *err)
{
    struct agent *agent = memory_alloc(sizeof(*agent));
    struct labels labels = { 0 };

    agent->grace_ms = options->grace_ms;
    agent_set_tenants(agent, options);
    agent_make_id(agent);
    agent->metrics = metrics_new();
    agent->inbox = mailbox_new(AGENT_MAILBOX_EVENTS, agent_discard);
    if (!agent_check_name(options->shard, err) || !agent_check_tls(agent, options, err) ||
        !agent_make_labels(agent, &options->labels, &labels, err) ||
        !agent_set_registry(agent, options, err)) {
        agent_stop(&agent);
        return false;
    }
    agent_start_control(agent, options);
    agent->parser = sql_parser_new();
    if (!agent_start_executor(agent, options, err)) {
        agent_stop(&agent);
        return false;
    }
    agent_start_desk(agent, options);
    agent->register_desk = register_desk_start(&agent->registry, agent->inbox);
    agent_start_brain(agent, options, &labels);
    if (!agent_start_http(agent, options, err)) {
        agent_stop(&agent);
        return false;
    }
    log_info("agent_started", "version=%s shard=%s agent=%s workers=%u commit=%s tenants=%s",
             SKEIN_VERSION, options->shard, agent->id, (unsigned)options->workers, options->commit,
             options->tenants_mode);
    *ret_agent = agent;
    return true;
}

/* Accepts one that is half built. The order: take no new tasks; let running ones end; wait until
 * their results are acknowledged; then close the line. What is not acknowledged by then is in the
 * journals, where the next agent finds it. */
void agent_stop(struct agent **pointer)
{
    struct agent *agent = *pointer;

    if (agent == NULL) {
        return;
    }
    http_server_free(&agent->http);
    if (agent->brain != NULL) {
        agent_brain_drain(agent->brain);
        executor_stop(agent->executor, agent->grace_ms);
        agent_brain_stop(&agent->brain, AGENT_ACKNOWLEDGE_WAIT_MS);
    } else if (agent->executor != NULL) {
        executor_stop(agent->executor, 0);
    }
    mailbox_close(agent->inbox);
    executor_free(&agent->executor);
    size_guard_free(&agent->size_guard);
    control_post_stop(&agent->control);
    register_desk_stop(&agent->register_desk);
    desk_stop(&agent->desk);
    mailbox_free(&agent->inbox);
    if (agent->parser != NULL) {
        sql_parser_free(&agent->parser);
    }
    metrics_free(&agent->metrics);
    arena_release(&agent->arena);
    free(agent);
    *pointer = NULL;
}
