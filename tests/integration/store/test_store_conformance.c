/* Runs the store's conformance suite over both backends, and then each backend's own faults. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "store_fixture.h"
#include "store_suite.h"

static int bench(void)
{
    struct etcd_server server = { 0 };
    char file[FIXTURE_PATH_BYTES];

    snprintf(file, sizeof(file), "sqlite:%s/bench.db", fixture_dir());
    etcd_server_start(&server, "0");
    int failed = store_bench_run("sqlite", file) + store_bench_run("etcd", server.location);
    fixture_clean_up();
    return failed;
}

int main(int argc, char *argv[])
{
    struct etcd_server server = { 0 };
    char file[FIXTURE_PATH_BYTES];
    int failed = 0;

    if (argc == 3 && strcmp(argv[1], "--child") == 0) {
        return store_sqlite_faults_child(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "--bench") == 0) {
        return bench();
    }
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2) {
        cmocka_set_test_filter(argv[1]);
    }
    snprintf(file, sizeof(file), "sqlite:%s/suite.db", fixture_dir());
    failed += store_suite_run("sqlite", file);
    failed += store_sqlite_faults_run();
    etcd_server_start(&server, "0");
    failed += store_suite_run("etcd", server.location);
    etcd_server_kill(&server);
    failed += store_etcd_faults_run();
    fixture_clean_up();
    return failed;
}
