/* store_suite.h - the tests of the store's program, in four files. */
#ifndef SKEIN_TESTS_INTEGRATION_STORE_STORE_SUITE_H
#define SKEIN_TESTS_INTEGRATION_STORE_STORE_SUITE_H

/* Each returns how many tests failed. */
int store_suite_run(const char *name, const char *location);
int store_etcd_faults_run(void);
int store_sqlite_faults_run(void);

/* Writes for ever and reports each acknowledged key on stdout; killed from outside. */
int store_sqlite_faults_child(const char *location);
/* Prints what both backends do per second. */
int store_bench_run(const char *name, const char *location);

#endif
