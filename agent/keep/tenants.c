#include "agent/keep/tenants.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/keep/fingerprint.h"
#include "agent/keep/journal.h"
#include "agent/keep/tenant_rows.h"
#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/model/selector.h"
#include "common/pg/pg_conn.h"

struct tenants_reader {
    struct arena arena; /* owns the options' texts */
    struct tenants_options options;
    struct pg_conn *conn;          /* to conninfo's database; NULL until needed */
    struct tenants_snapshot known; /* database mode: the last read, for what cannot be read */
    char trouble[TEXT_BYTES_MAX];
};

/* One tenant database during a read; filled by one of the reader's threads. */
struct tenants_database {
    const char *name;
    struct pg_result *rows;
    struct error err;
};

struct tenants_sweep {
    const char *conninfo;
    pthread_mutex_t mutex; /* guards `next` */
    size_t next;
    size_t count;
    struct tenants_database *databases;
};

static const char tenants_application[] = "skein-agent tenants";

static const char *const *tenants_copy_texts(struct arena *arena, const char *const *texts,
                                             size_t count)
{
    const char **copies = arena_alloc_array(arena, count + 1, sizeof(*copies));

    for (size_t i = 0; i < count; i++) {
        copies[i] = arena_strdup(arena, texts[i]);
    }
    return copies;
}

struct tenants_reader *tenants_reader_new(const struct tenants_options *options)
{
    struct tenants_reader *reader = memory_alloc(sizeof(*reader));
    struct arena *arena = &reader->arena;

    reader->options = *options;
    reader->options.conninfo = arena_strdup(arena, options->conninfo);
    reader->options.query = arena_strdup(arena, options->query);
    reader->options.match = tenants_copy_texts(arena, options->match, options->match_count);
    reader->options.exclude = tenants_copy_texts(arena, options->exclude, options->exclude_count);
    return reader;
}

void tenants_snapshot_release(struct tenants_snapshot *snapshot)
{
    arena_release(&snapshot->arena);
    *snapshot = (struct tenants_snapshot){ 0 };
}

void tenants_reader_free(struct tenants_reader **reader)
{
    if (*reader != NULL) {
        pg_conn_free(&(*reader)->conn);
        tenants_snapshot_release(&(*reader)->known);
        arena_release(&(*reader)->arena);
        free(*reader);
        *reader = NULL;
    }
}

const char *tenants_reader_trouble(const struct tenants_reader *reader)
{
    return reader->trouble;
}

/* ---- which names ---- */

/* Names that belong to PostgreSQL's own furniture: tenants only if somebody says so outright. */
static bool tenants_is_furniture(const struct tenants_options *options, const char *name)
{
    return strcmp(name, options->database_mode ? "postgres" : "public") == 0;
}

static bool tenants_is_wanted(const struct tenants_options *options, const char *name)
{
    bool wanted = false;

    for (size_t i = 0; i < options->exclude_count; i++) {
        if (selector_glob(options->exclude[i], name)) {
            return false;
        }
    }
    if (options->query[0] != '\0') {
        return true; /* the query decides, see tenants_add */
    }
    for (size_t i = 0; i < options->match_count; i++) {
        if (strcmp(options->match[i], name) == 0) {
            return true;
        }
        wanted = wanted || selector_glob(options->match[i], name);
    }
    return (wanted || options->match_count == 0) && !tenants_is_furniture(options, name);
}

