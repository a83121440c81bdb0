/* LIBS: skein_store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/limits.h"
#include "common/store/etcd_json.h"
#include "common/store/etcd_verdict.h"
#include "common/store/store_backend.h"

static void a_transaction_is_written_as_etcd_reads_it(void **state)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };
    const struct store_compare compare = { .key = "a", .create_revision = 7 };
    const struct store_op ops[] = {
        { .kind = STORE_PUT, .key = "a", .value = bytes_of_text("bc"), .lease_id = 9 },
        { .kind = STORE_DELETE, .key = "d" },
        { .kind = STORE_DELETE_PREFIX, .key = "e/" },
    };

    (void)state;
    etcd_json_put_txn(&buf, &compare, 1, ops, 3);
    assert_string_equal(
        buf_text(&buf),
        "{\"compare\":[{\"key\":\"YQ==\",\"target\":\"CREATE\",\"result\":\"EQUAL\","
        "\"create_revision\":\"7\"}],\"success\":["
        "{\"request_put\":{\"key\":\"YQ==\",\"value\":\"YmM=\",\"lease\":\"9\"}},"
        "{\"request_delete_range\":{\"key\":\"ZA==\"}},"
        "{\"request_delete_range\":{\"key\":\"ZS8=\",\"range_end\":\"ZTA=\"}}]}");
}

static void a_compare_may_be_of_the_last_change(void **state)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };
    const struct store_compare compare = { .key = "a",
                                           .target = STORE_MOD_REVISION,
                                           .mod_revision = 8 };

    (void)state;
    etcd_json_put_txn(&buf, &compare, 1, NULL, 0);
    assert_string_equal(buf_text(&buf),
                        "{\"compare\":[{\"key\":\"YQ==\",\"target\":\"MOD\",\"result\":"
                        "\"EQUAL\",\"mod_revision\":\"8\"}],\"success\":[]}");
}

static void a_range_begins_behind_the_last_key(void **state)
{
    CLEANUP(buf_release) struct buf buf = { .size_max = 4096 };

    (void)state;
    etcd_json_put_range(&buf, "a/", "a/b", 10, 3);
    assert_string_equal(buf_text(&buf), "{\"key\":\"YS9iAA==\",\"range_end\":\"YTA=\","
                                        "\"limit\":\"10\",\"revision\":\"3\"}");
    buf_clear(&buf);
    etcd_json_put_range(&buf, "", "", 1, 0); /* all keys */
    assert_string_equal(buf_text(&buf), "{\"key\":\"AA==\",\"range_end\":\"AA==\","
                                        "\"limit\":\"1\",\"revision\":\"0\"}");
}

static void a_prefix_ends_before_its_successor(void **state)
{
    char end[8];

    (void)state;
    assert_true(store_request_prefix_end("ab", end));
    assert_string_equal(end, "ac");
    assert_true(store_request_prefix_end("a\xff\xff", end));
    assert_string_equal(end, "b");
    assert_false(store_request_prefix_end("\xff", end));
    assert_false(store_request_prefix_end("", end));
}

