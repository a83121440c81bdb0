/* What may go wrong between the store and etcd, with real servers and with one that talks nonsense.
 */
#include "store_suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

#include "common/core/clock.h"
#include "common/core/memory.h"

enum { SHORT_MS = 1000 };

static void a_server_that_is_down_is_unavailable_until_it_is_back(void **state)
{
    struct etcd_server server = { 0 };
    struct watch_log log;
    struct error err = { 0 };

    (void)state;
    watch_log_init(&log);
    etcd_server_start(&server, "0");
    struct store *store = fixture_open(server.location, SHORT_MS);
    const struct store_watch_handler handler = watch_log_handler(&log);
    int64_t from = fixture_put(store, "/d/a", "1");
    struct store_watch *watch = store_watch_start(store, "/d/", from, &handler);
    watch_log_wait(&log, 1);
    assert_true(store_is_healthy(store));

    etcd_server_kill(&server);
    assert_int_equal(fixture_try_put(store, "/d/lost", "x", &err), ERR_UNAVAILABLE);
    print_message("    %s\n", err.message);
    struct store_kv_list list = { 0 };
    assert_false(store_range_wait(store, "/d/", &list, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_false(store_is_healthy(store));

    etcd_server_restart(&server);
    fixture_put_soon(store, "/d/b", "2");
    assert_true(store_is_healthy(store));
    fixture_put(store, "/d/c", "3");
    /* The watch resumes behind what it has seen. */
    watch_log_wait(&log, 3);
    assert_string_equal(buf_text(&log.text), "+a=1 |+b=2 |+c=3 |");

    store_watch_stop(&watch);
    store_free(&store);
    etcd_server_kill(&server);
    watch_log_release(&log);
}

/* The revisions after which a watch was cut off are compacted before it comes back. */
static void a_watch_that_misses_a_compaction_is_lost(void **state)
{
    struct etcd_server server = { 0 };
    struct watch_log log;
    char body[64];

    (void)state;
    watch_log_init(&log);
    etcd_server_start(&server, "0");
    struct store *store = fixture_open(server.location, SHORT_MS);
    const struct store_watch_handler handler = watch_log_handler(&log);
    int64_t from = fixture_put(store, "/m/a", "1");
    struct store_watch *watch = store_watch_start(store, "/m/", from, &handler);
    watch_log_wait(&log, 1);

    /* A stopped server cannot be written to, so another one is moved into its place. */
    struct etcd_server other = { 0 };
    etcd_server_start(&other, "0");
    struct store *writer = fixture_open(other.location, SHORT_MS);
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        last = fixture_put(writer, "/m/a", "2");
    }
    snprintf(body, sizeof(body), "{\"revision\":\"%lld\"}", (long long)last);
    etcd_server_post(&other, "/v3/kv/compaction", body);
    store_free(&writer);
    etcd_server_kill(&other);
    etcd_server_kill(&server);
    memcpy(server.dir, other.dir, sizeof(server.dir));
    server.peer_port = other.peer_port;
    etcd_server_restart(&server);

    watch_log_wait_lost(&log);
    assert_int_equal(log.lost, ERR_NOT_FOUND);
    store_watch_stop(&watch);
    store_free(&store);
    etcd_server_kill(&server);
    watch_log_release(&log);
}

static void a_write_to_a_paused_server_is_uncertain(void **state)
{
    struct etcd_server server = { 0 };
    struct error err = { 0 };
    struct store_kv_list list = { 0 };

    (void)state;
    etcd_server_start(&server, "0");
    struct store *store = fixture_open(server.location, SHORT_MS);
    fixture_put(store, "/p/a", "1");
    kill(server.pid, SIGSTOP);
    uint64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(fixture_try_put(store, "/p/b", "1", &err), ERR_UNCERTAIN);
    print_message("    %s\n", err.message);
    assert_false(store_range_wait(store, "/p/", &list, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE); /* reading changes nothing */
    assert_true(clock_monotonic_ms() - begin_ms < (uint64_t)4 * SHORT_MS);
    kill(server.pid, SIGCONT);
    fixture_put_soon(store, "/p/c", "1");
    size_t count = fixture_count(store, "/p/");
    assert_true(count == 2 || count == 3);
    store_free(&store);
    etcd_server_kill(&server);
}

static void a_dead_endpoint_is_passed_over(void **state)
{
    struct etcd_server server = { 0 };
    char location[2 * FIXTURE_PATH_BYTES];

    (void)state;
    etcd_server_start(&server, "0");
    snprintf(location, sizeof(location), "etcd:http://127.0.0.1:%u,http://127.0.0.1:%u/",
             fixture_free_port(), server.port);
    struct store *store = fixture_open(location, SHORT_MS);
    for (int i = 0; i < 20; i++) {
        fixture_put(store, "/r/a", "1"); /* fails the test if one is not carried out */
    }
    store_free(&store);
    etcd_server_kill(&server);
}

/* The first endpoint accepts and never answers: reads go on at the other, writes are uncertain
 * once and then go to the other too. */
static void a_silent_endpoint_costs_one_write(void **state)
{
    struct etcd_server good = { 0 };
    struct etcd_server paused = { 0 };
    char location[2 * FIXTURE_PATH_BYTES];
    struct error err = { 0 };

    (void)state;
    etcd_server_start(&good, "0");
    etcd_server_start(&paused, "0");
    kill(paused.pid, SIGSTOP);
    snprintf(location, sizeof(location), "etcd:http://127.0.0.1:%u,http://127.0.0.1:%u",
             paused.port, good.port);
    struct store *store = fixture_open(location, SHORT_MS);
    assert_int_equal(fixture_count(store, "/s/"), 0);
    store_free(&store);
    store = fixture_open(location, SHORT_MS);
    assert_int_equal(fixture_try_put(store, "/s/a", "1", &err), ERR_UNCERTAIN);
    assert_int_equal(fixture_try_put(store, "/s/a", "1", &err), ERR_NONE);
    store_free(&store);
    etcd_server_kill(&good);
    etcd_server_kill(&paused);
}

static enum err_code fake_put(struct fake_server *server, const char *answer, struct error *err)
{
    fake_server_say(server, answer);
    struct store *store = fixture_open(server->location, SHORT_MS);
    enum err_code code = fixture_try_put(store, "/f/a", "1", err);
    print_message("    %s\n", err->message);
    assert_false(store_is_healthy(store));
    store_free(&store);
    return code;
}

static enum err_code fake_list(struct fake_server *server, const char *answer)
{
    struct store_kv_list list = { 0 };
    struct error err = { 0 };

    fake_server_say(server, answer);
    struct store *store = fixture_open(server->location, SHORT_MS);
    assert_false(store_range_wait(store, "/f/", &list, &err));
    print_message("    %s\n", err.message);
    store_free(&store);
    return err.code;
}

/* A whole answer; valid until the next call. */
static const char *answer(const char *status, const char *body)
{
    static char text[1024]; /* only this thread's: servers copy it */

    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status,
             strlen(body), body);
    return text;
}

static void what_is_not_etcds_answer_is_told(void **state)
{
    struct fake_server server = { 0 };
    struct error err = { 0 };

    (void)state;
    fake_server_start(&server);
    assert_int_equal(fake_put(&server, answer("200 OK", "<html>\r\nhi!\r\n"), &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "not etcd's answer"));
    assert_non_null(strstr(err.message, "<html>"));
    assert_non_null(strstr(err.message, server.location + strlen("etcd:")));
    assert_int_equal(fake_put(&server, answer("200 OK", "{}"), &err), ERR_INVALID);
    assert_int_equal(fake_put(&server, answer("404 Not Found", "Not Found"), &err), ERR_INVALID);
    assert_int_equal(fake_put(&server, "SSH-2.0-OpenSSH_9.2\r\n", &err), ERR_UNCERTAIN);
    /* Behind a proxy that lost its server the write may have happened. */
    assert_int_equal(fake_put(&server, answer("502 Bad Gateway", "oops"), &err), ERR_UNCERTAIN);
    assert_int_equal(
        fake_put(&server, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"header\":{", &err),
        ERR_UNCERTAIN); /* cut off */
    assert_int_equal(fake_put(&server, "", &err), ERR_UNCERTAIN);

    assert_int_equal(fake_list(&server, answer("200 OK", "[]")), ERR_INVALID);
    assert_int_equal(
        fake_list(&server, answer("200 OK", "{\"header\":{\"revision\":\"5\"},\"kvs\":[{\"key\":"
                                            "\"AGE=\",\"mod_revision\":\"5\"}]}  ")),
        ERR_INVALID); /* a key with a NUL */
    assert_int_equal(fake_list(&server, ""), ERR_UNAVAILABLE);
    fake_server_stop(&server);
}

static void etcds_refusals_say_whether_it_happened(void **state)
{
    static const struct {
        const char *status;
        const char *body;
        enum err_code code;
    } cases[] = {
        { "503 Service Unavailable",
          "{\"error\":\"x\",\"message\":\"etcdserver: no leader\",\"code\":14}", ERR_UNAVAILABLE },
        { "503 Service Unavailable",
          "{\"error\":\"x\",\"message\":\"etcdserver: request timed out\",\"code\":14}",
          ERR_UNCERTAIN },
        { "503 Service Unavailable",
          "{\"error\":\"x\",\"message\":\"transport is closing\",\"code\":14}", ERR_UNCERTAIN },
        { "500 Internal Server Error",
          "{\"error\":\"x\",\"message\":\"context canceled\",\"code\":2}", ERR_UNCERTAIN },
        { "504 Gateway Timeout",
          "{\"error\":\"x\",\"message\":\"context deadline exceeded\",\"code\":4}", ERR_UNCERTAIN },
        { "429 Too Many Requests",
          "{\"error\":\"x\",\"message\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}",
          ERR_LIMIT },
        { "429 Too Many Requests",
          "{\"error\":\"x\",\"message\":\"etcdserver: too many requests\",\"code\":8}",
          ERR_UNAVAILABLE },
    };
    struct fake_server server = { 0 };
    struct error err = { 0 };

    (void)state;
    fake_server_start(&server);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = answer(cases[i].status, cases[i].body);
        assert_int_equal(fake_put(&server, text, &err), cases[i].code);
    }
    fake_server_stop(&server);
}

