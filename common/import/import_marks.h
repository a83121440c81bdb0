/* import_marks.h - files whose parts are set apart by comments: dbmate's and goose's.
 *
 * Pure. Texts point into the file or live in the arena. */
#ifndef SKEIN_COMMON_IMPORT_IMPORT_MARKS_H
#define SKEIN_COMMON_IMPORT_IMPORT_MARKS_H

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/import/import_work.h"

struct import_marks {
    struct import_script up;   /* `file` is the caller's to set */
    struct import_script down; /* its text is empty where there is none */
    bool has_down;
    uint32_t variables_line; /* goose: where ENVSUBST ON stands; 0: it does not */
};

/* -- migrate:up [transaction:false], -- migrate:down [transaction:false]. ERR_INVALID with the line
 * of what is wrong. */
MUST_CHECK bool import_marks_dbmate(struct bytes text, struct import_marks *ret_marks,
                                    uint32_t *ret_line, struct error *err);
/* -- +goose Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUBST ON|OFF. */
MUST_CHECK bool import_marks_goose(struct bytes text, struct arena *arena,
                                   struct import_marks *ret_marks, uint32_t *ret_line,
                                   struct error *err);

/* The number at the start of a file's name and what follows it: "20240131_add_users" gives
 * "20240131" and "add_users". False where there is no number. */
bool import_marks_name(const char *base, const char *ending, struct arena *arena,
                       const char **ret_key, const char **ret_name);

#endif
