/* What may go wrong with the embedded store's file. */
#include "store_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store_fixture.h"

#include "common/core/clock.h"
#include "common/core/memory.h"

extern char **environ;

enum { KILLS = 6, CHILD_WRITES_MAX = 1000000 };

static void file_path(char path[FIXTURE_PATH_BYTES], const char *name)
{
    snprintf(path, FIXTURE_PATH_BYTES, "%.128s/%.64s", fixture_dir(), name);
}

static void file_location(char location[FIXTURE_PATH_BYTES], const char *name)
{
    snprintf(location, FIXTURE_PATH_BYTES, "sqlite:%.128s/%.64s", fixture_dir(), name);
}

static enum err_code try_open(const char *location, struct error *err)
{
    const struct store_options options = { .location = location };
    struct store *store = NULL;

    *err = (struct error){ 0 };
    bool ok = store_open(&options, &store, err);
    store_free(&store);
    print_message("    %s\n", err->message);
    return ok ? ERR_NONE : err->code;
}

static void a_file_serves_one_coordinator(void **state)
{
    char location[FIXTURE_PATH_BYTES];
    struct error err;

    (void)state;
    file_location(location, "one.db");
    struct store *store = fixture_open(location, 0);
    assert_int_equal(try_open(location, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "one.db"));
    fixture_put(store, "/a", "1");
    store_free(&store);
    assert_int_equal(try_open(location, &err), ERR_NONE);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_file_that_is_no_store_is_refused(void **state)
{
    char location[FIXTURE_PATH_BYTES];
    char path[FIXTURE_PATH_BYTES];
    struct error err;

    (void)state;
    file_path(path, "text.db");
    file_location(location, "text.db");
    write_file(path, "This is no database, but it is long enough to look like one at first sight.\n"
                     "It was put here by somebody who did not know what it was for, some day.\n");
    assert_int_equal(try_open(location, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "text.db"));

    file_path(path, "other.db");
    file_location(location, "other.db");
    run_sql(path, "CREATE TABLE customers (name TEXT)");
    assert_int_equal(try_open(location, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "another program"));

    file_path(path, "newer.db");
    file_location(location, "newer.db");
    assert_int_equal(try_open(location, &err), ERR_NONE);
    run_sql(path, "PRAGMA user_version = 99");
    assert_int_equal(try_open(location, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "99"));

    file_path(path, "folder.db");
    file_location(location, "folder.db");
    mkdir(path, 0700);
    assert_int_equal(try_open(location, &err), ERR_INVALID);
}

/* Damage that shows only when a page is read: an error, no crash, and the program goes on. */
static void a_damaged_file_is_told(void **state)
{
    char location[FIXTURE_PATH_BYTES];
    char path[FIXTURE_PATH_BYTES];
    char junk[4096];
    struct error err = { 0 };
    struct store_kv_list list = { 0 };

    (void)state;
    file_path(path, "damaged.db");
    file_location(location, "damaged.db");
    struct store *store = fixture_open(location, 0);
    for (int i = 0; i < 20; i++) {
        char keys[100][32];
        struct store_op ops[100];
        struct store_txn_result result;
        for (int j = 0; j < 100; j++) {
            snprintf(keys[j], sizeof(keys[j]), "/key/%06d", i * 100 + j);
            ops[j] = fixture_op(STORE_PUT, keys[j], "some value of some length");
        }
        assert_true(store_txn_wait(store, NULL, 0, ops, 100, &result, &err));
    }
    store_free(&store);
    memset(junk, 0xa5, sizeof(junk));
    int fd = open(path, O_WRONLY);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = (off_t)16 * 4096; at + 4096 <= status.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
    }
    close(fd);
    store = fixture_open(location, 0);
    assert_false(store_range_wait(store, "/key/", &list, &err));
    assert_int_equal(err.code, ERR_INVALID);
    print_message("    %s\n", err.message);
    assert_false(store_is_healthy(store));
    store_free(&store);
}

static void leases_get_their_time_again_after_a_restart(void **state)
{
    char location[FIXTURE_PATH_BYTES];
    struct store_lease_result lease;
    struct error err = { 0 };

    (void)state;
    file_location(location, "leases.db");
    struct store *store = fixture_open(location, 0);
    assert_true(store_lease_grant_wait(store, 700, &lease, &err));
    fixture_put_leased(store, "/l/a", lease.lease_id);
    store_free(&store);
    fixture_wait_ms(800);
    store = fixture_open(location, 0);
    assert_int_equal(fixture_count(store, "/l/"), 1);
    struct store_lease_result again;
    assert_true(store_lease_keep_alive_wait(store, lease.lease_id, &again, &err));
    assert_true(again.ttl_ms == 700);
    struct store_lease_result other;
    assert_true(store_lease_grant_wait(store, 700, &other, &err));
    assert_true(other.lease_id > lease.lease_id);
    fixture_wait_count(store, "/l/", 0);
    store_free(&store);
}

static void a_watch_reads_what_happened_before_a_restart(void **state)
{
    char location[FIXTURE_PATH_BYTES];
    struct watch_log log;

    (void)state;
    watch_log_init(&log);
    file_location(location, "history.db");
    struct store *store = fixture_open(location, 0);
    int64_t from = fixture_put(store, "/h/a", "1");
    fixture_put(store, "/h/a", "2");
    fixture_delete(store, "/h/a");
    store_free(&store);
    store = fixture_open(location, 0);
    fixture_put(store, "/h/b", "3");
    const struct store_watch_handler handler = watch_log_handler(&log);
    struct store_watch *watch = store_watch_start(store, "/h/", from, &handler);
    watch_log_wait(&log, 4);
    assert_string_equal(buf_text(&log.text), "+a=1 |+a=2 |-a |+b=3 |");
    store_watch_stop(&watch);
    store_free(&store);
    watch_log_release(&log);
}

