#include "coordinator/decide/registry.h"

#include <assert.h>

#include "coordinator/decide/emit.h"
#include "coordinator/decide/registry_tenants.h"
#include "coordinator/decide/rollout.h"
#include "coordinator/decide/token.h"

static void registry_send_refresh(struct step *step, struct shard *shard)
{
    assert(shard->session.state == SESSION_LIVE);
    shard->refresh_wanted = false;
    shard->refresh_open = true;
    shard->refresh_sent = ++step->fleet->newest_refresh;
    emit_send(step, shard->session.link->stream, COORDINATOR_MESSAGE_REFRESH)->refresh =
        shard->refresh_sent;
}

uint64_t registry_want_refresh(struct step *step, struct shard *shard)
{
    if (shard->session.state == SESSION_LIVE && !shard->refresh_open) {
        registry_send_refresh(step, shard);
        return shard->refresh_sent;
    }
    shard->refresh_wanted = true;
    return shard->refresh_sent + 1;
}

void registry_resend_refresh(struct step *step, struct shard *shard)
{
    if (shard->refresh_open || shard->refresh_wanted) {
        registry_send_refresh(step, shard);
    }
}

static void registry_remove_tenant(struct step *step, struct tenant *tenant)
{
    registry_mark_gone(step, tenant);
    rollout_on_tenant_gone(step, tenant);
    registry_collect(tenant);
}

/* What a full report did not name exists no more. Backwards, since entries may go. */
static void registry_sweep(struct step *step, struct shard *shard)
{
    for (size_t i = shard->tenant_count; i > 0; i--) {
        struct tenant *tenant = shard->tenants[i - 1];
        if (tenant->present && tenant->report != shard->report) {
            registry_remove_tenant(step, tenant);
        }
    }
}

void registry_on_report(struct step *step, struct shard *shard, const struct tenant_report *report)
{
    if (report->full) {
        shard->report++;
        shard->reporting = true;
        shard->trouble = "";
    }
    token_note_fences(step, report->tenants, report->tenant_count);
    for (size_t i = 0; i < report->tenant_count; i++) {
        struct tenant *tenant = registry_put_tenant(step, shard, &report->tenants[i]);
        if (tenant != NULL) {
            rollout_on_tenant(step, tenant);
        }
    }
    for (size_t i = 0; i < report->removed_count; i++) {
        struct tenant *tenant = registry_find_tenant(shard, report->removed[i]);
        if (tenant != NULL && tenant->present) {
            registry_remove_tenant(step, tenant);
        }
    }
    if (!report->last) {
        return;
    }
    if (shard->reporting) {
        shard->reporting = false;
        shard->tenants_known = true;
        shard->session.reported = true;
        registry_sweep(step, shard);
    }
    if (report->refresh > shard->refresh_seen && report->refresh <= shard->refresh_sent) {
        shard->refresh_seen = report->refresh;
    }
    if (shard->refresh_seen == shard->refresh_sent) {
        shard->refresh_open = false;
        if (shard->refresh_wanted && shard->session.state == SESSION_LIVE) {
            registry_send_refresh(step, shard);
        }
    }
    if (shard->stored && shard->tenants_stored != shard->present_count) {
        registry_store_shard(step, shard);
    }
    rollout_on_report(step, shard);
}
