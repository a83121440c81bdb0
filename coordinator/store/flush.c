#include "coordinator/store/flush.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/crash.h"
#include "common/core/limits.h"
#include "common/core/log.h"
#include "common/core/memory.h"
#include "coordinator/store/store_keys.h"
#include "coordinator/store/write_list.h"

enum {
    FLUSH_RETRY_MIN_MS = 100,
    FLUSH_RETRY_MAX_MS = 2000,
    FLUSH_DEAD_LEASES_MAX = 256,
    FLUSH_PATIENCE_MS = 3000, /* a store that fails for longer is not just being restarted */
    FLUSH_TERM_BYTES = 24,
};

struct flush {
    struct store *store;
    struct mailbox *inbox;
    char *prefix;
    char *leader_key;
    const char *writes_key;
    int64_t last_write; /* mod revision of writes_key, as our last transaction left it */
    char term_text[FLUSH_TERM_BYTES]; /* what we write there */
    bool unsure;    /* an earlier try of the transaction may have taken effect, or may yet */
    bool looking;   /* at writes_key, to find out */
    bool conflicts; /* the last try named a lease that is gone */
    struct arena arena;
    struct flush_hooks hooks;
    struct metric *latency;
    struct metric *transactions;
    struct metric *operations;
    struct metric *retries;
    uint64_t term;
    uint64_t sent_term;        /* the term of the transaction under way */
    struct write_batch *first; /* not wholly carried out */
    struct write_batch **last;
    struct write_txn txn; /* under way, or to be sent again */
    bool in_flight;
    uint64_t sent_us;
    uint64_t retry_at_ms; /* UINT64_MAX: nothing waits for a retry */
    uint64_t retry_delay_ms;
    uint64_t probes_open; /* leases being asked about */
    /* The latest dead leases, as a ring: of a transaction's leases all find room. */
    int64_t dead_leases[FLUSH_DEAD_LEASES_MAX];
    size_t dead_count;
    size_t dead_next;
    bool performing; /* a hook is on the stack: it may add effects, which wait */
    size_t backlog;  /* effects that wait */
    char trouble[ERROR_MESSAGE_BYTES];
    uint64_t trouble_since_ms;
};

static_assert(FLUSH_DEAD_LEASES_MAX >= 2 * STORE_TXN_OPS_MAX, "a transaction's leases fit twice");

static void flush_start(struct flush *flush, uint64_t now_ms);

struct flush *flush_new(struct store *store, struct mailbox *inbox, const char *prefix,
                        struct metrics *metrics, const struct flush_hooks *hooks)
{
    struct flush *flush = memory_alloc(sizeof(*flush));

    flush->store = store;
    flush->inbox = inbox;
    flush->prefix = arena_strdup(&flush->arena, prefix);
    flush->leader_key = arena_strdup(&flush->arena, store_key_leader(&flush->arena, prefix));
    flush->writes_key = store_key_writes(&flush->arena, prefix);
    flush->hooks = *hooks;
    flush->last = &flush->first;
    flush->retry_at_ms = UINT64_MAX;
    flush->latency = metrics_get(metrics, METRIC_HISTOGRAM, "skein_store_seconds",
                                 "operation=\"transaction\"", "Time until the store answered.");
    flush->transactions = metrics_get(metrics, METRIC_COUNTER, "skein_store_transactions_total", "",
                                      "Transactions that the store has carried out.");
    flush->operations = metrics_get(metrics, METRIC_COUNTER, "skein_store_operations_total", "",
                                    "Puts and deletes in these transactions.");
    flush->retries = metrics_get(metrics, METRIC_COUNTER, "skein_store_retries_total", "",
                                 "Transactions that had to be sent again.");
    return flush;
}

static void flush_forget(struct flush *flush)
{
    while (flush->first != NULL) {
        struct write_batch *batch = flush->first;
        flush->first = batch->next;
        write_batch_free(&batch);
    }
    flush->last = &flush->first;
    flush->retry_at_ms = UINT64_MAX;
    flush->retry_delay_ms = 0;
    flush->backlog = 0;
    flush->dead_count = 0;
    flush->dead_next = 0;
    flush->txn = (struct write_txn){ 0 };
    flush->unsure = false;
    flush->last_write = 0;
    flush->trouble[0] = '\0';
}

void flush_free(struct flush **pointer)
{
    struct flush *flush = *pointer;

    if (flush == NULL) {
        return;
    }
    flush_forget(flush);
    arena_release(&flush->arena);
    free(flush);
    *pointer = NULL;
}

