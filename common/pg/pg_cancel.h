/* pg_cancel.h - a cancel request that cannot keep its sender.
 *
 * Private to common/pg. PQcancel waits until the server has taken the request, which one that is
 * frozen never does. So it runs on a thread of its own, at most one for each connection, which the
 * sender waits for PG_CANCEL_WAIT_MS and then leaves to itself: it ends when the server comes back
 * or dies. */
#ifndef SKEIN_COMMON_PG_PG_CANCEL_H
#define SKEIN_COMMON_PG_PG_CANCEL_H

#include <libpq-fe.h>

struct pg_cancel;

/* Takes `request` over; NULL is allowed, and asks for nothing. */
struct pg_cancel *pg_cancel_new(PGcancel *request);
/* Any thread. While an earlier request is still on its way nothing is sent. */
void pg_cancel_send(struct pg_cancel *cancel);
/* A request that is on its way goes on by itself. */
void pg_cancel_free(struct pg_cancel **cancel);

#endif
