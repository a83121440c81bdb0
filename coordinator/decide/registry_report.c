#include "coordinator/decide/registry.h"

#include <assert.h>
#include <string.h>

#include "coordinator/decide/audit.h"
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

/* A journal's fences only grow, unless its database loses what it had committed: because a standby
 * that lagged behind was promoted, or a backup restored. */
static bool registry_has_gone_back(const struct tenant *tenant, const struct tenant_info *now)
{
    for (size_t i = 0; tenant != NULL && i < tenant->info->version_count; i++) {
        const struct set_version *was = &tenant->info->versions[i];
        uint64_t fence = 0;

        for (size_t j = 0; j < now->version_count; j++) {
            if (strcmp(now->versions[j].set, was->set) == 0) {
                fence = now->versions[j].fence;
            }
        }
        if (fence < was->fence) {
            return true;
        }
    }
    return false;
}

static void registry_note_gone_back(struct step *step, const struct shard *shard, size_t count,
                                    const char *first)
{
    if (count > 0) {
        audit_add(step, "coordinator", "tenants.gone_back", shard->name, "",
                  "the journals of %zu tenants, such as '%s', have lost commits that were known: "
                  "the database was failed over to a standby that lagged behind, or restored, or "
                  "the tenants were dropped and made again",
                  count, first);
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
    size_t back_count = 0;
    const char *first_back = "";
    for (size_t i = 0; i < report->tenant_count; i++) {
        const struct tenant_info *now = &report->tenants[i];
        bool back = registry_has_gone_back(registry_find_tenant(shard, now->name), now);
        struct tenant *tenant = registry_put_tenant(step, shard, now);
        if (tenant != NULL) {
            rollout_on_tenant(step, tenant);
        }
        if (tenant != NULL && back) {
            first_back = back_count++ == 0 ? now->name : first_back;
            rollout_on_tenant_back(step, tenant);
        }
    }
    registry_note_gone_back(step, shard, back_count, first_back);
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