static void a_full_disk_is_told_and_goes_on_when_there_is_room(void **state)
{
    char folder[FIXTURE_PATH_BYTES];
    char location[FIXTURE_PATH_BYTES];
    struct error err = { 0 };
    enum err_code code = ERR_NONE;
    char *large = memory_alloc((256 << 10) + 1);
    size_t written = 0;

    (void)state;
    file_path(folder, "small");
    mkdir(folder, 0700);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=4m") != 0) {
        print_message("    no right to mount a small disk\n");
        free(large);
        skip();
        return;
    }
    memset(large, 'x', 256 << 10);
    file_location(location, "small/store.db");
    struct store *store = fixture_open(location, 0);
    fixture_put(store, "/small", "1");
    for (int i = 0; i < 64 && code == ERR_NONE; i++) {
        char key[32];
        snprintf(key, sizeof(key), "/large/%02d", i);
        code = fixture_try_put(store, key, large, &err);
        written += code == ERR_NONE;
    }
    print_message("    %s\n", err.message);
    assert_int_equal(code, ERR_LIMIT);
    assert_false(store_is_healthy(store));
    assert_int_equal(fixture_count(store, "/large/"), written); /* all or nothing */
    assert_int_equal(mount("tmpfs", folder, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    fixture_put(store, "/large/more", large);
    assert_int_equal(fixture_count(store, "/large/"), written + 1);
    assert_true(store_is_healthy(store));
    store_free(&store);
    free(large);
    assert_int_equal(umount(folder), 0);
}

/* ---- kill -9 while it writes ---- */

static void child_on_done(void *user, const struct store_txn_result *result,
                          const struct error *err)
{
    char line[32];
    int length = snprintf(line, sizeof(line), "%u\n", (unsigned)(uintptr_t)user);

    if (err != NULL || !result->succeeded || write(1, line, (size_t)length) != length) {
        _exit(1);
    }
}

int store_sqlite_faults_child(const char *location)
{
    struct store *store = fixture_open(location, 60000);

    for (unsigned i = 0; i < CHILD_WRITES_MAX; i++) {
        char first[64];
        char second[64];
        snprintf(first, sizeof(first), "/x/%ld/%08u", (long)getpid(), i);
        snprintf(second, sizeof(second), "/y/%ld/%08u", (long)getpid(), i);
        struct store_op ops[2] = { fixture_op(STORE_PUT, first, "x"),
                                   fixture_op(STORE_PUT, second, "y") };
        if (i % 50 == 0) {
            struct store_txn_result result;
            struct error err;
            if (!store_txn_wait(store, NULL, 0, NULL, 0, &result, &err)) {
                return 1; /* keeps the queue short */
            }
        }
        store_txn(store, NULL, 0, ops, 2, child_on_done, (void *)(uintptr_t)i);
    }
    return 0;
}

/* Returns how many writes the child has acknowledged, numbered from 0. */
static unsigned run_and_kill(const char *location, unsigned lines, pid_t *ret_pid)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    char own[FIXTURE_PATH_BYTES] = "";
    char *argv[] = { own, (char[]){ "--child" }, NULL, NULL };
    char *copy = memory_strdup(location);
    char line[32];
    unsigned count = 0;

    argv[2] = copy;
    assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    assert_int_equal(posix_spawn(ret_pid, own, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    free(copy);
    FILE *in = fdopen(ends[0], "r");
    while (fgets(line, sizeof(line), in) != NULL) {
        assert_int_equal(strtoul(line, NULL, 10), count);
        count++;
        if (count == lines) {
            kill(*ret_pid, SIGKILL); /* and read what it had said until then */
        }
    }
    fclose(in);
    int status;
    waitpid(*ret_pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    return count;
}

static void what_was_acknowledged_survives_a_kill(void **state)
{
    char location[FIXTURE_PATH_BYTES];

    (void)state;
    file_location(location, "killed.db");
    for (unsigned i = 0; i < KILLS; i++) {
        char prefix[64];
        pid_t pid;
        unsigned acknowledged = run_and_kill(location, 37 + i * 211, &pid);
        struct store *store = fixture_open(location, 0);
        snprintf(prefix, sizeof(prefix), "/x/%ld/", (long)pid);
        size_t first = fixture_count(store, prefix);
        prefix[1] = 'y';
        size_t second = fixture_count(store, prefix);
        assert_int_equal(first, second); /* transactions are whole */
        assert_true(first >= acknowledged);
        store_free(&store);
    }
}

int store_sqlite_faults_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_serves_one_coordinator),
        cmocka_unit_test(a_file_that_is_no_store_is_refused),
        cmocka_unit_test(a_damaged_file_is_told),
        cmocka_unit_test(leases_get_their_time_again_after_a_restart),
        cmocka_unit_test(a_watch_reads_what_happened_before_a_restart),
        cmocka_unit_test(a_full_disk_is_told_and_goes_on_when_there_is_room),
        cmocka_unit_test(what_was_acknowledged_survives_a_kill),
    };

    return cmocka_run_group_tests_name("sqlite faults", tests, NULL, NULL);
}
