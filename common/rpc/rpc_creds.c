#include "common/rpc/rpc_creds.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <grpc/grpc.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/rpc/rpc_pem.h"

enum { CREDS_FILES = 3 };

/* What tells one content of a file from another; all zero when it is not there. */
struct rpc_stamp {
    int64_t seconds;
    int64_t nanoseconds;
    int64_t size;
    uint64_t inode;
};

struct rpc_creds {
    pthread_mutex_t mutex;
    char *paths[CREDS_FILES]; /* cert, key, ca; "" for none */
    bool plaintext;
    struct rpc_pem pem;
    struct rpc_stamp used[CREDS_FILES];    /* of `pem` */
    struct rpc_stamp refused[CREDS_FILES]; /* of the files that were warned of */
    uint64_t looked_ms;
    bool served; /* the server's first configuration has been fetched */
};

static void rpc_creds_stamp(const struct rpc_creds *creds, struct rpc_stamp stamps[CREDS_FILES])
{
    memset(stamps, 0, CREDS_FILES * sizeof(stamps[0]));
    for (size_t i = 0; i < CREDS_FILES; i++) {
        struct stat status;
        if (creds->paths[i][0] != '\0' && stat(creds->paths[i], &status) == 0) {
            stamps[i].seconds = (int64_t)status.st_mtim.tv_sec;
            stamps[i].nanoseconds = (int64_t)status.st_mtim.tv_nsec;
            stamps[i].size = (int64_t)status.st_size;
            stamps[i].inode = (uint64_t)status.st_ino;
        }
    }
}

static struct rpc_tls rpc_creds_tls(const struct rpc_creds *creds)
{
    return (
        struct rpc_tls){ .cert = creds->paths[0], .key = creds->paths[1], .ca = creds->paths[2] };
}

bool rpc_creds_new(const struct rpc_tls *tls, struct rpc_creds **ret_creds, struct error *err)
{
    CLEANUP(rpc_creds_free) struct rpc_creds *creds = memory_alloc(sizeof(*creds));

    pthread_mutex_init(&creds->mutex, NULL);
    creds->plaintext = tls == NULL;
    const char *paths[CREDS_FILES] = { tls == NULL ? NULL : tls->cert,
                                       tls == NULL ? NULL : tls->key,
                                       tls == NULL ? NULL : tls->ca };
    for (size_t i = 0; i < CREDS_FILES; i++) {
        creds->paths[i] = memory_strdup(paths[i] == NULL ? "" : paths[i]);
    }
    /* The stamp first: a file that changes in between is read once more later. */
    rpc_creds_stamp(creds, creds->used);
    creds->looked_ms = clock_monotonic_ms();
    struct rpc_tls copy = rpc_creds_tls(creds);
    if (!rpc_pem_load(&copy, &creds->pem, err)) {
        return false;
    }
    *ret_creds = TAKE(creds);
    return true;
}

void rpc_creds_free(struct rpc_creds **creds)
{
    if (*creds == NULL) {
        return;
    }
    for (size_t i = 0; i < CREDS_FILES; i++) {
        free((*creds)->paths[i]);
    }
    rpc_pem_release(&(*creds)->pem);
    pthread_mutex_destroy(&(*creds)->mutex);
    free(*creds);
    *creds = NULL;
}

static bool rpc_creds_reload_locked(struct rpc_creds *creds)
{
    struct rpc_stamp now[CREDS_FILES];
    struct rpc_pem pem = { 0 };
    struct error err = { 0 };
    uint64_t now_ms = clock_monotonic_ms();

    if (creds->plaintext || now_ms - creds->looked_ms < RPC_TLS_LOOK_MS) {
        return false;
    }
    creds->looked_ms = now_ms;
    rpc_creds_stamp(creds, now);
    if (memcmp(now, creds->used, sizeof(now)) == 0) {
        return false;
    }
    struct rpc_tls tls = rpc_creds_tls(creds);
    if (!rpc_pem_load(&tls, &pem, &err)) {
        if (memcmp(now, creds->refused, sizeof(now)) != 0) {
            log_failure("tls_reload_refused", &err, "cert=%s", creds->paths[0]);
            memcpy(creds->refused, now, sizeof(now));
        }
        return false; /* half of a change, perhaps: the next look tries again */
    }
    rpc_pem_release(&creds->pem);
    creds->pem = pem;
    memcpy(creds->used, now, sizeof(now));
    log_info("tls_reloaded", "cert=%s key=%s ca=%s", creds->paths[0], creds->paths[1],
             creds->paths[2]);
    return true;
}

bool rpc_creds_reload(struct rpc_creds *creds)
{
    pthread_mutex_lock(&creds->mutex);
    bool changed = rpc_creds_reload_locked(creds);
    pthread_mutex_unlock(&creds->mutex);
    return changed;
}

/* Called by gRPC for the first time when the server starts, then for each new connection. */
static grpc_ssl_certificate_config_reload_status
rpc_creds_fetch(void *user, grpc_ssl_server_certificate_config **ret_config)
{
    struct rpc_creds *creds = user;
    grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;

    pthread_mutex_lock(&creds->mutex);
    bool changed = rpc_creds_reload_locked(creds);
    if (changed || !creds->served) {
        grpc_ssl_pem_key_cert_pair pair = { .private_key = creds->pem.key,
                                            .cert_chain = creds->pem.cert };
        /* gRPC 1.51 insists on roots, also for a server that asks nobody for a certificate and
         * never looks at them: then any certificate will do. */
        *ret_config = grpc_ssl_server_certificate_config_create(
            creds->pem.ca == NULL ? creds->pem.cert : creds->pem.ca, &pair, 1);
        creds->served = true;
        status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }
    pthread_mutex_unlock(&creds->mutex);
    return status;
}

bool rpc_creds_for_server(struct rpc_creds *creds, grpc_server_credentials **ret_credentials,
                          struct error *err)
{
    if (creds->plaintext) {
        *ret_credentials = grpc_insecure_server_credentials_create();
        return true;
    }
    if (creds->pem.cert == NULL) {
        return error_set(err, ERR_INVALID, "TLS: a server needs a certificate and its key");
    }
    grpc_ssl_client_certificate_request_type request =
        creds->pem.ca == NULL ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                              : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    *ret_credentials = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, rpc_creds_fetch,
                                                                        creds));
    return true;
}

grpc_channel_credentials *rpc_creds_for_channel(struct rpc_creds *creds)
{
    if (creds->plaintext) {
        return grpc_insecure_credentials_create();
    }
    pthread_mutex_lock(&creds->mutex);
    grpc_ssl_pem_key_cert_pair pair = { .private_key = creds->pem.key,
                                        .cert_chain = creds->pem.cert };
    grpc_channel_credentials *credentials = grpc_ssl_credentials_create_ex(
        creds->pem.ca, creds->pem.cert == NULL ? NULL : &pair, NULL, NULL);
    pthread_mutex_unlock(&creds->mutex);
    return credentials;
}