/* curl repeats a request when a kept connection dies before the answer. A write must not be. */
static void a_write_is_never_sent_twice(void **state)
{
    struct fake_server server = { 0 };
    struct error err = { 0 };

    (void)state;
    snprintf(server.first, sizeof(server.first), "%s",
             answer("200 OK", "{\"header\":{\"revision\":\"5\"},\"succeeded\":true}"));
    fake_server_start(&server);
    struct store *store = fixture_open(server.location, SHORT_MS);
    assert_int_equal(fixture_try_put(store, "/f/a", "1", &err), ERR_NONE);
    /* The second request of the connection is read, and the connection closed. */
    assert_int_equal(fixture_try_put(store, "/f/a", "2", &err), ERR_UNCERTAIN);
    assert_int_equal(fake_server_requests(&server), 2);
    assert_int_equal(fixture_try_put(store, "/f/a", "3", &err), ERR_NONE);
    assert_int_equal(fake_server_requests(&server), 3);
    store_free(&store);
    fake_server_stop(&server);
}

/* Fills a store with a small quota; then makes room as an administrator does. */
static void a_full_store_says_so_and_goes_on_when_there_is_room(void **state)
{
    struct etcd_server server = { 0 };
    struct error err = { 0 };
    enum err_code code = ERR_NONE;
    char body[128];
    char *large = memory_alloc((512 << 10) + 1);

    (void)state;
    memset(large, 'x', 512 << 10);
    etcd_server_start(&server, "4194304");
    struct store *store = fixture_open(server.location, 5000);
    for (int i = 0; i < 64 && code == ERR_NONE; i++) {
        code = fixture_try_put(store, "/n/a", large, &err);
    }
    free(large);
    assert_int_equal(code, ERR_LIMIT);
    print_message("    %s\n", err.message);
    assert_non_null(strstr(err.message, "full"));
    assert_int_equal(fixture_try_put(store, "/n/b", "1", &err), ERR_LIMIT);
    assert_false(store_is_healthy(store));
    int64_t revision = fixture_delete(store, "/n/a"); /* deleting and reading go on */
    assert_int_equal(fixture_count(store, "/n/"), 0);

    snprintf(body, sizeof(body), "{\"revision\":\"%lld\",\"physical\":true}", (long long)revision);
    etcd_server_post(&server, "/v3/kv/compaction", body);
    etcd_server_post(&server, "/v3/maintenance/defragment", "{}");
    const char *alarms = etcd_server_post(&server, "/v3/maintenance/alarm", "{\"action\":\"GET\"}");
    const char *member = strstr(alarms, "\"memberID\":\"");
    assert_non_null(member);
    snprintf(body, sizeof(body),
             "{\"action\":\"DEACTIVATE\",\"alarm\":\"NOSPACE\",\"memberID\":\"%llu\"}",
             strtoull(member + strlen("\"memberID\":\""), NULL, 10));
    etcd_server_post(&server, "/v3/maintenance/alarm", body);
    fixture_put(store, "/n/b", "1");
    assert_true(store_is_healthy(store));
    store_free(&store);
    etcd_server_kill(&server);
}

