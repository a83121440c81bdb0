#include "common/store/etcd_login.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"
#include "common/store/etcd_json.h"
#include "common/store/etcd_verdict.h"

enum { ETCD_LOGIN_BYTES_MAX = 64 << 10 };

static void etcd_login_on_done(struct etcd_call *call);

void etcd_login_init(struct etcd_login *login, struct etcd_http *http,
                     const struct store_options *options, etcd_login_ended *ended, void *user)
{
    bool wanted = options->user != NULL && options->user[0] != '\0';

    *login = (struct etcd_login){
        .http = http,
        .name = wanted ? memory_strdup(options->user) : NULL,
        .password =
            wanted ? memory_strdup(options->password == NULL ? "" : options->password) : NULL,
        .token = memory_strdup(""),
        .ready = !wanted,
        .timeout_ms = options->request_timeout_ms,
        .ended = ended,
        .user = user,
    };
}

static void etcd_login_forget(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

static void etcd_login_clear_call(struct etcd_login *login)
{
    if (login->call.body.size > 0) {
        explicit_bzero(login->call.body.data, login->call.body.size);
    }
    etcd_call_release(&login->call);
    login->call = (struct etcd_call){ 0 };
}

void etcd_login_release(struct etcd_login *login)
{
    if (login->http != NULL) {
        etcd_http_cancel(login->http, &login->call);
    }
    etcd_login_clear_call(login);
    free(login->name);
    etcd_login_forget(login->password);
    etcd_login_forget(login->token);
    *login = (struct etcd_login){ 0 };
}

bool etcd_login_has_user(const struct etcd_login *login)
{
    return login->name != NULL;
}

const char *etcd_login_token(const struct etcd_login *login)
{
    return login->token;
}

void etcd_login_expire(struct etcd_login *login, uint64_t generation)
{
    if (login->name != NULL && login->generation == generation) {
        login->ready = false;
    }
}

bool etcd_login_check(struct etcd_login *login)
{
    if (login->ready || login->call.running) {
        return login->ready;
    }
    login->tries = 0;
    login->call.path = "/v3/auth/authenticate";
    login->call.repeatable = true;
    login->call.timeout_ms = login->timeout_ms;
    login->call.done = etcd_login_on_done;
    login->call.user = login;
    login->call.body.size_max = ETCD_LOGIN_BYTES_MAX;
    etcd_json_put_login(&login->call.body, login->name, login->password);
    etcd_http_start(login->http, &login->call, "");
    return false;
}

static void etcd_login_succeed(struct etcd_login *login, const char *token)
{
    etcd_login_forget(login->token);
    login->token = memory_strdup(token);
    login->generation++;
    login->ready = true;
    etcd_login_clear_call(login);
    login->ended(login->user, NULL);
}

static void etcd_login_fail(struct etcd_login *login, struct error *err)
{
    if (err->code == ERR_UNCERTAIN) {
        err->code = ERR_UNAVAILABLE; /* a login changes nothing */
    }
    error_wrap(err, "log in as '%s'", login->name);
    etcd_login_clear_call(login);
    login->ended(login->user, err);
}

static void etcd_login_on_done(struct etcd_call *call)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct etcd_login *login = call->user;
    const char *endpoint = etcd_http_endpoint(login->http, call->endpoint);
    struct error err = { 0 };
    struct etcd_refusal refusal;
    const char *token;

    enum etcd_verdict verdict = etcd_verdict_of(call, endpoint, &err);
    if (verdict == ETCD_VERDICT_OK) {
        if (etcd_json_read_token(buf_view(&call->answer), &arena, &token, &err)) {
            etcd_login_succeed(login, token);
            return;
        }
        verdict = etcd_verdict_garbage(buf_view(&call->answer), call->status, endpoint, &err);
    }
    if (verdict == ETCD_VERDICT_NO && etcd_json_read_refusal(buf_view(&call->answer), &refusal) &&
        refusal.code == ETCD_CODE_PRECONDITION) {
        etcd_login_succeed(login, ""); /* authentication is not enabled */
        return;
    }
    if (verdict == ETCD_VERDICT_NOTHING || verdict == ETCD_VERDICT_UNKNOWN) {
        etcd_http_blame(login->http, call);
        if (++login->tries < etcd_http_endpoint_count(login->http)) {
            etcd_http_start(login->http, call, "");
            return;
        }
    }
    etcd_login_fail(login, &err);
}
