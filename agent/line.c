#include "agent/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/limits.h"
#include "common/core/memory.h"
#include "common/wire/wire.h"

enum {
    LINE_ADDRESS_BYTES = 256,
    LINE_FETCH_TIMEOUT_MS = 60000,
    LINE_CLIENTS_MAX = 8,                   /* leaders may come and go under ever new addresses */
    LINE_SILENCE_MS = 4000,                 /* without even an acknowledged heartbeat */
    LINE_REST_MS = LEADER_LEASE_TTL_MS / 2, /* by then another leads */
    LINE_RESTS_MAX = 4,
};

/* One client per address, made on first use and kept: streams of an old one may still be ending. */
struct line_client {
    struct line_client *next;
    char address[LINE_ADDRESS_BYTES];
    struct rpc_client *client;
};

struct line_rest {
    char address[LINE_ADDRESS_BYTES];
    uint64_t until_ms;
};

struct line {
    struct line_options options;
    struct line_rest rests[LINE_RESTS_MAX]; /* as a ring */
    size_t rest_next;
    struct line_client *clients;
    struct rpc_client *client; /* of the stream */
    struct rpc_stream *stream; /* NULL while there is none */
    uint64_t stream_id;
    size_t turn; /* index into addresses */
    char address[LINE_ADDRESS_BYTES];
};

/* What the rpc loop knows of a stream. */
struct line_tap {
    struct mailbox *inbox;
    uint64_t stream_id;
    uint64_t heard_ms; /* rpc loop */
};

struct line *line_new(const struct line_options *options)
{
    struct line *line = memory_alloc(sizeof(*line));

    line->options = *options;
    snprintf(line->address, sizeof(line->address), "%s", options->addresses[0]);
    return line;
}

static void line_drop_client(struct line_client **pointer)
{
    struct line_client *client = *pointer;

    *pointer = client->next;
    rpc_client_free(&client->client);
    free(client);
}

void line_free(struct line **pointer)
{
    struct line *line = *pointer;

    if (line == NULL) {
        return;
    }
    line_close(line);
    while (line->clients != NULL) {
        line_drop_client(&line->clients);
    }
    free(line);
    *pointer = NULL;
}

static void line_on_message(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct line_tap *tap = user;
    struct agent_event *event = agent_event_new(AGENT_EVENT_MESSAGE);
    struct error err = { 0 };

    event->stream = tap->stream_id;
    tap->heard_ms = clock_monotonic_ms();
    if (!wire_decode_coordinator_message(message, &event->arena, &event->message, &err)) {
        agent_event_free(&event);
        rpc_stream_cancel(stream); /* it does not speak our language: try the next one */
        return;
    }
    /* The coordinator never has more under way than the mailbox has room for. */
    if (!mailbox_try_post(tap->inbox, event)) {
        agent_event_free(&event);
        rpc_stream_cancel(stream);
    }
}

static void line_on_closed(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct line_tap *tap = user;
    struct agent_event *event = agent_event_new(AGENT_EVENT_CLOSED);

    (void)stream;
    event->stream = tap->stream_id;
    event->closed.leader = arena_strdup(&event->arena, end->leader);
    event->closed.silent = clock_monotonic_ms() - tap->heard_ms >= LINE_SILENCE_MS;
    error_set(&event->closed.error,
              end->status == RPC_OK ? ERR_UNAVAILABLE : rpc_status_to_error(end->status), "%s",
              end->message[0] == '\0' ? "the coordinator ended the stream" : end->message);
    mailbox_post_reserved(tap->inbox, event);
    free(tap);
}

/* Makes room for one more: the one that was not used for longest goes. Its streams are over, or of
 * no use any more. */
static void line_evict(struct line *line)
{
    struct line_client **at = &line->clients;
    size_t count = 0;

    while (*at != NULL && ++count < LINE_CLIENTS_MAX) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        if (line->client == (*at)->client) {
            line->client = NULL;
        }
        line_drop_client(at);
    }
}

static bool line_find_client(struct line *line, const char *address, struct rpc_client **ret_client,
                             struct error *err)
{
    for (struct line_client **at = &line->clients; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->address, address) == 0) {
            struct line_client *found = *at;
            *at = found->next; /* to the front: they stand in the order of their last use */
            found->next = line->clients;
            line->clients = found;
            *ret_client = found->client;
            return true;
        }
    }
    line_evict(line);
    struct line_client *client = memory_alloc(sizeof(*client));
    snprintf(client->address, sizeof(client->address), "%s", address);
    if (!rpc_client_new(address, line->options.tls, &client->client, err)) {
        free(client);
        return false;
    }
    client->next = line->clients;
    line->clients = client;
    *ret_client = client->client;
    return true;
}

bool line_open(struct line *line, uint64_t *ret_stream, struct error *err)
{
    static const struct rpc_stream_handler handler = { .on_message = line_on_message,
                                                       .on_closed = line_on_closed };
    struct line_tap *tap = memory_alloc(sizeof(*tap));

    line_close(line);
    *tap = (struct line_tap){ .inbox = line->options.inbox,
                              .stream_id = ++line->stream_id,
                              .heard_ms = clock_monotonic_ms() };
    if (!line_find_client(line, line->address, &line->client, err) ||
        !rpc_stream_open(line->client, "/skein.v1.AgentService/Connect", UINT64_MAX, &handler, tap,
                         &line->stream, err)) {
        free(tap);
        return error_wrap(err, "connect to %s", line->address);
    }
    *ret_stream = line->stream_id;
    return true;
}

