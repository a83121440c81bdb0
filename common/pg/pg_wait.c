#include "common/pg/pg_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "common/core/clock.h"
#include "common/core/limits.h"

/* Asks the very server that the connection goes to, whatever others the conninfo names. */
static bool pg_wait_is_alive(const struct pg_conn *conn)
{
    const char *keywords[8] = { 0 };
    const char *values[8] = { 0 };
    char seconds[16];
    size_t count = 0;
    const char *address = PQhostaddr(conn->pg);

    (void)snprintf(seconds, sizeof(seconds), "%d", PG_PING_TIMEOUT_MS / 1000);
    keywords[count] = "dbname"; /* expanded: the whole conninfo; what follows overrides it */
    values[count++] = conn->conninfo;
    keywords[count] = "host";
    values[count++] = PQhost(conn->pg);
    keywords[count] = "hostaddr";
    values[count++] = address == NULL || address[0] == '/' ? "" : address;
    keywords[count] = "port";
    values[count++] = PQport(conn->pg);
    keywords[count] = "target_session_attrs";
    values[count++] = "any";
    keywords[count] = "connect_timeout";
    values[count++] = seconds;
    return PQpingParams(keywords, values, 1) != PQPING_NO_RESPONSE;
}

static bool pg_wait_lose(struct pg_conn *conn, uint64_t silent_ms, const char *why)
{
    (void)snprintf(conn->words, sizeof(conn->words),
                   "PostgreSQL has been silent for %llu s, and %s: the connection is given up",
                   (unsigned long long)(silent_ms / 1000), why);
    conn->lost = true;
    return false;
}

bool pg_wait(struct pg_conn *conn, bool writing, bool *ret_readable)
{
    struct pollfd socket = { .fd = PQsocket(conn->pg),
                             .events = (short)(POLLIN | (writing ? POLLOUT : 0)) };
    uint64_t began_ms = clock_monotonic_ms();
    uint64_t next_ms = PG_PING_AFTER_MS;
    unsigned unanswered = 0;

    for (;;) {
        uint64_t silent_ms = clock_monotonic_ms() - began_ms;
        int ready = poll(&socket, 1, silent_ms < next_ms ? (int)(next_ms - silent_ms) : 0);

        if (ready < 0 && errno != EINTR) {
            return pg_wait_lose(conn, silent_ms, "its socket cannot be waited for");
        }
        if (ready > 0) {
            *ret_readable = (socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0;
            return true;
        }
        silent_ms = clock_monotonic_ms() - began_ms;
        if (conn->patience_ms > 0 && silent_ms >= conn->patience_ms) {
            return pg_wait_lose(conn, silent_ms, "that is longer than a statement may take");
        }
        if (ready < 0 || silent_ms < next_ms) {
            continue;
        }
        unanswered = pg_wait_is_alive(conn) ? 0 : unanswered + 1;
        if (unanswered == PG_PINGS_MAX) {
            return pg_wait_lose(conn, clock_monotonic_ms() - began_ms,
                                "a new connection to it is not answered either");
        }
        next_ms = clock_monotonic_ms() - began_ms +
                  (unanswered == 0 ? PG_PING_AFTER_MS : PG_PING_AGAIN_MS);
    }
}