/* PostgreSQL's own and skein's: nobody's tenants, whatever the globs say. */
static bool tenants_is_reserved(const char *name)
{
    static const char *const names[] = { "information_schema", "postgres", "public", "skein",
                                         "template0",          "template1" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return strncmp(name, "pg_", 3) == 0;
}

static bool tenants_is_queried(const struct tenants_options *options, struct pg_conn *conn,
                               const char *name, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *labels = NULL;

    if (!tenant_rows_labels(conn, options->query, &labels, err)) {
        return false;
    }
    for (size_t i = 0; i < pg_result_row_count(labels); i++) {
        if (strcmp(pg_result_text(labels, i, 0), name) == 0) {
            return true;
        }
    }
    return error_set(err, ERR_REFUSED,
                     "the agent's tenants.query does not name '%s': add it there first", name);
}

bool tenants_accept(const struct tenants_options *options, struct pg_conn *conn, const char *name,
                    struct error *err)
{
    if (tenants_is_reserved(name)) {
        return error_set(err, ERR_REFUSED, "'%s' is not a name for a tenant", name);
    }
    if (!tenants_is_wanted(options, name)) {
        return error_set(err, ERR_REFUSED,
                         "'%s' would be none of this agent's tenants: its tenants.match or "
                         "tenants.exclude leaves the name out",
                         name);
    }
    return options->query[0] == '\0' || tenants_is_queried(options, conn, name, err);
}

/* ---- a snapshot that grows ---- */

struct tenants_builder {
    const struct tenants_options *options;
    struct tenants_snapshot snapshot;
    struct tenant_info *items;
    size_t capacity;
    const struct pg_result *labels; /* NULL without a query */
    size_t labels_index;
};

static void tenants_builder_release(struct tenants_builder *builder)
{
    tenants_snapshot_release(&builder->snapshot);
    free(builder->items);
}

/* Those of the tenant's own come before what the query says of the same key. Both are sorted. */
static struct labels tenants_merge_labels(const struct labels *own, const struct labels *queried,
                                          struct arena *arena)
{
    struct label *items = arena_alloc_array(arena, own->count + queried->count, sizeof(*items));
    struct labels merged = { .items = items };
    size_t o = 0;
    size_t q = 0;

    while ((o < own->count || q < queried->count) && merged.count < LABELS_MAX) {
        int order = o == own->count       ? 1
                    : q == queried->count ? -1
                                          : strcmp(own->items[o].key, queried->items[q].key);
        items[merged.count++] = order <= 0 ? own->items[o] : queried->items[q];
        o += order <= 0 ? 1 : 0;
        q += order >= 0 ? 1 : 0;
    }
    return merged;
}

/* `tenant` is in the builder's arena, and later in the order than those before it. */
static bool tenants_add(struct tenants_builder *builder, const struct tenant_info *tenant,
                        struct error *err)
{
    struct tenants_snapshot *snapshot = &builder->snapshot;
    struct labels queried = { 0 };

    if (builder->labels != NULL &&
        !tenant_rows_take_labels(builder->labels, &builder->labels_index, tenant->name,
                                 &snapshot->arena, &queried)) {
        return true; /* the query does not name it */
    }
    if (snapshot->count == TENANTS_PER_SHARD_MAX) {
        return error_set(err, ERR_LIMIT, "more than %d tenants on one shard",
                         TENANTS_PER_SHARD_MAX);
    }
    builder->items = memory_reserve(builder->items, snapshot->count, &builder->capacity,
                                    sizeof(*builder->items));
    builder->items[snapshot->count] = *tenant;
    if (queried.count > 0) {
        builder->items[snapshot->count].labels =
            tenants_merge_labels(&tenant->labels, &queried, &snapshot->arena);
    }
    snapshot->count++;
    return true;
}

static void tenants_builder_take(struct tenants_builder *builder,
                                 struct tenants_snapshot *ret_snapshot)
{
    struct tenants_snapshot *snapshot = &builder->snapshot;

    if (snapshot->count > 0) {
        snapshot->items = arena_memdup(&snapshot->arena, builder->items,
                                       snapshot->count * sizeof(*builder->items));
    }
    *ret_snapshot = TAKE(builder->snapshot);
}

/* ---- schemas of one database ---- */

static bool tenants_connect(struct tenants_reader *reader, struct error *err)
{
    if (reader->conn != NULL && !pg_conn_is_lost(reader->conn)) {
        return true;
    }
    pg_conn_free(&reader->conn);
    if (!pg_conn_open(reader->options.conninfo, "", tenants_application, &reader->conn, err)) {
        return false;
    }
    /* In database mode conninfo's own database need not hold tenants, so no journal either. */
    if (reader->options.database_mode || journal_ensure(reader->conn, err)) {
        return true;
    }
    pg_conn_free(&reader->conn);
    return false;
}

static bool tenants_ask(struct tenants_reader *reader, struct pg_result **ret_labels,
                        struct pg_result **ret_rows, struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *labels = NULL;

    if (!tenants_connect(reader, err)) {
        return false;
    }
    if (reader->options.query[0] != '\0' &&
        !tenant_rows_labels(reader->conn, reader->options.query, &labels, err)) {
        return false;
    }
    bool read = reader->options.database_mode ? tenant_rows_databases(reader->conn, ret_rows, err)
                                              : tenant_rows_of_schemas(reader->conn, ret_rows, err);
    if (read) {
        *ret_labels = TAKE(labels);
    }
    return read;
}

/* A kept connection may have died since the last read, or the journal may be gone: so a failure
 * counts only on a new connection. */
static bool tenants_ask_again(struct tenants_reader *reader, struct pg_result **ret_labels,
                              struct pg_result **ret_rows, struct error *err)
{
    bool kept = reader->conn != NULL;

    if (tenants_ask(reader, ret_labels, ret_rows, err)) {
        return true;
    }
    pg_conn_free(&reader->conn);
    if (!kept) {
        return false;
    }
    *err = (struct error){ 0 };
    return tenants_ask(reader, ret_labels, ret_rows, err);
}

static bool tenants_build_schemas(struct tenants_builder *builder, const struct pg_result *rows,
                                  struct error *err)
{
    for (size_t row = 0; row < pg_result_row_count(rows);) {
        struct tenant_info tenant;

        if (!tenants_is_wanted(builder->options, pg_result_text(rows, row, 0))) {
            row++;
            continue;
        }
        tenant_rows_take(rows, &row, &builder->snapshot.arena, &tenant);
        if (!tenants_add(builder, &tenant, err)) {
            return false;
        }
    }
    return true;
}

/* ---- databases ---- */

static void tenants_read_database(const char *conninfo, struct tenants_database *database)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;

    if (pg_conn_open(conninfo, database->name, tenants_application, &conn, &database->err) &&
        !tenant_rows_of_database(conn, &database->rows, &database->err)) {
        (void)error_wrap(&database->err, "database '%s'", database->name);
    }
}