static void a_user_logs_in_and_logs_in_again(void **state)
{
    struct etcd_server server = { 0 };
    struct watch_log log;
    struct error err = { 0 };

    (void)state;
    watch_log_init(&log);
    etcd_server_start(&server, "0");
    /* Before authentication is enabled a user is no hindrance. */
    struct store *store = fixture_open_as(server.location, "root", "pa\"ss\\wörd");
    int64_t from = fixture_put(store, "/u/a", "1");
    const struct store_watch_handler handler = watch_log_handler(&log);
    struct store_watch *watch = store_watch_start(store, "/u/", from, &handler);
    watch_log_wait(&log, 1);

    etcd_server_post(&server, "/v3/auth/user/add",
                     "{\"name\":\"root\",\"password\":\"pa\\\"ss\\\\wörd\"}");
    etcd_server_post(&server, "/v3/auth/role/add", "{\"name\":\"root\"}");
    etcd_server_post(&server, "/v3/auth/user/grant", "{\"user\":\"root\",\"role\":\"root\"}");
    etcd_server_post(&server, "/v3/auth/enable", "{}");
    fixture_put_soon(store, "/u/b", "2");
    struct store *nobody = fixture_open(server.location, SHORT_MS);
    assert_int_equal(fixture_try_put(nobody, "/u/c", "1", &err), ERR_REFUSED);
    print_message("    %s\n", err.message);
    store_free(&nobody);
    struct store *wrong = fixture_open_as(server.location, "root", "guess");
    assert_int_equal(fixture_try_put(wrong, "/u/c", "1", &err), ERR_REFUSED);
    print_message("    %s\n", err.message);
    assert_int_equal(fixture_try_put(wrong, "/u/c", "1", &err), ERR_REFUSED);
    store_free(&wrong);

    etcd_server_restart(&server); /* and with it the tokens */
    fixture_put_soon(store, "/u/d", "4");
    watch_log_wait(&log, 3);
    assert_string_equal(buf_text(&log.text), "+a=1 |+b=2 |+d=4 |");
    store_watch_stop(&watch);
    store_free(&store);
    etcd_server_kill(&server);
    watch_log_release(&log);
}

