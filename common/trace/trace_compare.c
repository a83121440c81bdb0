#include "common/trace/trace_compare.h"

#include <string.h>

/* The strongest that was foreseen on the relation by this statement's transaction so far; and
 * whether this statement has a part in it. */
static enum lint_mode trace_compare_foreseen(const struct lint_report *report, size_t index,
                                             const char *relation)
{
    const struct lint_statement *statement = &report->statements[index];
    enum lint_mode mode = LINT_NO_LOCK;

    for (size_t i = index + 1; i > 0; i--) {
        const struct lint_statement *before = &report->statements[i - 1];

        if (strcmp(before->file, statement->file) != 0 ||
            (i - 1 != index && !statement->transactional)) {
            break;
        }
        for (size_t l = 0; l < before->lock_count; l++) {
            if (strcmp(before->locks[l].relation, relation) == 0 && before->locks[l].mode > mode) {
                mode = before->locks[l].mode;
            }
        }
    }
    return mode;
}

static enum lint_mode trace_compare_measured(const struct trace_measure *measure,
                                             const char *relation)
{
    enum lint_mode mode = LINT_NO_LOCK;

    for (size_t i = 0; i < measure->lock_count; i++) {
        if (strcmp(measure->locks[i].relation, relation) == 0 && measure->locks[i].mode > mode) {
            mode = measure->locks[i].mode;
        }
    }
    return mode;
}

static const char *trace_compare_name(enum lint_mode mode)
{
    return mode == LINT_NO_LOCK ? "no lock" : lint_mode_name(mode);
}

static void trace_compare_say_lock(struct buf *words, const char *relation, enum lint_mode foreseen,
                                   enum lint_mode measured)
{
    buf_printf(words, "%sit took %s on %s, foreseen was %s", words->size > 0 ? "; " : "",
               trace_compare_name(measured), relation, trace_compare_name(foreseen));
}

static void trace_compare_locks(const struct lint_report *report, size_t index,
                                const struct trace_measure *measure, struct buf *words)
{
    const struct lint_statement *statement = &report->statements[index];

    for (size_t i = 0; i < measure->lock_count; i++) {
        const struct trace_lock *lock = &measure->locks[i];
        enum lint_mode foreseen = trace_compare_foreseen(report, index, lock->relation);
        if (lock->is_new && !lock->index && !lock->owned &&
            lock->mode >= LINT_SHARE_UPDATE_EXCLUSIVE && foreseen < lock->mode) {
            trace_compare_say_lock(words, lock->relation, foreseen, lock->mode);
        }
    }
    for (size_t i = 0; i < statement->lock_count; i++) {
        const struct lint_lock *lock = &statement->locks[i];
        enum lint_mode measured = trace_compare_measured(measure, lock->relation);
        if (!lock->index && lock->mode >= LINT_SHARE_UPDATE_EXCLUSIVE && measured < lock->mode) {
            trace_compare_say_lock(words, lock->relation, lock->mode, measured);
        }
    }
}

static bool trace_compare_has(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void trace_compare(const struct lint_report *report, size_t index,
                   const struct trace_measure *measure, struct buf *words)
{
    const struct lint_statement *statement = &report->statements[index];

    if (measure->locks_known) {
        trace_compare_locks(report, index, measure, words);
    }
    for (size_t i = 0; i < measure->rewrite_count; i++) {
        if (!trace_compare_has(statement->rewrites, statement->rewrite_count,
                               measure->rewrites[i])) {
            buf_printf(words, "%sit rewrote %s, which was not foreseen",
                       words->size > 0 ? "; " : "", measure->rewrites[i]);
        }
    }
    for (size_t i = 0; i < statement->rewrite_count; i++) {
        if (!trace_compare_has(measure->rewrites, measure->rewrite_count, statement->rewrites[i])) {
            buf_printf(words, "%sit did not rewrite %s, which was foreseen",
                       words->size > 0 ? "; " : "", statement->rewrites[i]);
        }
    }
    if (measure->locks_known && measure->grows != statement->grows) {
        buf_printf(words, "%s%s", words->size > 0 ? "; " : "",
                   measure->grows ? "it did work that grows with the data under a lock that keeps "
                                    "writers out, which was not foreseen"
                                  : "it did no work that grows with the data under a lock that "
                                    "keeps writers out, which was foreseen");
    }
}
