#include "common/store/etcd_verdict.h"

#include <string.h>

#include "common/store/etcd_json.h"

enum { HTTP_OK = 200, HTTP_SERVER_ERROR = 500 };

static bool etcd_verdict_says(const struct etcd_refusal *refusal, const char *words)
{
    return strstr(refusal->message, words) != NULL;
}

/* Code 14 covers both "I did not begin" and "I began and lost sight of it" (a request that timed
 * out after it was proposed, a leader that changed, a server that stopped). Only what is known to
 * come before the proposal counts as the first. */
static enum etcd_verdict etcd_verdict_unavailable(const struct etcd_refusal *refusal)
{
    return etcd_verdict_says(refusal, "no leader") || etcd_verdict_says(refusal, "not capable")
               ? ETCD_VERDICT_NOTHING
               : ETCD_VERDICT_UNKNOWN;
}

static enum etcd_verdict etcd_verdict_exhausted(const struct etcd_refusal *refusal,
                                                const char *endpoint, struct error *err)
{
    if (etcd_verdict_says(refusal, "too many requests")) {
        error_set(err, ERR_UNAVAILABLE, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_NOTHING;
    }
    if (etcd_verdict_says(refusal, "space")) {
        error_set(err, ERR_LIMIT,
                  "etcd %s is full (%s): compact and defragment it or raise its quota, then run "
                  "'etcdctl alarm disarm'; it goes on by itself then",
                  endpoint, refusal->message);
    } else {
        error_set(err, ERR_LIMIT, "etcd %s: %s", endpoint, refusal->message);
    }
    return ETCD_VERDICT_NO;
}

static enum etcd_verdict etcd_verdict_invalid(const struct etcd_refusal *refusal,
                                              const char *endpoint, struct error *err)
{
    if (etcd_verdict_says(refusal, "user name is empty") ||
        etcd_verdict_says(refusal, "revision of auth store is old")) {
        error_set(err, ERR_REFUSED, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_LOGIN;
    }
    if (etcd_verdict_says(refusal, "authentication failed")) {
        error_set(err, ERR_REFUSED, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_NO;
    }
    bool large = etcd_verdict_says(refusal, "too large") || etcd_verdict_says(refusal, "too many");
    error_set(err, large ? ERR_LIMIT : ERR_INVALID, "etcd %s: %s", endpoint, refusal->message);
    return ETCD_VERDICT_NO;
}

static enum etcd_verdict etcd_verdict_refused(const struct etcd_refusal *refusal,
                                              const char *endpoint, struct error *err)
{
    enum etcd_verdict verdict;

    switch (refusal->code) {
    case ETCD_CODE_UNAVAILABLE:
        verdict = etcd_verdict_unavailable(refusal);
        error_set(err, verdict == ETCD_VERDICT_NOTHING ? ERR_UNAVAILABLE : ERR_UNCERTAIN,
                  "etcd %s: %s", endpoint, refusal->message);
        return verdict;
    case ETCD_CODE_EXHAUSTED:
        return etcd_verdict_exhausted(refusal, endpoint, err);
    case ETCD_CODE_INVALID_ARGUMENT:
        return etcd_verdict_invalid(refusal, endpoint, err);
    case ETCD_CODE_UNAUTHENTICATED:
        error_set(err, ERR_REFUSED, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_LOGIN;
    case ETCD_CODE_PERMISSION_DENIED:
        error_set(err, ERR_REFUSED, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_NO;
    case ETCD_CODE_NOT_FOUND:
        error_set(err, ERR_CONFLICT, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_GONE;
    case ETCD_CODE_OUT_OF_RANGE:
        if (etcd_verdict_says(refusal, "compacted")) {
            error_set(err, ERR_NOT_FOUND, "etcd %s: %s", endpoint, refusal->message);
            return ETCD_VERDICT_COMPACTED;
        }
        error_set(err, ERR_INVALID, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_NO;
    case ETCD_CODE_PRECONDITION:
        error_set(err, ERR_INVALID, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_NO;
    default:
        /* 1, 2, 4 and whatever we do not know: the request was on its way. */
        error_set(err, ERR_UNCERTAIN, "etcd %s: %s", endpoint, refusal->message);
        return ETCD_VERDICT_UNKNOWN;
    }
}

enum etcd_verdict etcd_verdict_garbage(struct bytes body, long status, const char *endpoint,
                                       struct error *err)
{
    char excerpt[ETCD_EXCERPT_BYTES];
    const struct error reason = *err;

    error_set(err, ERR_INVALID,
              "etcd %s answered with something that is not etcd's answer (%s, HTTP %ld): '%s'",
              endpoint, reason.message, status, etcd_json_excerpt(body, excerpt));
    if (status >= HTTP_SERVER_ERROR) {
        err->code = ERR_UNCERTAIN; /* a proxy that lost its server says it like this */
        return ETCD_VERDICT_UNKNOWN;
    }
    return ETCD_VERDICT_GARBAGE;
}

enum etcd_verdict etcd_verdict_of_body(struct bytes body, long status, const char *endpoint,
                                       struct error *err)
{
    struct etcd_refusal refusal;

    if (etcd_json_read_refusal(body, &refusal)) {
        return etcd_verdict_refused(&refusal, endpoint, err);
    }
    error_set(err, ERR_INVALID, "neither a result nor an error");
    return etcd_verdict_garbage(body, status, endpoint, err);
}

enum etcd_verdict etcd_verdict_of(const struct etcd_call *call, const char *endpoint,
                                  struct error *err)
{
    switch (call->result) {
    case ETCD_CALL_NOT_SENT:
        error_set(err, ERR_UNAVAILABLE, "etcd %s: %s", endpoint, call->failure);
        return ETCD_VERDICT_NOTHING;
    case ETCD_CALL_LOST:
        error_set(err, ERR_UNCERTAIN, "etcd %s did not answer: %s", endpoint, call->failure);
        return ETCD_VERDICT_UNKNOWN;
    case ETCD_CALL_TOO_LARGE:
        error_set(err, ERR_LIMIT, "the answer is too large");
        return etcd_verdict_garbage(buf_view(&call->answer), call->status, endpoint, err);
    case ETCD_CALL_ANSWERED:
        break;
    }
    if (call->status == HTTP_OK) {
        return ETCD_VERDICT_OK;
    }
    return etcd_verdict_of_body(buf_view(&call->answer), call->status, endpoint, err);
}
