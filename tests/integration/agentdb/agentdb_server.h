/* agentdb_server.h - a PostgreSQL server of the test's own, and a switch in front of it that loses
 * answers.
 *
 * Used by the test's thread. Everything lives in one temporary folder and listens on sockets there,
 * so that any number of tests may run at the same time. */
#ifndef SKEIN_TESTS_AGENTDB_SERVER_H
#define SKEIN_TESTS_AGENTDB_SERVER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct agentdb_server {
    char folder[64];
    char conninfo[256];
    pid_t pid; /* of the postmaster; 0: not running */
};

/* initdb and start; aborts the test program when that fails. */
void agentdb_server_init(struct agentdb_server *server);
/* A standby that streams from `primary`. */
void agentdb_server_init_standby(struct agentdb_server *server,
                                 const struct agentdb_server *primary);
void agentdb_server_start(struct agentdb_server *server);
/* All of its processes at once with SIGKILL, as when a machine dies: what was only in shared
 * memory, such as WAL that nobody flushed, is gone. */
void agentdb_server_kill(struct agentdb_server *server);
/* SIGSTOP to all of its processes: connections stay, the kernel answers for them, nothing else
 * does. */
void agentdb_server_freeze(struct agentdb_server *server);
void agentdb_server_thaw(struct agentdb_server *server);
void agentdb_server_release(struct agentdb_server *server);

/* Runs a program to its end; true if it exits with 0. */
bool agentdb_server_spawn(const char *const arguments[], const char *const environment[],
                          int *ret_status);

/* Forwards between a socket of its own and the server. */
struct agentdb_proxy;
struct agentdb_proxy *agentdb_proxy_new(const struct agentdb_server *server);
void agentdb_proxy_free(struct agentdb_proxy **proxy);
const char *agentdb_proxy_conninfo(const struct agentdb_proxy *proxy);
/* The next `count` answers of the server that hold `words` are not passed on: the client's
 * connection ends instead. The server has done its work then. */
void agentdb_proxy_swallow(struct agentdb_proxy *proxy, const char *words, int count);
int agentdb_proxy_swallowed(struct agentdb_proxy *proxy);

#endif