void line_send(struct line *line, const struct agent_message *message)
{
    CLEANUP(arena_release) struct arena arena = { 0 };

    if (line->stream != NULL) {
        rpc_stream_send(line->stream, wire_encode_agent_message(message, &arena));
    }
}

void line_half_close(struct line *line)
{
    if (line->stream != NULL) {
        rpc_stream_half_close(line->stream);
    }
}

void line_close(struct line *line)
{
    if (line->stream != NULL) {
        rpc_stream_half_close(line->stream);
        rpc_stream_cancel(line->stream);
        rpc_stream_unref(&line->stream);
    }
}

const char *line_address(const struct line *line)
{
    return line->address;
}

void line_rest(struct line *line, uint64_t now_ms)
{
    struct line_rest *rest = &line->rests[line->rest_next];

    line->rest_next = (line->rest_next + 1) % LINE_RESTS_MAX;
    snprintf(rest->address, sizeof(rest->address), "%s", line->address);
    rest->until_ms = now_ms + LINE_REST_MS;
}

static bool line_rests(const struct line *line, const char *address)
{
    uint64_t now_ms = clock_monotonic_ms();

    for (size_t i = 0; i < LINE_RESTS_MAX; i++) {
        if (now_ms < line->rests[i].until_ms && strcmp(line->rests[i].address, address) == 0) {
            return true;
        }
    }
    return false;
}

void line_next_address(struct line *line, const char *leader)
{
    bool allowed = !line->options.loopback_only || rpc_address_is_loopback(leader);

    if (leader[0] != '\0' && allowed && strcmp(leader, line->address) != 0 &&
        !line_rests(line, leader)) {
        snprintf(line->address, sizeof(line->address), "%s", leader);
        return;
    }
    /* Neither one that rests nor the one that has just failed; if there is no other, any will do.
     */
    for (size_t i = 0; i < line->options.address_count; i++) {
        line->turn = (line->turn + 1) % line->options.address_count;
        const char *next = line->options.addresses[line->turn];
        if (!line_rests(line, next) && strcmp(next, line->address) != 0) {
            break;
        }
    }
    snprintf(line->address, sizeof(line->address), "%s", line->options.addresses[line->turn]);
}

/* ---- fetching a set ---- */

struct line_fetch {
    struct mailbox *inbox;
    struct agent_event *event;
    struct buf archive;
};

static void line_on_chunk(void *user, struct rpc_stream *stream, struct bytes message)
{
    struct line_fetch *fetch = user;
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct bytes chunk;

    if (!wire_decode_fetch_set_response(message, &arena, &chunk, &fetch->event->archive.error) ||
        !buf_append(&fetch->archive, chunk.data, chunk.size)) {
        rpc_stream_cancel(stream);
    }
}

static void line_on_fetched(void *user, struct rpc_stream *stream, const struct rpc_end *end)
{
    struct line_fetch *fetch = user;
    struct agent_event *event = fetch->event;
    struct error *err = &event->archive.error;

    (void)stream;
    if (err->code == ERR_NONE && buf_check(&fetch->archive, err) && end->status != RPC_OK) {
        error_set(err, rpc_status_to_error(end->status), "%s", end->message);
    }
    event->archive.bytes.size = fetch->archive.size;
    event->archive.bytes.data =
        arena_memdup(&event->arena, buf_text(&fetch->archive), fetch->archive.size);
    buf_release(&fetch->archive);
    mailbox_post_reserved(fetch->inbox, event);
    free(fetch);
}

bool line_fetch(struct line *line, const char *set, const char *digest, struct error *err)
{
    static const struct rpc_stream_handler handler = { .on_message = line_on_chunk,
                                                       .on_closed = line_on_fetched };
    CLEANUP(arena_release) struct arena arena = { 0 };

    if (line->client == NULL) {
        return error_set(err, ERR_UNAVAILABLE, "there is no line to a coordinator");
    }
    struct line_fetch *fetch = memory_alloc(sizeof(*fetch));
    struct rpc_stream *stream = NULL;
    struct agent_event *event = agent_event_new(AGENT_EVENT_ARCHIVE);

    event->archive.name = arena_strdup(&event->arena, set);
    event->archive.digest = arena_strdup(&event->arena, digest);
    *fetch = (struct line_fetch){ .inbox = line->options.inbox,
                                  .event = event,
                                  .archive = { .size_max = SET_ARCHIVE_BYTES_MAX } };
    if (!rpc_stream_open(line->client, "/skein.v1.AgentService/FetchSet",
                         clock_monotonic_ms() + LINE_FETCH_TIMEOUT_MS, &handler, fetch, &stream,
                         err)) {
        agent_event_free(&event);
        free(fetch);
        return false;
    }
    rpc_stream_send(stream, wire_encode_fetch_set_request(set, digest, &arena));
    rpc_stream_half_close(stream);
    rpc_stream_unref(&stream);
    return true;
}