static void *tenants_sweep_run(void *argument)
{
    struct tenants_sweep *sweep = argument;

    for (;;) {
        pthread_mutex_lock(&sweep->mutex);
        size_t index = sweep->next++;
        pthread_mutex_unlock(&sweep->mutex);
        if (index >= sweep->count) {
            return NULL;
        }
        tenants_read_database(sweep->conninfo, &sweep->databases[index]);
    }
}

/* Connections are not kept: an idle one would stand in the way of DROP DATABASE, and hold one of
 * the server's few slots. A few threads hide what connecting costs. */
static void tenants_sweep_databases(const char *conninfo, struct tenants_database *databases,
                                    size_t count)
{
    struct tenants_sweep sweep = { .conninfo = conninfo, .count = count, .databases = databases };
    pthread_t threads[TENANT_READERS_MAX];
    size_t thread_count = 0;

    pthread_mutex_init(&sweep.mutex, NULL);
    while (thread_count < TENANT_READERS_MAX - 1 && thread_count + 1 < count &&
           pthread_create(&threads[thread_count], NULL, tenants_sweep_run, &sweep) == 0) {
        thread_count++;
    }
    (void)tenants_sweep_run(&sweep);
    for (size_t i = 0; i < thread_count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    pthread_mutex_destroy(&sweep.mutex);
}

static struct tenant_info tenants_copy(const struct tenant_info *tenant, struct arena *arena)
{
    struct set_version *versions =
        arena_alloc_array(arena, tenant->version_count, sizeof(*versions));

    for (size_t i = 0; i < tenant->version_count; i++) {
        versions[i] = (struct set_version){
            .set = arena_strdup(arena, tenant->versions[i].set),
            .version = arena_strdup(arena, tenant->versions[i].version),
            .rollout = arena_strdup(arena, tenant->versions[i].rollout),
            .fence = tenant->versions[i].fence,
            .undone = arena_strdup(arena, tenant->versions[i].undone),
        };
    }
    struct label *labels = arena_alloc_array(arena, tenant->labels.count, sizeof(*labels));
    for (size_t i = 0; i < tenant->labels.count; i++) {
        labels[i].key = arena_strdup(arena, tenant->labels.items[i].key);
        labels[i].value = arena_strdup(arena, tenant->labels.items[i].value);
    }
    return (struct tenant_info){ .name = arena_strdup(arena, tenant->name),
                                 .labels = { .items = labels, .count = tenant->labels.count },
                                 .versions = versions,
                                 .version_count = tenant->version_count,
                                 .has_objects = tenant->has_objects };
}

static const struct tenant_info *tenants_find_known(const struct tenants_reader *reader,
                                                    const char *name)
{
    for (size_t i = 0; i < reader->known.count; i++) {
        if (strcmp(reader->known.items[i].name, name) == 0) {
            return &reader->known.items[i];
        }
    }
    return NULL;
}

static void tenants_note_trouble(struct tenants_reader *reader, const struct error *err)
{
    if (reader->trouble[0] == '\0') {
        (void)snprintf(reader->trouble, sizeof(reader->trouble), "%s", err->message);
    }
}

static bool tenants_build_databases(struct tenants_reader *reader, struct tenants_builder *builder,
                                    struct tenants_database *databases, size_t count,
                                    struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct tenant_info tenant;
        size_t row = 0;

        if (databases[i].rows != NULL) {
            tenant_rows_take(databases[i].rows, &row, &builder->snapshot.arena, &tenant);
        } else {
            const struct tenant_info *known = tenants_find_known(reader, databases[i].name);

            if (databases[i].err.code == ERR_NOT_FOUND) {
                continue; /* dropped a moment ago */
            }
            tenants_note_trouble(reader, &databases[i].err);
            /* Leaving it out would let a rollout end without it. As an empty tenant it is dry-run,
             * and that fails with the cause, or finds the version that could not be read here. */
            if (known != NULL) {
                tenant = tenants_copy(known, &builder->snapshot.arena);
            } else {
                tenant = (struct tenant_info){ .name = arena_strdup(&builder->snapshot.arena,
                                                                    databases[i].name) };
            }
        }
        if (!tenants_add(builder, &tenant, err)) {
            return false;
        }
    }
    return true;
}

