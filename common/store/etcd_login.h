/* etcd_login.h - the token that etcd's simple authentication wants with each request.
 *
 * Used on the store's thread. Tokens die with the server: whoever is told that a token is not valid
 * says so with the generation that he used, and a new one is fetched once for all. */
#ifndef SKEIN_COMMON_STORE_ETCD_LOGIN_H
#define SKEIN_COMMON_STORE_ETCD_LOGIN_H

#include "common/store/etcd_http.h"

/* `err` is NULL on success. */
typedef void etcd_login_ended(void *user, const struct error *err);

struct etcd_login {
    struct etcd_http *http;
    char *name; /* NULL: no authentication */
    char *password;
    char *token; /* "" if the server wants none */
    uint64_t generation;
    bool ready;
    uint64_t timeout_ms;
    size_t tries;
    struct etcd_call call;
    etcd_login_ended *ended;
    void *user;
};

void etcd_login_init(struct etcd_login *login, struct etcd_http *http,
                     const struct store_options *options, etcd_login_ended *ended, void *user);
void etcd_login_release(struct etcd_login *login); /* cancels */

/* May requests be sent? If not, fetches a token; `ended` follows. */
bool etcd_login_check(struct etcd_login *login);
bool etcd_login_has_user(const struct etcd_login *login);
const char *etcd_login_token(const struct etcd_login *login);
void etcd_login_expire(struct etcd_login *login, uint64_t generation);

#endif
