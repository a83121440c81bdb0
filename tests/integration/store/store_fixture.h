/* store_fixture.h - what the store's tests share: real etcd servers, a temporary folder, a server
 * that answers nonsense, and short forms of the calls. */
#ifndef SKEIN_TESTS_INTEGRATION_STORE_STORE_FIXTURE_H
#define SKEIN_TESTS_INTEGRATION_STORE_STORE_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "common/store/store.h"

enum {
    FIXTURE_PATH_BYTES = 256,
    FIXTURE_KEY_BYTES = 128,
    FIXTURE_PATIENCE_MS = 20000, /* for what must happen, also under a sanitizer */
};

/* The folder of this run; removed by fixture_clean_up, which also ends servers that are left. */
const char *fixture_dir(void);
void fixture_clean_up(void);
void fixture_wait_ms(int ms);

/* ---- processes ---- */
pid_t fixture_spawn(char *const argv[], const char *log);
void fixture_keep(pid_t pid); /* ends with the run */
void fixture_end(pid_t pid);  /* now, by SIGKILL */

/* ---- etcd ---- */
struct etcd_server {
    pid_t pid; /* 0: does not run */
    unsigned port;
    unsigned peer_port;
    const char *quota; /* "0": etcd's own */
    bool tls;          /* both sides show certificates of fixture_certificate */
    char dir[FIXTURE_PATH_BYTES];
    char location[FIXTURE_PATH_BYTES]; /* "etcd:http://127.0.0.1:PORT" */
};
void etcd_server_start(struct etcd_server *server, const char *quota); /* zeroed before */
void etcd_server_kill(struct etcd_server *server);
void etcd_server_restart(struct etcd_server *server);
/* Raw POST; the answer's body, which lives until the next call. Fails the test unless HTTP 200. */
const char *etcd_server_post(const struct etcd_server *server, const char *path, const char *body);
unsigned fixture_free_port(void);

/* Files of one authority and one certificate of it, for both sides of a connection. */
struct fixture_certificate {
    char ca[FIXTURE_PATH_BYTES];
    char cert[FIXTURE_PATH_BYTES];
    char key[FIXTURE_PATH_BYTES];
};
const struct fixture_certificate *fixture_certificate(void);

/* ---- a server that is not etcd ---- */
struct fake_server {
    unsigned port;
    int fd;
    pthread_t thread;
    pthread_mutex_t mutex;
    char answer[1024]; /* whole, with headers; "": closes the connection instead */
    char first[1024];  /* if set, to the first request of each connection */
    unsigned requests; /* seen so far */
    bool stopping;
    char location[FIXTURE_PATH_BYTES];
};
void fake_server_start(struct fake_server *server);
void fake_server_say(struct fake_server *server, const char *answer); /* copied */
unsigned fake_server_requests(struct fake_server *server);
void fake_server_stop(struct fake_server *server);

/* ---- the store, with failures that fail the test ---- */
struct store *fixture_open(const char *location, uint64_t timeout_ms);
struct store *fixture_open_tls(const char *location, const struct fixture_certificate *certificate,
                               bool with_client_certificate);
struct store *fixture_open_as(const char *location, const char *user, const char *password);
int64_t fixture_put(struct store *store, const char *key, const char *value);
int64_t fixture_put_leased(struct store *store, const char *key, int64_t lease_id);
int64_t fixture_delete(struct store *store, const char *key);
/* Tries for as long as the store is unavailable. */
void fixture_put_soon(struct store *store, const char *key, const char *value);
enum err_code fixture_try_put(struct store *store, const char *key, const char *value,
                              struct error *err);
size_t fixture_count(struct store *store, const char *prefix);
void fixture_wait_count(struct store *store, const char *prefix, size_t count);
struct store_op fixture_op(enum store_op_kind kind, const char *key, const char *value);

/* ---- what a watch has seen ---- */
struct watch_log {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct buf text; /* "+key=value@3 -key@4 |" : one bar per call */
    size_t events;
    int64_t revision; /* of the newest call */
    bool disordered;
    enum err_code lost;
};
void watch_log_init(struct watch_log *log);
void watch_log_release(struct watch_log *log);
struct store_watch_handler watch_log_handler(struct watch_log *log);
void watch_log_wait(struct watch_log *log, size_t events);
bool watch_log_contains(struct watch_log *log, const char *text);
void watch_log_wait_lost(struct watch_log *log);

#endif
