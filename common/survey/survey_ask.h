/* survey_ask.h - one question to a tenant's catalog, with settings of its own.
 *
 * Used by the thread that owns the connection. */
#ifndef SKEIN_COMMON_SURVEY_SURVEY_ASK_H
#define SKEIN_COMMON_SURVEY_SURVEY_ASK_H

#include "common/pg/pg_batch.h"
#include "common/survey/survey.h"

/* The call's names as two arrays that PostgreSQL reads: schemas, and names. */
void survey_ask_names(const struct survey_call *call, struct arena *arena, const char **ret_schemas,
                      const char **ret_names);

/* The first parameter is the schema. Settings and question share a transaction of their own, which
 * is over when this returns: nothing is left of them. The rows are the batch's. */
MUST_CHECK bool survey_ask(struct pg_batch *batch, const struct survey_call *call, const char *sql,
                           const char *const *parameters, size_t count,
                           const struct pg_result **ret_rows, struct pg_error *ret_pg_error,
                           struct error *err);

#endif
