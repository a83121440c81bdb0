#include "agent/run/task_verdict.h"

#include <assert.h>
#include <string.h>

#include "agent/keep/journal.h"
#include "agent/run/accident.h"

enum task_verdict task_verdict_of(enum task_mode mode, bool settles,
                                  const struct task_outcome_report *report)
{
    /* To settle something twice is the same as once: no answer to that is uncertain. */
    bool commits = !task_mode_is_dry(mode) && !settles;

    if (report->failed) {
        if (strcmp(report->error.sqlstate, "SK007") == 0) {
            return TASK_VERDICT_ALREADY;
        }
        if (strcmp(report->error.sqlstate, "SK022") == 0) {
            return TASK_VERDICT_WALK;
        }
        if (report->failed_step == TASK_STEP_COMMIT && commits &&
            (report->lost || accident_is_farewell(&report->error))) {
            return TASK_VERDICT_UNCERTAIN;
        }
        if (report->failed_step <= TASK_STEP_SETTLE && journal_is_missing(&report->error)) {
            return TASK_VERDICT_NO_JOURNAL;
        }
        return accident_is(&report->error) ? TASK_VERDICT_AGAIN : TASK_VERDICT_REFUSED;
    }
    if (report->end_answered) {
        return TASK_VERDICT_DONE;
    }
    assert(report->lost);
    return commits ? TASK_VERDICT_UNCERTAIN : TASK_VERDICT_AGAIN;
}
