/* sim_etcd.h - what three members of etcd hold together: keys with revisions, leases, transactions.
 *
 * Pure. Time comes with the call; a lease's keys are gone from the moment it ends. */
#ifndef SKEIN_TESTS_SIM_SIM_ETCD_H
#define SKEIN_TESTS_SIM_SIM_ETCD_H

#include "common/store/store.h"

struct sim_kv {
    char *key;
    uint8_t *value;
    size_t size;
    int64_t create_revision, mod_revision, lease_id;
};

struct sim_lease {
    bool alive;
    uint64_t ttl_ms, until_ms;
};

struct sim_etcd {
    int64_t revision;
    struct sim_kv **kvs; /* sorted by key */
    size_t count, capacity;
    struct sim_lease *leases; /* by id, from 1 */
    size_t lease_count, lease_capacity;
};

void sim_etcd_release(struct sim_etcd *etcd);
/* Ends the leases whose time is over; every call below that takes the time does so first. */
void sim_etcd_expire(struct sim_etcd *etcd, uint64_t now_ms);
/* NULL if there is none. */
const struct sim_kv *sim_etcd_find(const struct sim_etcd *etcd, const char *key);
/* The place of the first key that is not smaller. */
size_t sim_etcd_place(const struct sim_etcd *etcd, const char *key);
/* ERR_NONE, or ERR_CONFLICT when a put names a lease that is gone. */
enum err_code sim_etcd_txn(struct sim_etcd *etcd, const struct store_compare *compares,
                           size_t compare_count, const struct store_op *ops, size_t op_count,
                           uint64_t now_ms, bool *ret_succeeded);
int64_t sim_etcd_grant(struct sim_etcd *etcd, uint64_t ttl_ms, uint64_t now_ms);
/* Its whole time, which it has again; 0 if it is gone. */
uint64_t sim_etcd_keep(struct sim_etcd *etcd, int64_t lease_id, uint64_t now_ms);
void sim_etcd_revoke(struct sim_etcd *etcd, int64_t lease_id);
bool sim_etcd_lives(const struct sim_etcd *etcd, int64_t lease_id, uint64_t now_ms);
/* A new leader among the members gives each lease its whole time again. */
void sim_etcd_extend(struct sim_etcd *etcd, uint64_t now_ms);

#endif
