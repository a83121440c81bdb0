#include "coordinator/decide/token.h"

#include "common/core/limits.h"

void token_load(struct fleet *fleet, const struct loaded *loaded)
{
    fleet->token_base = loaded->token_base.base;
    fleet->newest_revision = loaded->term;
}

uint64_t token_of_revision(struct fleet *fleet, uint64_t revision)
{
    if (revision > fleet->newest_revision) {
        fleet->newest_revision = revision;
    }
    return fleet->token_base + revision;
}

static uint64_t token_greatest_fence(const struct tenant_info *tenants, size_t count)
{
    uint64_t greatest = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < tenants[i].version_count; j++) {
            uint64_t fence = tenants[i].versions[j].fence;
            /* A fence that no token can reach was not written by skein; its tenant stays fenced. */
            if (fence > greatest && fence < TOKEN_MAX) {
                greatest = fence;
            }
        }
    }
    return greatest;
}

void token_note_fences(struct step *step, const struct tenant_info *tenants, size_t count)
{
    struct fleet *fleet = step->fleet;
    uint64_t greatest = token_greatest_fence(tenants, count);

    /* The newest token itself may have been committed: the next one is greater all the same. A base
     * that grew without need would make the tokens of tasks under way look older than their locks,
     * and a new leader would not know them again. */
    if (greatest <= fleet->token_base + fleet->newest_revision) {
        return;
    }
    fleet->token_base = greatest - fleet->newest_revision + 1;
    struct effect *effect = effects_add(step->effects, EFFECT_PUT);
    effect->record = RECORD_TOKEN_BASE;
    effect->id = "";
    effect->key = "";
    effect->token_base.base = fleet->token_base;
}