void flush_set_term(struct flush *flush, uint64_t term)
{
    flush->term = term;
    snprintf(flush->term_text, sizeof(flush->term_text), "%" PRIu64, term);
    flush_forget(flush);
}

void flush_set_last_write(struct flush *flush, int64_t revision)
{
    assert(flush->first == NULL);
    flush->last_write = revision;
}

bool flush_is_idle(const struct flush *flush)
{
    return flush->first == NULL && !flush->in_flight && !flush->looking;
}

const char *flush_trouble(const struct flush *flush)
{
    return flush->trouble;
}

bool flush_is_stuck(const struct flush *flush, uint64_t now_ms)
{
    return flush->trouble[0] != '\0' && now_ms - flush->trouble_since_ms >= FLUSH_PATIENCE_MS;
}

size_t flush_backlog(const struct flush *flush)
{
    return flush->backlog;
}

/* ---- the store's side ---- */

struct flush_call {
    struct mailbox *inbox;
    enum store_answer kind;
    int64_t lease_id;
};

static void flush_post(struct flush_call *call, bool succeeded, bool gone, int64_t revision,
                       const struct error *err)
{
    struct event *event = event_new(EVENT_STORE_ANSWER);

    event->answer.kind = call->kind;
    event->answer.succeeded = succeeded;
    event->answer.gone = gone;
    event->answer.lease_id = call->lease_id;
    event->answer.revision = (uint64_t)revision;
    if (err != NULL) {
        event->answer.error = *err;
    }
    mailbox_post_reserved(call->inbox, event);
    free(call);
}

static void flush_on_txn(void *user, const struct store_txn_result *result, const struct error *err)
{
    flush_post(user, err == NULL && result->succeeded, false, err == NULL ? result->revision : 0,
               err);
}

static void flush_on_probe(void *user, const struct store_lease_result *result,
                           const struct error *err)
{
    flush_post(user, false, err == NULL && result->ttl_ms == 0, 0, err);
}

/* A look at writes_key. It is ours if it holds our term. */
struct flush_look {
    struct mailbox *inbox;
    char term_text[FLUSH_TERM_BYTES];
};

static void flush_on_looked(void *user, const struct store_range_result *result,
                            const struct error *err)
{
    struct flush_look *look = user;
    struct event *event = event_new(EVENT_STORE_ANSWER);

    event->answer.kind = STORE_ANSWER_LAST_WRITE;
    if (err != NULL) {
        event->answer.error = *err;
    } else if (result->count > 0) {
        const struct bytes *value = &result->kvs[0].value;
        event->answer.revision = (uint64_t)result->kvs[0].mod_revision;
        event->answer.succeeded = value->size == strlen(look->term_text) &&
                                  memcmp(value->data, look->term_text, value->size) == 0;
    }
    mailbox_post_reserved(look->inbox, event);
    free(look);
}

static struct flush_call *flush_call_new(struct flush *flush, enum store_answer kind,
                                         int64_t lease_id)
{
    struct flush_call *call = memory_alloc(sizeof(*call));

    *call = (struct flush_call){ .inbox = flush->inbox, .kind = kind, .lease_id = lease_id };
    return call;
}

/* ---- carrying out ---- */

/* Performs, in order, every effect that no write stands before any more. */
static void flush_perform(struct flush *flush, uint64_t revision)
{
    flush->performing = true;
    while (flush->first != NULL) {
        struct write_batch *batch = flush->first;
        size_t until = batch->writes_done == batch->write_count
                           ? batch->effects.count
                           : batch->writes[batch->writes_done].effect;
        while (batch->effects_done < until) {
            const struct effect *effect = &batch->effects.items[batch->effects_done++];
            flush->backlog--;
            if (effect->kind != EFFECT_PUT && effect->kind != EFFECT_DELETE) {
                flush->hooks.perform(flush->hooks.context, effect, revision);
            }
            if (flush->first != batch) {
                flush->performing = false;
                return; /* a hook deposed us and everything was forgotten */
            }
        }
        if (batch->writes_done < batch->write_count) {
            break;
        }
        flush->first = batch->next;
        if (flush->first == NULL) {
            flush->last = &flush->first;
        }
        write_batch_free(&batch);
    }
    flush->performing = false;
}