static void a_large_value_comes_back_as_it_went(void **state)
{
    enum { SIZE = 10000 };
    CLEANUP(buf_release) struct buf request = { .size_max = 1 << 20 };
    CLEANUP(buf_release) struct buf answer = { .size_max = 1 << 20 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    static uint8_t value[SIZE];
    struct store_range_result result;
    struct error err = { 0 };

    (void)state;
    for (size_t size = SIZE - 3; size <= SIZE; size++) {
        for (size_t i = 0; i < size; i++) {
            value[i] = (uint8_t)(i * 7 + size);
        }
        const struct store_op op = { .kind = STORE_PUT, .key = "k", .value = { value, size } };
        buf_clear(&request);
        buf_clear(&answer);
        etcd_json_put_txn(&request, NULL, 0, &op, 1);
        const char *begin = strstr(buf_text(&request), "\"key\"");
        buf_printf(&answer,
                   "{\"header\":{\"revision\":\"5\"},\"kvs\":[{\"mod_revision\":\"5\",%.*s]}",
                   (int)(strlen(begin) - 3), begin);
        assert_true(etcd_json_read_range(buf_view(&answer), &arena, &result, &err));
        assert_int_equal(result.count, 1);
        assert_int_equal(result.kvs[0].value.size, size);
        assert_memory_equal(result.kvs[0].value.data, value, size);
    }
}

static void what_is_omitted_is_zero(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct store_txn_result txn;
    struct store_range_result range;
    struct store_lease_result lease;
    struct error err = { 0 };

    (void)state;
    assert_true(etcd_json_read_txn(bytes_of_text("{\"header\":{\"revision\":\"2\"}}"), &txn, &err));
    assert_false(txn.succeeded);
    assert_true(txn.revision == 2);
    assert_true(etcd_json_read_range(bytes_of_text("{\"header\":{\"revision\":\"2\"}}"), &arena,
                                     &range, &err));
    assert_int_equal(range.count, 0);
    assert_false(range.more);
    assert_true(etcd_json_read_keep_alive(
        bytes_of_text("{\"result\":{\"header\":{\"revision\":\"2\"},\"ID\":\"7\"}}\n"), &lease,
        &err));
    assert_true(lease.ttl_ms == 0); /* the lease is gone */
    assert_false(etcd_json_read_grant(
        bytes_of_text("{\"header\":{\"revision\":\"2\"},\"ID\":\"7\"}"), &lease, &err));
}

static void what_etcd_would_not_say_is_no_answer(void **state)
{
    static const char *const wrong[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"header\":[]}",
        "{\"header\":{}}",
        "{\"header\":{\"revision\":\"x\"}}",
        "{\"header\":{\"revision\":\"99999999999999999999\"}}",
        "{\"header\":{\"revision\":\"-1\"}}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":{}}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[1]}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"YQ==\"}]}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"Y\",\"mod_revision\":\"2\"}]}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"!!!!\",\"mod_revision\":\"2\"}]}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":\"AGE=\",\"mod_revision\":\"2\"}]}",
        "{\"header\":{\"revision\":\"2\"},\"kvs\":[{\"key\":7,\"mod_revision\":\"2\"}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct store_range_result result = { 0 };
        struct error err = { 0 };
        assert_false(etcd_json_read_range(bytes_of_text(wrong[i]), &arena, &result, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void a_watchs_lines_are_told_apart(void **state)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct etcd_watch_line line;
    struct error err = { 0 };

    (void)state;
    assert_true(etcd_json_read_watch(
        bytes_of_text("{\"result\":{\"header\":{\"revision\":\"4\"},\"created\":true}}"), &arena,
        &line, &err));
    assert_true(line.created);
    assert_true(line.revision == 4);
    assert_true(etcd_json_read_watch(
        bytes_of_text("{\"result\":{\"header\":{\"raft_term\":\"2\"},\"canceled\":true,"
                      "\"compact_revision\":\"3\"}}"),
        &arena, &line, &err));
    assert_true(line.canceled);
    assert_true(line.compact_revision == 3);
    assert_true(etcd_json_read_watch(
        bytes_of_text("{\"result\":{\"header\":{\"revision\":\"6\"},\"fragment\":true,\"events\":["
                      "{\"kv\":{\"key\":\"YQ==\",\"create_revision\":\"5\",\"mod_revision\":\"5\","
                      "\"value\":\"Yg==\",\"lease\":\"8\"}},"
                      "{\"type\":\"DELETE\",\"kv\":{\"key\":\"Yw==\",\"mod_revision\":\"6\"}}]}}"),
        &arena, &line, &err));
    assert_true(line.fragment);
    assert_int_equal(line.count, 2);
    assert_int_equal(line.events[0].kind, STORE_EVENT_PUT);
    assert_true(line.events[0].kv.lease_id == 8);
    assert_int_equal(line.events[1].kind, STORE_EVENT_DELETE);
    assert_string_equal(line.events[1].kv.key, "c");
    assert_false(etcd_json_read_watch(
        bytes_of_text("{\"error\":{\"grpc_code\":14,\"message\":\"etcdserver: no leader\"}}"),
        &arena, &line, &err));
}

static enum etcd_verdict verdict_of(const char *body, long status, struct error *err)
{
    *err = (struct error){ 0 };
    return etcd_verdict_of_body(bytes_of_text(body), status, "http://h:1", err);
}

static void both_forms_of_a_refusal_are_understood(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(
        verdict_of("{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no "
                   "leader\",\"http_status\":\"Service Unavailable\"}}",
                   200, &err),
        ETCD_VERDICT_NOTHING);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    assert_int_equal(verdict_of("{\"error\":\"m\",\"message\":\"etcdserver: requested lease not "
                                "found\",\"code\":5}",
                                404, &err),
                     ETCD_VERDICT_GONE);
    assert_int_equal(verdict_of("{\"error\":\"m\",\"message\":\"etcdserver: invalid auth token\","
                                "\"code\":16}",
                                401, &err),
                     ETCD_VERDICT_LOGIN);
    assert_int_equal(
        verdict_of("{\"error\":\"m\",\"message\":\"etcdserver: mvcc: required revision "
                   "has been compacted\",\"code\":11}",
                   400, &err),
        ETCD_VERDICT_COMPACTED);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(verdict_of("{\"error\":\"m\",\"message\":\"etcdserver: request is too large\","
                                "\"code\":3}",
                                400, &err),
                     ETCD_VERDICT_NO);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(
        verdict_of("{\"error\":\"m\",\"message\":\"what\\u0007ever\",\"code\":99}", 400, &err),
        ETCD_VERDICT_UNKNOWN); /* a code that we do not know says nothing */
    assert_string_equal(err.message, "etcd http://h:1: what ever");
    assert_int_equal(verdict_of("<html>it's down", 503, &err), ETCD_VERDICT_UNKNOWN);
    assert_int_equal(verdict_of("<html>it's down", 200, &err), ETCD_VERDICT_GARBAGE);
    assert_non_null(strstr(err.message, "something that is not etcd's answer"));
}

static void only_what_comes_before_the_proposal_is_nothing(void **state)
{
    static const struct {
        const char *message;
        enum etcd_verdict verdict;
    } cases[] = {
        { "etcdserver: no leader", ETCD_VERDICT_NOTHING },
        { "etcdserver: leader changed", ETCD_VERDICT_UNKNOWN },
        { "etcdserver: server stopped", ETCD_VERDICT_UNKNOWN },
        { "etcdserver: request timed out, possibly due to previous leader failure",
          ETCD_VERDICT_UNKNOWN },
        { "transport is closing", ETCD_VERDICT_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_release) struct buf body = { .size_max = 4096 };
        struct error err;
        buf_printf(&body, "{\"error\":\"m\",\"message\":\"%s\",\"code\":14}", cases[i].message);
        assert_int_equal(verdict_of(buf_text(&body), 503, &err), cases[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_is_written_as_etcd_reads_it),
        cmocka_unit_test(a_compare_may_be_of_the_last_change),
        cmocka_unit_test(a_range_begins_behind_the_last_key),
        cmocka_unit_test(a_prefix_ends_before_its_successor),
        cmocka_unit_test(a_large_value_comes_back_as_it_went),
        cmocka_unit_test(what_is_omitted_is_zero),
        cmocka_unit_test(what_etcd_would_not_say_is_no_answer),
        cmocka_unit_test(a_watchs_lines_are_told_apart),
        cmocka_unit_test(both_forms_of_a_refusal_are_understood),
        cmocka_unit_test(only_what_comes_before_the_proposal_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
