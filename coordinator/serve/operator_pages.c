#include "coordinator/serve/operator_pages.h"

#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/wire/wire_codec.h"
#include "coordinator/serve/operator_view.h"
#include "coordinator/serve/serve_reply.h"

/* Pages of one burst: small ones by number, large ones by the bytes that wait. While fewer than
 * STREAM_REFILL_BYTES wait, at most so many messages of the smallest page can. */
enum { BURST_PAGES = 64, BURST_BYTES = 8 << 20, PAGE_BYTES_MIN = TENANTS_PER_MESSAGE_MAX * 8 };
static_assert(STREAM_REFILL_BYTES / PAGE_BYTES_MIN + BURST_PAGES < STREAM_OUTBOX_MESSAGES_MAX,
              "a burst on top of what waits fits in the outbox");

struct operator_page {
    struct operator_stream *stream;
    const struct set *set; /* NULL: a list of tenants */
    char **offline;
    size_t offline_count;
    char **unknown; /* some of them */
    size_t unknown_count;
    struct arena arena; /* of this page */
    ProtobufCMessage *items[TENANTS_PER_MESSAGE_MAX];
    size_t count;
    size_t bytes;
    size_t pages;
    bool open;  /* the call takes more */
    bool pause; /* go on at a later tick */
};

static bool operator_pages_send_plan(struct operator_page *page)
{
    const struct operator_stream *stream = page->stream;
    Skein__V1__PlanResponse response;

    skein__v1__plan_response__init(&response);
    response.set = wire_codec_borrow(stream->set);
    response.digest = wire_codec_borrow(stream->digest);
    response.target = wire_codec_borrow(stream->target);
    response.tenants = arena_alloc_array(&page->arena, page->count, sizeof(*response.tenants));
    for (size_t i = 0; i < page->count; i++) {
        response.tenants[i] = CONTAINER_OF(page->items[i], Skein__V1__PlannedTenant, base);
    }
    response.n_tenants = page->count;
    response.shards_offline = page->offline;
    response.n_shards_offline = page->offline_count;
    return serve_reply_send(stream->call, &response.base);
}

static bool operator_pages_send_tenants(struct operator_page *page)
{
    Skein__V1__ListTenantsResponse response;

    skein__v1__list_tenants_response__init(&response);
    response.tenants = arena_alloc_array(&page->arena, page->count, sizeof(*response.tenants));
    for (size_t i = 0; i < page->count; i++) {
        response.tenants[i] = CONTAINER_OF(page->items[i], Skein__V1__Tenant, base);
    }
    response.n_tenants = page->count;
    if (!page->stream->started) {
        response.shards_unknown = page->unknown;
        response.n_shards_unknown = page->unknown_count;
    }
    return serve_reply_send(page->stream->call, &response.base);
}

static void operator_pages_flush(struct operator_page *page)
{
    page->open =
        page->set != NULL ? operator_pages_send_plan(page) : operator_pages_send_tenants(page);
    arena_release(&page->arena);
    page->count = 0;
    page->bytes = 0;
    page->pages++;
    page->stream->started = true;
    page->pause =
        page->pages >= BURST_PAGES || rpc_call_outbox_bytes(page->stream->call) > BURST_BYTES;
}

static bool operator_pages_is_sent(const struct operator_stream *stream,
                                   const struct tenant_view *view)
{
    if (!stream->has_cursor) {
        return false;
    }
    int order = strcmp(view->shard, stream->shard);
    return order < 0 || (order == 0 && strcmp(view->info->name, stream->tenant) <= 0);
}

static void operator_pages_set_cursor(struct operator_stream *stream,
                                      const struct tenant_view *view)
{
    stream->has_cursor = true;
    snprintf(stream->shard, sizeof(stream->shard), "%s", view->shard);
    snprintf(stream->tenant, sizeof(stream->tenant), "%s", view->info->name);
}

static bool operator_pages_visit(void *user, const struct tenant_view *view)
{
    struct operator_page *page = user;
    struct operator_stream *stream = page->stream;

    if (operator_pages_is_sent(stream, view)) {
        return true;
    }
    ProtobufCMessage *item = NULL;
    if (page->set != NULL) {
        item = &operator_view_plan(view, page->set, stream->target, stream->baseline, &page->arena)
                    ->base;
    } else {
        item = &operator_view_tenant(view, &page->arena)->base;
    }
    page->items[page->count++] = item;
    page->bytes += protobuf_c_message_get_packed_size(item) + 8;
    if (page->count == TENANTS_PER_MESSAGE_MAX || page->bytes > ANSWER_BYTES_MAX) {
        operator_pages_set_cursor(stream, view);
        operator_pages_flush(page);
    }
    return page->open && !page->pause;
}

/* Shards that the selector may reach and of whose tenants nothing is known now, or nothing new: an
 * answer would lie if it did not say so. */
static void operator_pages_find_offline(struct operator_page *page, const struct fleet *fleet,
                                        struct arena *arena)
{
    size_t count = fleet_shard_count(fleet);

    page->offline = arena_alloc_array(arena, count, sizeof(char *));
    page->unknown = arena_alloc_array(arena, count, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        struct shard_view view;
        fleet_shard_at(fleet, i, &view);
        if ((view.presence == SHARD_OFFLINE || !view.tenants_known) &&
            selector_may_match_shard(page->stream->selector, view.name, view.labels)) {
            page->offline[page->offline_count++] = wire_codec_borrow(view.name);
            if (!view.tenants_known) {
                page->unknown[page->unknown_count++] = wire_codec_borrow(view.name);
            }
        }
    }
}

bool operator_pages_next(struct operator_stream *stream, const struct fleet *fleet, uint64_t now_ms)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct operator_page page = { .stream = stream, .open = true };

    (void)now_ms;
    if (rpc_call_outbox_bytes(stream->call) >= STREAM_REFILL_BYTES) {
        return true; /* the client reads slowly */
    }
    if (stream->set != NULL) {
        page.set = fleet_set_find(fleet, stream->set, stream->digest);
        if (page.set == NULL) {
            rpc_call_finish(stream->call, RPC_ABORTED,
                            "the set was published anew while its plan was made: ask again");
            return false;
        }
    }
    operator_pages_find_offline(&page, fleet, &arena);
    fleet_visit_tenants(fleet, stream->selector, operator_pages_visit, &page);
    bool more = page.open && page.pause;
    if (page.open && !page.pause) {
        /* The rest; and one page in any case, so that a client learns of the set and its target. */
        if (page.count > 0 || !stream->started) {
            operator_pages_flush(&page);
        }
        rpc_call_finish(stream->call, RPC_OK, NULL);
    }
    arena_release(&page.arena);
    return more;
}