static void flush_send(struct flush *flush)
{
    const struct store_compare compares[] = {
        { .key = flush->leader_key, .create_revision = (int64_t)flush->term },
        { .key = flush->writes_key,
          .target = STORE_MOD_REVISION,
          .mod_revision = flush->last_write },
    };
    struct write_txn *txn = &flush->txn;

    assert(txn->op_count <= WRITE_OPS_MAX);
    txn->ops[txn->op_count] = (struct store_op){ .kind = STORE_PUT,
                                                 .key = flush->writes_key,
                                                 .value = bytes_of_text(flush->term_text) };

    if (flush->txn.takes_locks) {
        crash_point("before_lock_write");
    }
    if (flush->txn.releases_locks) {
        crash_point("before_result_write");
    }
    flush->in_flight = true;
    flush->sent_term = flush->term;
    flush->retry_at_ms = UINT64_MAX;
    flush->sent_us = clock_monotonic_us();
    store_txn(flush->store, compares, COUNT_OF(compares), txn->ops, txn->op_count + 1, flush_on_txn,
              flush_call_new(flush, STORE_ANSWER_FLUSH, 0));
}

static void flush_start(struct flush *flush, uint64_t now_ms)
{
    (void)now_ms;
    if (flush->term == 0 || flush->in_flight || flush->looking || flush->performing ||
        flush->probes_open > 0 || flush->retry_at_ms != UINT64_MAX) {
        return;
    }
    if (!flush->unsure) { /* else the same again: whichever try takes effect, it is this one */
        write_txn_fill(&flush->txn, flush->first, flush->dead_leases, flush->dead_count);
    }
    if (flush->txn.write_count > 0) {
        flush_send(flush);
    }
}

void flush_add(struct flush *flush, struct effects *effects, uint64_t now_ms)
{
    if (effects->count == 0) {
        return;
    }
    struct write_batch *batch = write_batch_new(effects, flush->prefix);
    flush->backlog += batch->effects.count;
    *flush->last = batch;
    flush->last = &batch->next;
    if (!flush->performing && !flush->in_flight && flush->first == batch) {
        flush_perform(flush, 0);
    }
    flush_start(flush, now_ms);
}

static void flush_mark_done(struct flush *flush)
{
    size_t left = flush->txn.write_count;

    for (struct write_batch *batch = flush->first; left > 0; batch = batch->next) {
        assert(batch != NULL);
        size_t open = batch->write_count - batch->writes_done;
        size_t done = open < left ? open : left;
        batch->writes_done += done;
        left -= done;
    }
}

static void flush_retry_later(struct flush *flush, const struct error *err, uint64_t now_ms)
{
    flush->retry_delay_ms =
        flush->retry_delay_ms == 0 ? FLUSH_RETRY_MIN_MS : flush->retry_delay_ms * 2;
    if (flush->retry_delay_ms > FLUSH_RETRY_MAX_MS) {
        flush->retry_delay_ms = FLUSH_RETRY_MAX_MS;
    }
    flush->retry_at_ms = now_ms + flush->retry_delay_ms;
    metric_add(flush->retries, 1);
    if (flush->trouble[0] == '\0') {
        log_failure("store_write_failed", err, "operations=%zu retry_ms=%" PRIu64,
                    flush->txn.op_count, flush->retry_delay_ms);
        flush->trouble_since_ms = now_ms;
    }
    snprintf(flush->trouble, sizeof(flush->trouble), "%s", err->message);
}

/* The transaction names a lease that does not exist. Ask which, so that its writes can be left out:
 * they belong to a session that is over. */
static void flush_probe_leases(struct flush *flush)
{
    int64_t asked[STORE_TXN_OPS_MAX];
    size_t asked_count = 0;

    for (size_t i = 0; i < flush->txn.op_count; i++) {
        int64_t lease_id = flush->txn.ops[i].lease_id;
        bool known = lease_id == 0;
        for (size_t j = 0; j < asked_count; j++) {
            known = known || asked[j] == lease_id;
        }
        if (!known) {
            asked[asked_count++] = lease_id;
        }
    }
    flush->probes_open = asked_count;
    for (size_t i = 0; i < asked_count; i++) {
        store_lease_keep_alive(flush->store, asked[i], flush_on_probe,
                               flush_call_new(flush, STORE_ANSWER_PROBE, asked[i]));
    }
}

static void flush_on_probed(struct flush *flush, const struct event *event, uint64_t now_ms)
{
    assert(flush->probes_open > 0);
    flush->probes_open--;
    if (event->answer.gone) {
        flush->dead_leases[flush->dead_next] = event->answer.lease_id;
        flush->dead_next = (flush->dead_next + 1) % FLUSH_DEAD_LEASES_MAX;
        flush->dead_count += flush->dead_count < FLUSH_DEAD_LEASES_MAX;
        flush->hooks.lease_gone(flush->hooks.context, event->answer.lease_id);
    }
    if (flush->probes_open == 0 && flush->term != 0) {
        /* Not at once: a lease that was said to be missing and is found again would spin. */
        struct error err = { .code = ERR_CONFLICT, .message = "a lease ended during a write" };
        flush_retry_later(flush, &err, now_ms);
    }
}

