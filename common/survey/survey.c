#include "common/survey/survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/model/checksum.h"
#include "common/pg/pg_batch.h"
#include "common/survey/survey_ask.h"

/* Written by the build from survey.sql. */
extern const char survey_sql_text[];

enum { SURVEY_SCHEMA, SURVEY_NAME, SURVEY_TEXT, SURVEY_BYTES };

void survey_release(struct survey *survey)
{
    arena_release(&survey->arena);
    *survey = (struct survey){ 0 };
}

static void survey_take(const struct pg_result *rows, struct survey *survey)
{
    CLEANUP(checksum_free) struct checksum *checksum = checksum_new();
    uint8_t digest[CHECKSUM_BYTES];

    survey->count = pg_result_row_count(rows);
    survey->objects =
        arena_alloc_array(&survey->arena, survey->count + 1, sizeof(*survey->objects));
    for (size_t i = 0; i < survey->count; i++) {
        struct survey_object *object = &survey->objects[i];

        object->schema = arena_strdup(&survey->arena, pg_result_text(rows, i, SURVEY_SCHEMA));
        object->name = arena_strdup(&survey->arena, pg_result_text(rows, i, SURVEY_NAME));
        object->text = arena_strdup(&survey->arena, pg_result_text(rows, i, SURVEY_TEXT));
        object->sized = pg_result_text(rows, i, SURVEY_BYTES) != NULL;
        object->bytes = object->sized ? pg_result_u64(rows, i, SURVEY_BYTES) : 0;
        checksum_add_text(checksum, object->text);
    }
    checksum_finish(checksum, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        (void)snprintf(survey->digest + 2 * i, 3, "%02x", digest[i]);
    }
}

bool survey_read(struct pg_conn *conn, const struct survey_call *call, struct survey *ret_survey,
                 struct pg_error *ret_pg_error, struct error *err)
{
    CLEANUP(pg_batch_free) struct pg_batch *batch = pg_batch_new(conn);
    CLEANUP(survey_release) struct survey survey = { 0 };
    const struct pg_result *rows = NULL;
    char most[16];
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *parameters[] = { call->schema, most, NULL, NULL };

    (void)snprintf(most, sizeof(most), "%d", SURVEY_OBJECTS_MAX + 1);
    if (call->names != NULL) {
        survey_ask_names(call, &arena, &parameters[2], &parameters[3]);
    }
    if (!survey_ask(batch, call, survey_sql_text, parameters, COUNT_OF(parameters), &rows,
                    ret_pg_error, err)) {
        return false;
    }
    if (pg_result_row_count(rows) > SURVEY_OBJECTS_MAX) {
        return error_set(err, ERR_LIMIT, "there are more than %d objects to look at",
                         SURVEY_OBJECTS_MAX);
    }
    survey.home = arena_strdup(&survey.arena, call->schema);
    survey_take(rows, &survey);
    *ret_survey = TAKE(survey);
    return true;
}

void survey_load(const struct survey *survey, struct lint_run *run)
{
    run->sizes.surveyed = true;
    for (size_t i = 0; i < survey->count; i++) {
        if (survey->objects[i].text[0] != '\0') {
            lint_run_define(run, survey->objects[i].text);
        }
    }
    run->catalog.utc_at_home = run->catalog.utc;
    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_object *object = &survey->objects[i];
        if (object->sized) {
            lint_catalog_size(&run->catalog, object->schema, object->name, object->bytes);
        }
    }
    if (survey->home[0] != '\0') {
        run->catalog.home = arena_strdup(&run->catalog.arena, survey->home);
    }
}