static void tenants_remember(struct tenants_reader *reader, const struct tenants_snapshot *snapshot)
{
    struct tenant_info *items = NULL;

    tenants_snapshot_release(&reader->known);
    items = arena_alloc_array(&reader->known.arena, snapshot->count, sizeof(*items));
    for (size_t i = 0; i < snapshot->count; i++) {
        items[i] = tenants_copy(&snapshot->items[i], &reader->known.arena);
    }
    reader->known.items = items;
    reader->known.count = snapshot->count;
}

static bool tenants_read_databases(struct tenants_reader *reader, struct tenants_builder *builder,
                                   const struct pg_result *names, struct error *err)
{
    size_t name_count = pg_result_row_count(names);
    struct tenants_database *databases = memory_alloc_array(name_count + 1, sizeof(*databases));
    size_t count = 0;

    for (size_t i = 0; i < name_count; i++) {
        const char *name = pg_result_text(names, i, 0);

        if (tenants_is_wanted(&reader->options, name)) {
            databases[count++].name = name;
        }
    }
    tenants_sweep_databases(reader->options.conninfo, databases, count);
    bool built = tenants_build_databases(reader, builder, databases, count, err);
    for (size_t i = 0; i < count; i++) {
        pg_result_free(&databases[i].rows);
    }
    free(databases);
    return built;
}