static void flush_on_done(struct flush *flush, uint64_t revision, uint64_t now_ms)
{
    if (flush->txn.takes_locks) {
        crash_point("after_lock_write");
    }
    if (flush->txn.releases_locks) {
        crash_point("after_result_write");
    }
    if (flush->trouble[0] != '\0') {
        log_info("store_write_recovered", "operations=%zu", flush->txn.op_count);
        flush->trouble[0] = '\0';
    }
    flush->last_write = (int64_t)revision;
    flush->unsure = false;
    metric_observe_us(flush->latency, clock_monotonic_us() - flush->sent_us);
    metric_add(flush->transactions, 1);
    metric_add(flush->operations, flush->txn.op_count);
    flush->retry_delay_ms = 0;
    flush_mark_done(flush);
    flush_perform(flush, revision);
    flush_start(flush, now_ms);
}

/* A try was refused. If another try may have taken effect, that is why. */
static void flush_look(struct flush *flush, bool conflicts)
{
    struct flush_look *look = memory_alloc(sizeof(*look));

    look->inbox = flush->inbox;
    memcpy(look->term_text, flush->term_text, sizeof(look->term_text));
    flush->looking = true;
    flush->conflicts = conflicts;
    store_range(flush->store, flush->writes_key, "", 1, 0, flush_on_looked, look);
}

static void flush_on_last_write(struct flush *flush, const struct event *event, uint64_t now_ms)
{
    assert(flush->looking);
    flush->looking = false;
    if (flush->sent_term != flush->term || flush->first == NULL) {
        flush_start(flush, now_ms); /* an answer for a leadership that is over */
    } else if (event->answer.error.code != ERR_NONE) {
        flush_retry_later(flush, &event->answer.error, now_ms);
    } else if (event->answer.succeeded && (int64_t)event->answer.revision != flush->last_write) {
        flush_on_done(flush, event->answer.revision, now_ms);
    } else if (flush->conflicts) {
        flush->unsure = false; /* the lease is gone for ever: no other try can take effect either */
        flush_probe_leases(flush);
    } else {
        flush->hooks.deposed(flush->hooks.context);
    }
}

/* What a failed try leaves open. A full store may have carried out what it refuses, and an answer
 * that cannot be read says nothing. */
static bool flush_may_have_happened(const struct error *err)
{
    return err->code != ERR_UNAVAILABLE && err->code != ERR_REFUSED;
}

static void flush_on_txn_answer(struct flush *flush, const struct event *event, uint64_t now_ms)
{
    const struct error *err = &event->answer.error;
    bool conflicts = err->code == ERR_CONFLICT;
    bool refused = err->code == ERR_NONE && !event->answer.succeeded;

    assert(flush->in_flight);
    flush->in_flight = false;
    if (flush->sent_term != flush->term || flush->first == NULL) {
        flush_perform(flush, 0); /* an answer for a leadership that is over */
        flush_start(flush, now_ms);
    } else if ((conflicts || refused) && flush->unsure) {
        flush_look(flush, conflicts);
    } else if (conflicts) {
        flush_probe_leases(flush);
    } else if (refused) {
        flush->hooks.deposed(flush->hooks.context);
    } else if (err->code != ERR_NONE) {
        flush->unsure = flush->unsure || flush_may_have_happened(err);
        flush_retry_later(flush, err, now_ms);
    } else {
        flush_on_done(flush, event->answer.revision, now_ms);
    }
}

void flush_on_answer(struct flush *flush, const struct event *event, uint64_t now_ms)
{
    if (event->answer.kind == STORE_ANSWER_PROBE) {
        flush_on_probed(flush, event, now_ms);
    } else if (event->answer.kind == STORE_ANSWER_LAST_WRITE) {
        flush_on_last_write(flush, event, now_ms);
    } else {
        flush_on_txn_answer(flush, event, now_ms);
    }
}

void flush_on_tick(struct flush *flush, uint64_t now_ms)
{
    if (flush->retry_at_ms != UINT64_MAX && now_ms >= flush->retry_at_ms) {
        flush->retry_at_ms = UINT64_MAX;
        flush_start(flush, now_ms);
    }
}
