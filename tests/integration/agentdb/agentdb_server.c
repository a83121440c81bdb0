#include "agentdb_server.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/base.h"
#include "common/core/clock.h"
#include "common/pg/pg_conn.h"

enum { ARGUMENTS_MAX = 24, START_WAIT_MS = 30000, START_POLL_US = 20000 };

extern char **environ;

static void agentdb_server_die(const char *what)
{
    (void)fprintf(stderr, "agentdb: %s: %s\n", what, strerror(errno));
    abort();
}

static const char *agentdb_server_bin(void)
{
    const char *bin = getenv("PG_BIN");

    return bin != NULL ? bin : "/usr/lib/postgresql/15/bin";
}

/* PostgreSQL refuses to run as root. */
static size_t agentdb_server_prefix(const char *arguments[])
{
    size_t count = 0;

    if (geteuid() == 0) {
        arguments[count++] = "/usr/bin/setpriv";
        arguments[count++] = "--reuid=postgres";
        arguments[count++] = "--regid=postgres";
        arguments[count++] = "--clear-groups";
        arguments[count++] = "--pdeathsig=KILL"; /* no server outlives a test that crashed */
        arguments[count++] = "--";
    }
    return count;
}

static pid_t agentdb_server_launch(const char *const arguments[], const char *const environment[],
                                   const char *log)
{
    posix_spawn_file_actions_t actions;
    char *copies[ARGUMENTS_MAX + 1] = { 0 };
    char *variables[ARGUMENTS_MAX + 1] = { 0 };
    pid_t pid = 0;

    /* posix_spawn does not change them, but does not say so. */
    for (size_t i = 0; arguments[i] != NULL; i++) {
        assert(i < ARGUMENTS_MAX);
        memcpy(&copies[i], &arguments[i], sizeof(copies[i]));
    }
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        assert(i < ARGUMENTS_MAX);
        memcpy(&variables[i], &environment[i], sizeof(variables[i]));
    }
    posix_spawn_file_actions_init(&actions);
    if (log != NULL) {
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
    }
    errno = posix_spawn(&pid, copies[0], &actions, NULL, copies,
                        environment != NULL ? variables : environ);
    if (errno != 0) {
        agentdb_server_die(copies[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

bool agentdb_server_spawn(const char *const arguments[], const char *const environment[],
                          int *ret_status)
{
    pid_t pid = agentdb_server_launch(arguments, environment, "/dev/null");
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            agentdb_server_die("waitpid");
        }
    }
    if (ret_status != NULL) {
        *ret_status = status;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void agentdb_server_configure(const struct agentdb_server *server)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/data/postgresql.auto.conf", server->folder);
    FILE *file = fopen(path, "a"); /* what comes later counts */
    if (file == NULL) {
        agentdb_server_die(path);
    }
    /* The slow WAL writer leaves asynchronous commits in memory, so a crash does lose them. */
    (void)fprintf(file,
                  "listen_addresses = ''\nunix_socket_directories = '%s'\nport = 5432\n"
                  "fsync = off\nmax_connections = 60\nautovacuum = off\nwal_writer_delay = '10s'\n"
                  "wal_writer_flush_after = '1GB'\nwal_buffers = '64MB'\nshared_buffers = '96MB'\n"
                  "log_min_messages = 'warning'\nmax_wal_size = '4GB'\nrestart_after_crash = on\n",
                  server->folder);
    (void)fclose(file);
}

static void agentdb_server_make_folder(struct agentdb_server *server)
{
    (void)snprintf(server->folder, sizeof(server->folder), "/tmp/skein-agentdb-XXXXXX");
    if (mkdtemp(server->folder) == NULL) {
        agentdb_server_die("mkdtemp");
    }
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user != NULL && chown(server->folder, user->pw_uid, user->pw_gid) != 0) {
        agentdb_server_die("chown");
    }
    (void)chmod(server->folder, 0755);
    (void)snprintf(server->conninfo, sizeof(server->conninfo),
                   "host=%s port=5432 user=postgres dbname=postgres", server->folder);
}

void agentdb_server_init(struct agentdb_server *server)
{
    const char *arguments[ARGUMENTS_MAX] = { 0 };
    size_t count = agentdb_server_prefix(arguments);
    char initdb[PATH_MAX];
    char data[PATH_MAX];

    agentdb_server_make_folder(server);
    (void)snprintf(initdb, sizeof(initdb), "%s/initdb", agentdb_server_bin());
    (void)snprintf(data, sizeof(data), "%s/data", server->folder);
    arguments[count++] = initdb;
    arguments[count++] = "--pgdata";
    arguments[count++] = data;
    arguments[count++] = "--username=postgres";
    arguments[count++] = "--auth=trust";
    arguments[count++] = "--encoding=UTF8";
    arguments[count++] = "--locale=C";
    arguments[count++] = "--no-sync";
    if (!agentdb_server_spawn(arguments, NULL, NULL)) {
        agentdb_server_die("initdb");
    }
    agentdb_server_configure(server);
    agentdb_server_start(server);
}

void agentdb_server_init_standby(struct agentdb_server *server,
                                 const struct agentdb_server *primary)
{
    const char *arguments[ARGUMENTS_MAX] = { 0 };
    size_t count = agentdb_server_prefix(arguments);
    char program[PATH_MAX];
    char data[PATH_MAX];

    agentdb_server_make_folder(server);
    (void)snprintf(program, sizeof(program), "%s/pg_basebackup", agentdb_server_bin());
    (void)snprintf(data, sizeof(data), "%s/data", server->folder);
    arguments[count++] = program;
    arguments[count++] = "--pgdata";
    arguments[count++] = data;
    arguments[count++] = "--dbname";
    arguments[count++] = primary->conninfo;
    arguments[count++] = "--write-recovery-conf";
    arguments[count++] = "--checkpoint=fast";
    arguments[count++] = "--no-sync";
    if (!agentdb_server_spawn(arguments, NULL, NULL)) {
        agentdb_server_die("pg_basebackup");
    }
    agentdb_server_configure(server);
    agentdb_server_start(server);
}

void agentdb_server_start(struct agentdb_server *server)
{
    const char *arguments[ARGUMENTS_MAX] = { 0 };
    size_t count = agentdb_server_prefix(arguments);
    char postgres[PATH_MAX];
    char data[PATH_MAX];
    char log[PATH_MAX];
    uint64_t deadline_ms = clock_monotonic_ms() + START_WAIT_MS;

    assert(server->pid == 0);
    (void)snprintf(postgres, sizeof(postgres), "%s/postgres", agentdb_server_bin());
    (void)snprintf(data, sizeof(data), "%s/data", server->folder);
    (void)snprintf(log, sizeof(log), "%s/log", server->folder);
    arguments[count++] = postgres;
    arguments[count++] = "-D";
    arguments[count++] = data;
    for (;;) {
        CLEANUP(pg_conn_free) struct pg_conn *conn = NULL;
        struct error err = { 0 };
        struct timespec pause = { .tv_nsec = START_POLL_US * 1000L };

        /* A killed predecessor's processes may take a moment to go: then it refuses to start. */
        if (server->pid == 0 || waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = agentdb_server_launch(arguments, NULL, log);
        }
        if (pg_conn_open(server->conninfo, "", "agentdb", &conn, &err)) {
            return;
        }
        if (clock_monotonic_ms() > deadline_ms) {
            (void)fprintf(stderr, "agentdb: PostgreSQL does not start: %s\n", err.message);
            abort();
        }
        (void)nanosleep(&pause, NULL);
    }
}

static pid_t agentdb_server_parent_of(const char *pid)
{
    char path[PATH_MAX];
    char text[512] = { 0 };

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    size_t count = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    const char *behind_name = count == 0 ? NULL : strrchr(text, ')');
    return behind_name == NULL ? 0 : (pid_t)strtol(behind_name + 4, NULL, 10);
}

/* Each backend leads a session of its own, so there is no group to signal. */
static void agentdb_server_signal_children(const struct agentdb_server *server, int number)
{
    DIR *processes = opendir("/proc");

    for (struct dirent *entry = readdir(processes); entry != NULL; entry = readdir(processes)) {
        if (isdigit((unsigned char)entry->d_name[0]) &&
            agentdb_server_parent_of(entry->d_name) == server->pid) {
            (void)kill((pid_t)strtol(entry->d_name, NULL, 10), number);
        }
    }
    (void)closedir(processes);
}

void agentdb_server_freeze(struct agentdb_server *server)
{
    (void)kill(server->pid, SIGSTOP); /* first: it makes no new ones then */
    agentdb_server_signal_children(server, SIGSTOP);
}

void agentdb_server_thaw(struct agentdb_server *server)
{
    agentdb_server_signal_children(server, SIGCONT);
    (void)kill(server->pid, SIGCONT);
}

void agentdb_server_kill(struct agentdb_server *server)
{
    if (server->pid == 0) {
        return;
    }
    (void)kill(server->pid, SIGSTOP);
    agentdb_server_signal_children(server, SIGKILL);
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void agentdb_server_release(struct agentdb_server *server)
{
    const char *arguments[] = { "/bin/rm", "-rf", server->folder, NULL };

    agentdb_server_kill(server);
    (void)agentdb_server_spawn(arguments, NULL, NULL);
}
