#include "tests/sim/sim_etcd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/memory.h"

static void sim_etcd_free_kv(struct sim_kv *kv)
{
    free(kv->key);
    free(kv->value);
    free(kv);
}

void sim_etcd_release(struct sim_etcd *etcd)
{
    for (size_t i = 0; i < etcd->count; i++) {
        sim_etcd_free_kv(etcd->kvs[i]);
    }
    free(etcd->kvs);
    free(etcd->leases);
    *etcd = (struct sim_etcd){ 0 };
}

size_t sim_etcd_place(const struct sim_etcd *etcd, const char *key)
{
    size_t low = 0;
    size_t high = etcd->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(etcd->kvs[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct sim_kv *sim_etcd_find(const struct sim_etcd *etcd, const char *key)
{
    size_t place = sim_etcd_place(etcd, key);

    return place < etcd->count && strcmp(etcd->kvs[place]->key, key) == 0 ? etcd->kvs[place] : NULL;
}

static void sim_etcd_remove(struct sim_etcd *etcd, size_t place)
{
    sim_etcd_free_kv(etcd->kvs[place]);
    etcd->count--;
    memmove(&etcd->kvs[place], &etcd->kvs[place + 1],
            (etcd->count - place) * sizeof(struct sim_kv *));
}

/* ---- leases ---- */

static struct sim_lease *sim_etcd_lease(const struct sim_etcd *etcd, int64_t lease_id)
{
    return lease_id >= 1 && (size_t)lease_id <= etcd->lease_count ? &etcd->leases[lease_id - 1]
                                                                  : NULL;
}

bool sim_etcd_lives(const struct sim_etcd *etcd, int64_t lease_id, uint64_t now_ms)
{
    const struct sim_lease *lease = sim_etcd_lease(etcd, lease_id);

    return lease != NULL && lease->alive && now_ms < lease->until_ms;
}

void sim_etcd_revoke(struct sim_etcd *etcd, int64_t lease_id)
{
    struct sim_lease *lease = sim_etcd_lease(etcd, lease_id);

    if (lease == NULL || !lease->alive) {
        return;
    }
    lease->alive = false;
    etcd->revision++;
    for (size_t i = etcd->count; i > 0; i--) {
        if (etcd->kvs[i - 1]->lease_id == lease_id) {
            sim_etcd_remove(etcd, i - 1);
        }
    }
}

void sim_etcd_expire(struct sim_etcd *etcd, uint64_t now_ms)
{
    for (size_t i = 0; i < etcd->lease_count; i++) {
        if (etcd->leases[i].alive && now_ms >= etcd->leases[i].until_ms) {
            sim_etcd_revoke(etcd, (int64_t)i + 1);
        }
    }
}

int64_t sim_etcd_grant(struct sim_etcd *etcd, uint64_t ttl_ms, uint64_t now_ms)
{
    etcd->leases = memory_reserve(etcd->leases, etcd->lease_count, &etcd->lease_capacity,
                                  sizeof(*etcd->leases));
    etcd->leases[etcd->lease_count++] =
        (struct sim_lease){ .alive = true, .ttl_ms = ttl_ms, .until_ms = now_ms + ttl_ms };
    return (int64_t)etcd->lease_count;
}

uint64_t sim_etcd_keep(struct sim_etcd *etcd, int64_t lease_id, uint64_t now_ms)
{
    struct sim_lease *lease = sim_etcd_lease(etcd, lease_id);

    sim_etcd_expire(etcd, now_ms);
    if (lease == NULL || !lease->alive) {
        return 0;
    }
    lease->until_ms = now_ms + lease->ttl_ms;
    return lease->ttl_ms;
}

void sim_etcd_extend(struct sim_etcd *etcd, uint64_t now_ms)
{
    sim_etcd_expire(etcd, now_ms);
    for (size_t i = 0; i < etcd->lease_count; i++) {
        if (etcd->leases[i].alive) {
            etcd->leases[i].until_ms = now_ms + etcd->leases[i].ttl_ms;
        }
    }
}

/* ---- transactions ---- */

static void sim_etcd_put(struct sim_etcd *etcd, const struct store_op *op)
{
    size_t place = sim_etcd_place(etcd, op->key);
    bool fresh = place == etcd->count || strcmp(etcd->kvs[place]->key, op->key) != 0;

    if (fresh) {
        struct sim_kv *kv = memory_alloc(sizeof(*kv));
        kv->key = memory_strdup(op->key);
        kv->create_revision = etcd->revision;
        etcd->kvs =
            memory_reserve(etcd->kvs, etcd->count, &etcd->capacity, sizeof(struct sim_kv *));
        memmove(&etcd->kvs[place + 1], &etcd->kvs[place],
                (etcd->count - place) * sizeof(struct sim_kv *));
        etcd->kvs[place] = kv;
        etcd->count++;
    }
    struct sim_kv *kv = etcd->kvs[place];
    free(kv->value);
    kv->value = memory_alloc(op->value.size + 1);
    if (op->value.size > 0) {
        memcpy(kv->value, op->value.data, op->value.size);
    }
    kv->size = op->value.size;
    kv->mod_revision = etcd->revision;
    kv->lease_id = op->lease_id;
}

static void sim_etcd_delete(struct sim_etcd *etcd, const char *key, bool prefix)
{
    size_t place = sim_etcd_place(etcd, key);
    size_t bytes = strlen(key) + (prefix ? 0 : 1);

    while (place < etcd->count && strncmp(etcd->kvs[place]->key, key, bytes) == 0) {
        sim_etcd_remove(etcd, place);
    }
}

enum err_code sim_etcd_txn(struct sim_etcd *etcd, const struct store_compare *compares,
                           size_t compare_count, const struct store_op *ops, size_t op_count,
                           uint64_t now_ms, bool *ret_succeeded)
{
    sim_etcd_expire(etcd, now_ms);
    *ret_succeeded = true;
    for (size_t i = 0; i < compare_count; i++) {
        const struct sim_kv *kv = sim_etcd_find(etcd, compares[i].key);
        bool mod = compares[i].target == STORE_MOD_REVISION;
        int64_t created = kv == NULL ? 0 : kv->create_revision;
        int64_t modified = kv == NULL ? 0 : kv->mod_revision;
        if (mod ? modified != compares[i].mod_revision : created != compares[i].create_revision) {
            *ret_succeeded = false;
            return ERR_NONE;
        }
    }
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].kind == STORE_PUT && ops[i].lease_id != 0 &&
            !sim_etcd_lives(etcd, ops[i].lease_id, now_ms)) {
            return ERR_CONFLICT;
        }
    }
    etcd->revision++;
    for (size_t i = 0; i < op_count; i++) {
        if (ops[i].kind == STORE_PUT) {
            sim_etcd_put(etcd, &ops[i]);
        } else {
            sim_etcd_delete(etcd, ops[i].key, ops[i].kind == STORE_DELETE_PREFIX);
        }
    }
    return ERR_NONE;
}
