#include "coordinator/decide/rollout.h"

#include <string.h>

#include "common/core/limits.h"
#include "coordinator/decide/emit.h"

/* What lint says of a script is the same for thousands of tenants: once is enough. */
static bool rollout_warn_is_told(const struct rollout *rollout, const struct task_error *warning)
{
    size_t known = rollout->warnings.count < WARNINGS_STORED_MAX ? rollout->warnings.count
                                                                 : WARNINGS_STORED_MAX;

    for (size_t i = 0; warning->code == TASK_CODE_LINT && i < known; i++) {
        const struct task_error *before = rollout->warnings.errors[i];

        if (before->code == TASK_CODE_LINT && before->statement == warning->statement &&
            strcmp(before->file, warning->file) == 0 &&
            strcmp(before->message, warning->message) == 0) {
            return true;
        }
    }
    return false;
}

void rollout_warn(struct step *step, struct rollout *rollout, const struct task_error *warning)
{
    const struct failure_record record = { .error = *warning, .at_ms = step->wall_ms };

    if (rollout_warn_is_told(rollout, warning)) {
        return;
    }
    struct failure *kept = failure_list_append(&rollout->warnings, &record);

    /* A list that is full has warnings enough for anybody. */
    if (kept != NULL && rollout->warnings_stored < WARNINGS_STORED_MAX) {
        rollout->warnings_stored++;
        kept->number = ++rollout->warning_number;
        emit_put_warning(step, rollout->spec.id, kept->number, kept->record);
    }
}

void rollout_warn_load(struct rollout *rollout, const struct loaded_warning *warning)
{
    struct failure *kept = failure_list_append(&rollout->warnings, &warning->record);

    if (kept == NULL) {
        return;
    }
    kept->number = warning->number;
    rollout->warnings_stored++;
    if (warning->number > rollout->warning_number) {
        rollout->warning_number = warning->number;
    }
}

struct rollout_warn_search {
    struct step *step;
    struct rollout *rollout;
    enum task_code code;
};

static bool rollout_warn_is_out(void *user, const struct failure *failure)
{
    struct rollout_warn_search *search = user;

    if (search->code != TASK_CODE_NONE && failure->record->error.code != search->code) {
        return false;
    }
    if (failure->number != 0) {
        search->rollout->warnings_stored--;
        emit_delete_warning(search->step, search->rollout->spec.id, failure->number);
    }
    return true;
}

void rollout_warn_forget(struct step *step, struct rollout *rollout, enum task_code code)
{
    struct rollout_warn_search search = { .step = step, .rollout = rollout, .code = code };

    failure_list_filter(&rollout->warnings, rollout_warn_is_out, &search);
}