static void tls_is_spoken_both_ways(void **state)
{
    struct etcd_server server = { .tls = true };
    struct watch_log log;
    struct error err = { 0 };

    (void)state;
    watch_log_init(&log);
    etcd_server_start(&server, "0");
    struct store *store = fixture_open_tls(server.location, fixture_certificate(), true);
    int64_t from = fixture_put(store, "/tls/a", "1");
    const struct store_watch_handler handler = watch_log_handler(&log);
    struct store_watch *watch = store_watch_start(store, "/tls/", from, &handler);
    fixture_put(store, "/tls/b", "2");
    watch_log_wait(&log, 2);
    store_watch_stop(&watch);
    store_free(&store);
    /* Without our certificate the server hangs up; without the authority we do. */
    store = fixture_open_tls(server.location, fixture_certificate(), false);
    assert_int_not_equal(fixture_try_put(store, "/tls/c", "1", &err), ERR_NONE);
    print_message("    %s\n", err.message);
    store_free(&store);
    store = fixture_open_tls(server.location, NULL, false);
    assert_int_equal(fixture_try_put(store, "/tls/c", "1", &err), ERR_UNAVAILABLE);
    print_message("    %s\n", err.message);
    store_free(&store);
    etcd_server_kill(&server);
    watch_log_release(&log);
}

static void a_location_that_is_none_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",          "etcd:",           "etcd:localhost:2379",    "etcd:ftp://h:1",
        "etcd:http", "etcd:http://h,,", "etcd:http://u:pw@h:1",   "etcd:http://h:1/path",
        "redis:x",   "sqlite:",         "etcd:http://h:1?secret", "sqlite:/no/such/folder/file",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const struct store_options options = { .location = wrong[i] };
        struct store *store = NULL;
        struct error err = { 0 };
        assert_false(store_open(&options, &store, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(store);
        print_message("    %s\n", err.message);
    }
}

int store_etcd_faults_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_down_is_unavailable_until_it_is_back),
        cmocka_unit_test(a_watch_that_misses_a_compaction_is_lost),
        cmocka_unit_test(a_write_to_a_paused_server_is_uncertain),
        cmocka_unit_test(a_dead_endpoint_is_passed_over),
        cmocka_unit_test(a_silent_endpoint_costs_one_write),
        cmocka_unit_test(what_is_not_etcds_answer_is_told),
        cmocka_unit_test(etcds_refusals_say_whether_it_happened),
        cmocka_unit_test(a_write_is_never_sent_twice),
        cmocka_unit_test(a_full_store_says_so_and_goes_on_when_there_is_room),
        cmocka_unit_test(a_user_logs_in_and_logs_in_again),
        cmocka_unit_test(tls_is_spoken_both_ways),
        cmocka_unit_test(a_location_that_is_none_is_refused),
    };

    return cmocka_run_group_tests_name("etcd faults", tests, NULL, NULL);
}
