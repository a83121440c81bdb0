/* operator_pages.h - ListTenants and Plan: many tenants, a page at a time.
 *
 * Brain thread only; functions for `next` of struct operator_stream. A page holds at most
 * TENANTS_PER_MESSAGE_MAX tenants; a tick sends a burst of pages and remembers the last tenant, so
 * neither the brain nor the outbox is held up by a fleet of a million. */
#ifndef SKEIN_COORDINATOR_SERVE_OPERATOR_PAGES_H
#define SKEIN_COORDINATOR_SERVE_OPERATOR_PAGES_H

#include "coordinator/serve/operator_stream.h"

bool operator_pages_next(struct operator_stream *stream, const struct fleet *fleet,
                         uint64_t now_ms);

#endif
