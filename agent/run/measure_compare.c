#include "agent/run/measure_compare.h"

#include <string.h>

#include "common/model/message.h"
#include "common/trace/trace_compare.h"

enum { MEASURE_WORDS_BYTES_MAX = 1024 };

static bool measure_compare_is_live(const struct measure_compare *compare, const char *relation)
{
    for (size_t i = 0; i < compare->live_count; i++) {
        if (strcmp(compare->live[i].name, relation) == 0) {
            return true;
        }
    }
    return false;
}

/* The statement as if nothing but what was there before existed. `ret_all`: nothing was left out.
 */
static struct lint_statement measure_compare_filter(const struct measure_compare *compare,
                                                    const struct lint_statement *from,
                                                    bool *ret_all)
{
    struct lint_statement to = *from;

    to.locks = arena_alloc_array(compare->arena, from->lock_count, sizeof(*to.locks));
    to.rewrites = arena_alloc_array(compare->arena, from->rewrite_count, sizeof(*to.rewrites));
    to.lock_count = 0;
    to.rewrite_count = 0;
    for (size_t i = 0; i < from->lock_count; i++) {
        if (measure_compare_is_live(compare, from->locks[i].relation)) {
            to.locks[to.lock_count++] = from->locks[i];
        }
    }
    for (size_t i = 0; i < from->rewrite_count; i++) {
        if (measure_compare_is_live(compare, from->rewrites[i])) {
            to.rewrites[to.rewrite_count++] = from->rewrites[i];
        }
    }
    *ret_all = to.lock_count == from->lock_count && to.rewrite_count == from->rewrite_count;
    return to;
}

static void measure_compare_warn(struct measure_compare *compare, const struct measure_look *look,
                                 const char *words)
{
    if (compare->warnings == NULL) {
        compare->warnings =
            arena_alloc_array(compare->arena, MEASURE_WARNINGS_MAX, sizeof(*compare->warnings));
    }
    compare->warnings[compare->warning_count++] = (struct task_error){
        .tenant = "",
        .code = TASK_CODE_LINT,
        .sqlstate = "",
        .message = arena_printf(compare->arena, "not as lint foresaw: %s", words),
        .detail = "",
        .hint = "",
        .file = look->operation->operation->path,
        .statement = look->statement->number,
        .line = look->statement->line,
    };
}

/* The place of the first statement of the file in lint's report; its count where there is none. */
static size_t measure_compare_find(const struct lint_report *report, const char *file)
{
    size_t at = 0;

    while (at < report->statement_count && strcmp(report->statements[at].file, file) != 0) {
        at++;
    }
    return at;
}

void measure_compare_visit(void *context, const struct measure_look *look,
                           const struct trace_measure *measure)
{
    CLEANUP(buf_release) struct buf words = { .size_max = MEASURE_WORDS_BYTES_MAX };
    struct measure_compare *compare = context;
    const struct lint_report *foreseen = compare->foreseen;
    const char *file = look->operation->operation->path;
    const struct measure_look *before = look - 1;
    bool follows = before->operation == look->operation
                       ? before->statement->number + 1 == look->statement->number
                       : look->statement->number == 1;
    size_t first = measure_compare_find(foreseen, file);
    size_t index = look->statement->number - 1;
    bool all = false;

    if ((look->light && !look->foreseen) || look->down || !follows ||
        compare->warning_count == MEASURE_WARNINGS_MAX ||
        first + index >= foreseen->statement_count ||
        strcmp(foreseen->statements[first + index].file, file) != 0 ||
        foreseen->statements[first + index].number != look->statement->number) {
        return;
    }
    struct lint_statement *statements =
        arena_alloc_array(compare->arena, index + 1, sizeof(*statements));
    for (size_t i = 0; i <= index; i++) {
        statements[i] = measure_compare_filter(compare, &foreseen->statements[first + i], &all);
    }
    if (!all) { /* what it works on may be what the migration itself has made */
        statements[index].grows = measure->grows;
    }
    const struct lint_report report = { .statements = statements, .statement_count = index + 1 };
    trace_compare(&report, index, measure, &words);
    if (words.size > 0) {
        measure_compare_warn(compare, look, buf_text(&words));
    }
}

const char *measure_compare_fix(const struct lint_report *foreseen, const char *file,
                                uint32_t statement)
{
    for (size_t i = 0; i < foreseen->count; i++) {
        const struct lint_finding *finding = &foreseen->findings[i];

        if (finding->statement == statement && strcmp(finding->file, file) == 0 &&
            finding->fix[0] != '\0') {
            return finding->fix;
        }
    }
    return "";
}
