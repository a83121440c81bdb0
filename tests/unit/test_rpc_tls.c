/* LIBS: skein_rpc */
#include "rpc_fixture.h"

#include "tls_fixture.h"

enum { FILE_COUNT_MAX = 16, RELOAD_WAIT_MS = 15000 };

#define SERVER_SAN "DNS:localhost,IP:127.0.0.1"

/* A folder with files: each name gives NAME.crt and NAME.key. */
struct folder {
    char path[64];
    char files[FILE_COUNT_MAX][TLS_PATH_BYTES];
    size_t file_count;
};

static void folder_init(struct folder *folder)
{
    memset(folder, 0, sizeof(*folder));
    snprintf(folder->path, sizeof(folder->path), "/tmp/test_rpc_tls.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static void folder_release(struct folder *folder)
{
    for (size_t i = 0; i < folder->file_count; i++) {
        unlink(folder->files[i]);
    }
    rmdir(folder->path);
}

static const char *folder_file(struct folder *folder, const char *name)
{
    char path[TLS_PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    for (size_t i = 0; i < folder->file_count; i++) {
        if (strcmp(folder->files[i], path) == 0) {
            return folder->files[i];
        }
    }
    assert_true(folder->file_count < FILE_COUNT_MAX);
    memcpy(folder->files[folder->file_count], path, sizeof(path));
    return folder->files[folder->file_count++];
}

static const char *folder_put(struct folder *folder, const char *name,
                              const struct tls_identity *identity)
{
    const char *path = folder_file(folder, name);

    tls_write(path, identity, strstr(name, ".key") != NULL, NULL);
    return path;
}

/* Writes NAME.crt and NAME.key, signed by `issuer`. */
static struct rpc_tls folder_issue(struct folder *folder, const char *file, const char *name,
                                   const char *san, const struct tls_identity *issuer)
{
    struct tls_identity made = tls_make(&(struct tls_request){
        .name = name, .san = san, .issuer = issuer, .from_days = -1, .to_days = 30 });
    char path[64];
    struct rpc_tls tls = { .ca = "" };

    snprintf(path, sizeof(path), "%s.key", file);
    tls.key = folder_put(folder, path, &made);
    snprintf(path, sizeof(path), "%s.crt", file);
    tls.cert = folder_put(folder, path, &made);
    tls_identity_release(&made);
    return tls;
}

static struct tls_identity make_authority(const char *name)
{
    return tls_make(&(struct tls_request){ .name = name, .from_days = -1, .to_days = 30 });
}

/* Asks who the server says we are. */
static bool ask_peer(const char *address, const struct rpc_tls *tls, struct buf *answer,
                     struct error *err)
{
    struct rpc_client *client = fixture_connect(address, tls);
    struct rpc_end end;

    bool ok = fixture_ask(client, "/t.Test/Peer", "?", answer, &end, err);
    if (!ok) {
        assert_int_equal(end.status, RPC_UNAVAILABLE);
    }
    rpc_client_free(&client);
    return ok;
}

static void a_client_trusts_only_its_authority(void **state)
{
    struct folder folder;
    struct fixture fixture = { 0 };
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    (void)state;
    folder_init(&folder);
    struct tls_identity authority = make_authority("ca");
    struct tls_identity other = make_authority("other ca");
    struct rpc_tls server = folder_issue(&folder, "server", "skein", SERVER_SAN, &authority);
    struct rpc_tls client = { "", "", folder_put(&folder, "ca.crt", &authority) };
    struct rpc_tls stranger = { "", "", folder_put(&folder, "other.crt", &other) };

    fixture_start_server(&fixture, &server, 0);
    assert_true(ask_peer(fixture.address, &client, &answer, &err));
    assert_memory_equal(buf_text(&answer), "addr:ipv", 8); /* no certificate was asked for */
    assert_false(ask_peer(fixture.address, &stranger, &answer, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE); /* the handshake failed: nothing was sent */
    assert_false(ask_peer(fixture.address, NULL, &answer, &err)); /* plaintext */
    assert_int_equal(fixture.opened, 1);
    fixture_stop(&fixture);
    tls_identity_release(&authority);
    tls_identity_release(&other);
    folder_release(&folder);
}

static void a_server_with_an_authority_demands_certificates(void **state)
{
    struct folder folder;
    struct fixture fixture = { 0 };
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    (void)state;
    folder_init(&folder);
    struct tls_identity authority = make_authority("ca");
    struct tls_identity other = make_authority("other ca");
    struct rpc_tls server = folder_issue(&folder, "server", "skein", SERVER_SAN, &authority);
    const char *ca = folder_put(&folder, "ca.crt", &authority);
    struct rpc_tls ana = folder_issue(&folder, "ana", "ana", "DNS:not-her-name", &authority);
    struct rpc_tls robot = folder_issue(&folder, "robot", NULL, "DNS:robot.example", &authority);
    struct rpc_tls forged = folder_issue(&folder, "forged", "ana", NULL, &other);
    struct rpc_tls nobody = { "", "", ca };

    server.ca = ana.ca = robot.ca = forged.ca = ca;
    fixture_start_server(&fixture, &server, 0);
    assert_true(ask_peer(fixture.address, &ana, &answer, &err));
    assert_string_equal(buf_text(&answer), "cert:ana");
    assert_true(ask_peer(fixture.address, &robot, &answer, &err));
    assert_string_equal(buf_text(&answer), "cert:robot.example");
    assert_false(ask_peer(fixture.address, &nobody, &answer, &err));
    assert_false(ask_peer(fixture.address, &forged, &answer, &err));
    assert_int_equal(fixture.opened, 2);
    fixture_stop(&fixture);
    tls_identity_release(&authority);
    tls_identity_release(&other);
    folder_release(&folder);
}

/* True once a client made now, and `old` which has been there before, are both answered. */
static bool reloaded(const char *address, const struct rpc_tls *tls, struct rpc_client *old)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    return ask_peer(address, tls, &answer, &err) &&
           fixture_ask(old, "/t.Test/Peer", "?", &answer, NULL, &err) &&
           strcmp(buf_text(&answer), "cert:ana 2") == 0;
}

static void changed_files_are_used_without_dropping_streams(void **state)
{
    struct folder folder;
    struct fixture fixture = { 0 };
    struct probe probe;
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    (void)state;
    folder_init(&folder);
    probe_init(&probe);
    struct tls_identity before = make_authority("ca 1");
    struct tls_identity after = make_authority("ca 2");
    struct rpc_tls server = folder_issue(&folder, "server", "skein", SERVER_SAN, &before);
    struct rpc_tls ana = folder_issue(&folder, "ana", "ana", NULL, &before);
    server.ca = ana.ca = folder_put(&folder, "ca.crt", &before);
    struct rpc_tls late = ana; /* an identity of before, in files that do not change */
    struct rpc_tls late_files = folder_issue(&folder, "late", "late", NULL, &before);
    late.cert = late_files.cert;
    late.key = late_files.key;
    late.ca = folder_put(&folder, "ca-before.crt", &before);

    fixture_start_server(&fixture, &server, 0);
    fixture.client = fixture_connect(fixture.address, &ana);
    assert_true(fixture_ask(fixture.client, "/t.Test/Peer", "?", &answer, NULL, &err));
    assert_string_equal(buf_text(&answer), "cert:ana");
    struct rpc_stream *stream = probe_open(&probe, fixture.client, "/t.Test/Echo", UINT64_MAX);
    rpc_stream_send(stream, bytes_of_text("0"));
    probe_wait(&probe, &probe.messages, 1);

    folder_issue(&folder, "server", "skein", SERVER_SAN, &after);
    folder_issue(&folder, "ana", "ana 2", NULL, &after);
    folder_put(&folder, "ca.crt", &after);
    uint64_t start_ms = clock_monotonic_ms();
    while (!reloaded(fixture.address, &ana, fixture.client)) {
        assert_true(clock_monotonic_ms() - start_ms < RELOAD_WAIT_MS);
    }
    assert_false(ask_peer(fixture.address, &late, &answer, &err));

    rpc_stream_send(stream, bytes_of_text("1")); /* over the connection of before */
    rpc_stream_half_close(stream);
    probe_wait(&probe, &probe.closed, 1);
    assert_int_equal(probe.end.status, RPC_OK);
    assert_int_equal(probe.messages, 2);

    rpc_stream_unref(&stream);
    fixture_stop(&fixture);
    probe_release(&probe);
    tls_identity_release(&before);
    tls_identity_release(&after);
    folder_release(&folder);
}

static void files_that_change_for_the_worse_are_not_used(void **state)
{
    struct folder folder;
    struct fixture fixture = { 0 };
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct error err = { 0 };

    (void)state;
    folder_init(&folder);
    struct tls_identity authority = make_authority("ca");
    struct rpc_tls server = folder_issue(&folder, "server", "skein", SERVER_SAN, &authority);
    struct rpc_tls client = { "", "", folder_put(&folder, "ca.crt", &authority) };

    fixture_start_server(&fixture, &server, 0);
    fixture.client = fixture_connect(fixture.address, &client);
    assert_true(fixture_ask(fixture.client, "/t.Test/Peer", "?", &answer, NULL, &err));
    tls_write_text(server.cert, "oops");
    unlink(server.key);
    uint64_t start_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() - start_ms < RPC_TLS_LOOK_MS + 300) {
        assert_true(ask_peer(fixture.address, &client, &answer, &err));
    }
    tls_write_text(client.ca, "oops");
    start_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() - start_ms < RPC_TLS_LOOK_MS + 300) {
        assert_true(fixture_ask(fixture.client, "/t.Test/Peer", "?", &answer, NULL, &err));
    }
    fixture_stop(&fixture);
    tls_identity_release(&authority);
    folder_release(&folder);
}

static void check_says(const char *cert, const char *key, const char *ca, const char *about,
                       const char *message)
{
    struct rpc_tls tls = { .cert = cert, .key = key, .ca = ca };
    struct error err = { 0 };

    assert_false(rpc_tls_check(&tls, &err));
    assert_int_equal(err.code, ERR_INVALID);
    if (strstr(err.message, about) == NULL || strstr(err.message, message) == NULL) {
        fail_msg("'%s' does not say '%s' of '%s'", err.message, message, about);
    }
}

static void a_check_names_the_file_and_what_is_wrong(void **state)
{
    struct folder folder;
    struct error err = { 0 };

    (void)state;
    folder_init(&folder);
    struct tls_identity authority = make_authority("ca");
    struct rpc_tls good = folder_issue(&folder, "good", "good", NULL, &authority);
    struct rpc_tls other = folder_issue(&folder, "other", "other", NULL, &authority);
    good.ca = folder_put(&folder, "ca.crt", &authority);
    assert_true(rpc_tls_check(&good, &err));
    assert_int_equal(err.code, ERR_NONE);
    assert_true(rpc_tls_check(&(struct rpc_tls){ "", "", "" }, &err));

    struct tls_identity old = tls_make(&(struct tls_request){
        .name = "old", .issuer = &authority, .from_days = -9, .to_days = -2 });
    struct tls_identity early = tls_make(&(struct tls_request){
        .name = "early", .issuer = &authority, .from_days = 2, .to_days = 9 });
    const char *old_cert = folder_put(&folder, "old.crt", &old);
    const char *old_key = folder_put(&folder, "old.key", &old);
    const char *early_cert = folder_put(&folder, "early.crt", &early);
    const char *early_key = folder_put(&folder, "early.key", &early);
    const char *locked_key = folder_file(&folder, "locked.key");
    const char *junk = folder_file(&folder, "junk.pem");
    const char *empty = folder_file(&folder, "empty.pem");
    tls_write(locked_key, &old, true, "secret");
    tls_write_text(junk, "-----BEGIN NONSENSE-----\n");
    tls_write_text(empty, "");

    check_says("/nowhere/a.crt", good.key, "", "/nowhere/a.crt", "No such file");
    check_says(good.cert, "/nowhere/a.key", "", "/nowhere/a.key", "No such file");
    check_says(good.cert, good.key, "/nowhere/ca.crt", "/nowhere/ca.crt", "No such file");
    check_says(folder.path, good.key, "", folder.path, "is a directory");
    check_says(junk, good.key, "", junk, "no certificate in PEM form");
    check_says(good.cert, junk, "", junk, "no private key in PEM form");
    check_says(good.cert, locked_key, "", locked_key, "passphrase");
    check_says(good.cert, good.key, junk, junk, "no certificate in PEM form");
    check_says(empty, good.key, "", empty, "empty");
    check_says(good.cert, other.key, "", other.key, "does not match the certificate");
    check_says(old_cert, old_key, "", old_cert, "expired on");
    check_says(early_cert, early_key, "", early_cert, "not valid before");
    check_says("", "", old_cert, old_cert, "expired on");
    check_says(good.cert, "", "", good.cert, "without a key");
    check_says("", good.key, "", good.key, "without a certificate");

    tls_identity_release(&old);
    tls_identity_release(&early);
    tls_identity_release(&authority);
    folder_release(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_trusts_only_its_authority),
        cmocka_unit_test(a_server_with_an_authority_demands_certificates),
        cmocka_unit_test(changed_files_are_used_without_dropping_streams),
        cmocka_unit_test(files_that_change_for_the_worse_are_not_used),
        cmocka_unit_test(a_check_names_the_file_and_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
