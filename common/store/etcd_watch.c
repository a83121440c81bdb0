#include "common/store/etcd_watch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "common/store/etcd_json.h"
#include "common/store/etcd_verdict.h"

enum {
    ETCD_WATCH_DENIALS_MAX = 3, /* refusals in a row after which it is over */
    ETCD_WATCH_REQUEST_BYTES_MAX = 16 << 10,
};

struct etcd_watch {
    struct etcd_http *http;
    struct etcd_login *login;
    const struct store_watch *watch;
    struct etcd_call call;
    struct buf line;         /* what came since the last line's end */
    struct arena arena;      /* of the events that are not delivered yet */
    struct store_event *due; /* events of the newest revision, perhaps not all */
    size_t due_count;
    size_t due_capacity;
    int64_t next_revision; /* 0: from now on */
    uint64_t generation;   /* of the login that the call uses */
    uint64_t at_ms;        /* not connected: connect then; else: it is silent until then */
    uint64_t backoff_ms;
    unsigned denials;
    bool created; /* the server has confirmed this connection's watch */
    bool lost;
};

static void etcd_watch_on_done(struct etcd_call *call);
static bool etcd_watch_on_bytes(struct etcd_call *call, struct bytes bytes);

struct etcd_watch *etcd_watch_new(struct etcd_http *http, struct etcd_login *login,
                                  const struct store_watch *watch)
{
    struct etcd_watch *self = memory_alloc(sizeof(*self));

    self->http = http;
    self->login = login;
    self->watch = watch;
    self->next_revision = watch->from_revision;
    self->backoff_ms = ETCD_BACKOFF_MIN_MS;
    self->line.size_max = ETCD_WATCH_LINE_BYTES_MAX;
    self->call.path = "/v3/watch";
    self->call.repeatable = true;
    self->call.body.size_max = ETCD_WATCH_REQUEST_BYTES_MAX;
    self->call.on_bytes = etcd_watch_on_bytes;
    self->call.done = etcd_watch_on_done;
    self->call.user = self;
    return self;
}

void etcd_watch_free(struct etcd_watch **pointer)
{
    struct etcd_watch *self = *pointer;

    if (self == NULL) {
        return;
    }
    etcd_http_cancel(self->http, &self->call);
    etcd_call_release(&self->call);
    buf_release(&self->line);
    arena_release(&self->arena);
    free(self->due);
    free(self);
    *pointer = NULL;
}

static void etcd_watch_connect(struct etcd_watch *self, uint64_t now_ms)
{
    /* What had come of a revision that was cut off comes again as a whole. */
    self->due_count = 0;
    arena_release(&self->arena);
    buf_clear(&self->line);
    buf_clear(&self->call.body);
    etcd_json_put_watch(&self->call.body, self->watch->prefix, self->next_revision);
    self->created = false;
    self->generation = self->login->generation;
    self->at_ms = now_ms + ETCD_WATCH_SILENCE_MS;
    etcd_http_start(self->http, &self->call, etcd_login_token(self->login));
}

static void etcd_watch_wait(struct etcd_watch *self, uint64_t now_ms)
{
    self->at_ms = now_ms + self->backoff_ms;
    self->backoff_ms *= 2;
    if (self->backoff_ms > ETCD_BACKOFF_MAX_MS) {
        self->backoff_ms = ETCD_BACKOFF_MAX_MS;
    }
}

uint64_t etcd_watch_tick(struct etcd_watch *self, uint64_t now_ms)
{
    if (self->lost) {
        return UINT64_MAX;
    }
    if (now_ms < self->at_ms) {
        return self->at_ms;
    }
    if (self->call.running) {
        /* Nothing, not even progress: the connection may be dead or the member cut off. */
        log_debug("store_watch_silent", "endpoint=%s revision=%" PRId64,
                  etcd_http_endpoint(self->http, self->call.endpoint), self->next_revision);
        etcd_http_cancel(self->http, &self->call);
        if (!self->created) {
            etcd_http_blame(self->http, &self->call); /* else it may just have nothing to say */
        }
    }
    if (!etcd_login_check(self->login)) {
        etcd_watch_wait(self, now_ms); /* a password that is wrong costs the server much */
        return self->at_ms;
    }
    etcd_watch_connect(self, now_ms);
    return self->at_ms;
}

static bool etcd_watch_lose(struct etcd_watch *self, const struct error *err)
{
    self->lost = true;
    self->watch->handler.on_lost(self->watch->handler.user, err);
    return false;
}

/* ---- events ---- */

/* Hands over the events of one whole revision. */
static void etcd_watch_deliver(struct etcd_watch *self)
{
    if (self->due_count > 0) {
        int64_t revision = self->due[0].kv.mod_revision;
        size_t count = self->due_count;
        assert(revision >= self->next_revision);
        self->next_revision = revision + 1;
        self->due_count = 0;
        self->watch->handler.on_events(self->watch->handler.user, self->due, count, revision);
    }
}

