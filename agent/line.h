/* line.h - the agent's stream to a coordinator: opens, sends, and turns what comes into events.
 *
 * Owned by the agent's brain thread; what the rpc loop hears goes into the mailbox. Coordinators
 * are tried in turn; one that says who leads is left for that one. */
#ifndef SKEIN_AGENT_LINE_H
#define SKEIN_AGENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/agent_event.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/core/mailbox.h"
#include "common/rpc/rpc_client.h"

struct line;

struct line_options {
    char **addresses; /* borrowed */
    size_t address_count;
    const struct rpc_tls *tls; /* borrowed; NULL: plaintext */
    bool loopback_only;        /* nobody said --insecure: no plaintext to a leader elsewhere */
    struct mailbox *inbox;     /* borrowed */
};

struct line *line_new(const struct line_options *options);
/* Cancels what is open and waits for it. */
void line_free(struct line **pointer);

/* Opens a Connect stream. Its events carry *ret_stream. */
MUST_CHECK bool line_open(struct line *line, uint64_t *ret_stream, struct error *err);
/* Encodes and sends; a stream that is gone ends in AGENT_EVENT_CLOSED anyway. */
void line_send(struct line *line, const struct agent_message *message);
/* Nothing more is sent; the coordinator ends the stream. */
void line_half_close(struct line *line);
void line_close(struct line *line);
/* The address said nothing for long: it is left out for a while, whoever names it. A coordinator
 * that is paused still takes connections, and those who stand by may not know yet. */
void line_rest(struct line *line, uint64_t now_ms);
/* After AGENT_EVENT_CLOSED: who to try next. */
void line_next_address(struct line *line, const char *leader);
const char *line_address(const struct line *line);

/* Fetches a set's archive; ends in AGENT_EVENT_ARCHIVE, unless it fails at once. */
MUST_CHECK bool line_fetch(struct line *line, const char *set, const char *digest,
                           struct error *err);

#endif