/* ---- the whole ---- */

bool tenants_reader_read(struct tenants_reader *reader, struct tenants_snapshot *ret_snapshot,
                         struct error *err)
{
    CLEANUP(pg_result_free) struct pg_result *labels = NULL;
    CLEANUP(pg_result_free) struct pg_result *rows = NULL;
    CLEANUP(tenants_builder_release)
    struct tenants_builder builder = { .options = &reader->options };

    reader->trouble[0] = '\0';
    if (!tenants_ask_again(reader, &labels, &rows, err)) {
        return false;
    }
    builder.labels = labels;
    if (reader->options.database_mode) {
        if (!tenants_read_databases(reader, &builder, rows, err)) {
            return false;
        }
        tenants_builder_take(&builder, ret_snapshot);
        tenants_remember(reader, ret_snapshot);
        return true;
    }
    if (!tenants_build_schemas(&builder, rows, err)) {
        return false;
    }
    tenants_builder_take(&builder, ret_snapshot);
    return true;
}

bool tenants_reader_history(struct tenants_reader *reader, const char *tenant, uint32_t limit,
                            struct arena *arena, struct history_reply *ret_reply, struct error *err)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;

    if (reader->options.database_mode) {
        return pg_conn_open(reader->options.conninfo, tenant, tenants_application, &conn, err) &&
               tenant_rows_history(conn, tenant, limit, arena, ret_reply, err);
    }
    return tenants_connect(reader, err) &&
           tenant_rows_history(reader->conn, tenant, limit, arena, ret_reply, err);
}

bool tenants_reader_label(struct tenants_reader *reader, const struct history_request *request,
                          struct error *err)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;

    if (reader->options.database_mode) {
        return pg_conn_open(reader->options.conninfo, request->tenant, tenants_application, &conn,
                            err) &&
               journal_ensure(conn, err) && tenant_rows_label(conn, request, err);
    }
    return tenants_connect(reader, err) && tenant_rows_label(reader->conn, request, err);
}

static bool tenants_read_schema(struct pg_conn *conn, const char *schema, bool lines,
                                struct arena *arena, struct tenant_schema *item, struct error *err)
{
    char digest[FINGERPRINT_BYTES];

    if (!fingerprint_read(conn, schema, digest, err)) {
        return false;
    }
    item->digest = arena_strdup(arena, digest);
    return !lines ||
           fingerprint_read_lines(conn, schema, arena, &item->lines, &item->line_count, err);
}

static bool tenants_reader_schema(struct tenants_reader *reader, bool lines, struct arena *arena,
                                  struct tenant_schema *item, struct error *err)
{
    CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;

    if (reader->options.database_mode) {
        return pg_conn_open(reader->options.conninfo, item->tenant, tenants_application, &conn,
                            err) &&
               tenants_read_schema(conn, "", lines, arena, item, err);
    }
    return tenants_connect(reader, err) &&
           tenants_read_schema(reader->conn, item->tenant, lines, arena, item, err);
}

void tenants_reader_schemas(struct tenants_reader *reader, const struct schema_request *request,
                            struct arena *arena, struct schema_reply *ret_reply)
{
    const uint64_t until_ms = clock_monotonic_ms() + SCHEMAS_WORK_MAX_MS;
    struct tenant_schema *items = arena_alloc_array(arena, request->tenant_count, sizeof(*items));
    size_t count = 0;

    while (count < request->tenant_count && (count == 0 || clock_monotonic_ms() < until_ms)) {
        struct error err = { 0 };
        struct tenant_schema *item = &items[count];

        item->tenant = arena_strdup(arena, request->tenants[count++]);
        item->digest = "";
        item->error = "";
        if (!tenants_reader_schema(reader, request->lines, arena, item, &err)) {
            item->digest = "";
            item->line_count = 0;
            item->error = arena_strdup(arena, err.message);
        }
    }
    *ret_reply = (struct schema_reply){ .items = items, .count = count, .error = "" };
}