static void etcd_watch_add(struct etcd_watch *self, const struct store_event *event)
{
    int64_t revision = event->kv.mod_revision;

    if (revision < self->next_revision) {
        return; /* seen before the connection was renewed */
    }
    if (self->due_count > 0 && self->due[0].kv.mod_revision != revision) {
        etcd_watch_deliver(self);
    }
    self->due = memory_reserve(self->due, self->due_count, &self->due_capacity, sizeof(*self->due));
    self->due[self->due_count++] = *event;
}

static bool etcd_watch_on_canceled(struct etcd_watch *self, const struct etcd_watch_line *line)
{
    struct error err = { 0 };
    const char *endpoint = etcd_http_endpoint(self->http, self->call.endpoint);

    if (line->compact_revision > 0) {
        error_set(&err, ERR_NOT_FOUND,
                  "watch: revision %" PRId64 " is compacted, etcd %s has history from %" PRId64
                  " on",
                  self->next_revision, endpoint, line->compact_revision);
        return etcd_watch_lose(self, &err);
    }
    /* Without a compaction it is mostly a token that the server does not know any more. */
    etcd_login_expire(self->login, self->generation);
    if (++self->denials >= ETCD_WATCH_DENIALS_MAX) {
        error_set(&err, ERR_REFUSED, "watch: etcd %s refused it: %s", endpoint, line->reason);
        return etcd_watch_lose(self, &err);
    }
    return false;
}

static bool etcd_watch_on_line(struct etcd_watch *self, struct bytes text)
{
    struct etcd_watch_line line;
    struct error err = { 0 };

    if (!etcd_json_read_watch(text, &self->arena, &line, &err)) {
        return false; /* a refusal or garbage: etcd_watch_on_done looks at the line again */
    }
    self->at_ms = clock_monotonic_ms() + ETCD_WATCH_SILENCE_MS;
    if (line.canceled) {
        return etcd_watch_on_canceled(self, &line);
    }
    self->backoff_ms = ETCD_BACKOFF_MIN_MS;
    self->denials = 0;
    if (line.created) {
        self->created = true;
        if (self->next_revision == 0) {
            self->next_revision = line.revision + 1;
        }
        return true;
    }
    for (size_t i = 0; i < line.count; i++) {
        etcd_watch_add(self, &line.events[i]);
    }
    if (line.fragment) {
        return true; /* more of the last revision follows; the arena stays */
    }
    etcd_watch_deliver(self);
    arena_release(&self->arena);
    /* Progress: the server has sent all up to here, so a renewed watch need not look at it. */
    if (line.count == 0 && line.revision >= self->next_revision) {
        self->next_revision = line.revision + 1;
    }
    return true;
}

static bool etcd_watch_on_bytes(struct etcd_call *call, struct bytes bytes)
{
    struct etcd_watch *self = call->user;
    const uint8_t *end;

    while ((end = memchr(bytes.data, '\n', bytes.size)) != NULL) {
        size_t part = (size_t)(end - bytes.data);
        buf_append(&self->line, bytes.data, part);
        if (self->line.overflow) {
            break;
        }
        if (!etcd_watch_on_line(self, buf_view(&self->line))) {
            return false;
        }
        buf_clear(&self->line);
        bytes.data += part + 1;
        bytes.size -= part + 1;
    }
    if (!self->line.overflow && buf_append(&self->line, bytes.data, bytes.size)) {
        return true;
    }
    struct error err = { 0 };
    error_set(&err, ERR_LIMIT, "watch: etcd %s sent a line of more than %d bytes",
              etcd_http_endpoint(self->http, call->endpoint), ETCD_WATCH_LINE_BYTES_MAX);
    return etcd_watch_lose(self, &err);
}

static void etcd_watch_on_done(struct etcd_call *call)
{
    struct etcd_watch *self = call->user;
    const char *endpoint = etcd_http_endpoint(self->http, call->endpoint);
    struct error err = { 0 };

    if (self->lost) {
        return;
    }
    /* An error's body has no line end; a line that could not be read is still there as well. */
    if (self->line.size > 0 && call->status != 0) {
        if (etcd_verdict_of_body(buf_view(&self->line), call->status, endpoint, &err) ==
            ETCD_VERDICT_LOGIN) {
            etcd_login_expire(self->login, self->generation);
        }
    } else {
        error_set(&err, ERR_UNAVAILABLE, "etcd %s: %s", endpoint, call->failure);
    }
    char quoted[LOG_QUOTED_BYTES];
    log_debug("store_watch_broken", "revision=%" PRId64 " cause=%s", self->next_revision,
              log_quote(err.message, quoted));
    etcd_http_blame(self->http, call);
    etcd_watch_wait(self, clock_monotonic_ms());
}
