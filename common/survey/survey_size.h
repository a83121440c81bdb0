/* survey_size.h - how large some tables are.
 *
 * Used by the thread that owns the connection. */
#ifndef SKEIN_COMMON_SURVEY_SURVEY_SIZE_H
#define SKEIN_COMMON_SURVEY_SURVEY_SIZE_H

#include "common/survey/survey.h"

/* Of each of the call's names with all its partitions and children, the size of the largest; 0
 * where there is none. One round trip, with no transaction open. */
MUST_CHECK bool survey_size_largest(struct pg_conn *conn, const struct survey_call *call,
                                    uint64_t *ret_bytes, struct pg_error *ret_pg_error,
                                    struct error *err);

#endif
