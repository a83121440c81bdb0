/* import.h - a folder of another tool's migrations -> the files of a set.
 *
 * Pure but for import_read_folder and the parser's thread. What can be carried over is; what cannot
 * is said, each with its file: a problem where the set would not do what the folder does (a
 * migration in another language, a variable without a value), a note where only something beside it
 * is lost (a verify script). */
#ifndef SKEIN_COMMON_IMPORT_IMPORT_H
#define SKEIN_COMMON_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/core/arena.h"
#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/ledger.h"
#include "common/model/set.h"
#include "common/sql/sql_script.h"

struct import_remark {
    bool problem;     /* else a note */
    const char *file; /* in the tool's folder; "" for none */
    uint32_t line;    /* 0 for none */
    const char *text;
};

struct import_request {
    enum ledger_tool tool;
    const char *set_name;
    const struct set_file *files; /* of the tool's folder, by path, with "/" */
    size_t file_count;
    char *const *placeholders; /* "NAME=VALUE" */
    size_t placeholder_count;
    struct sql_parser *parser;
};

/* Owns its texts. The files are a set: set_parse has read them. */
struct import_result {
    struct arena arena;
    struct set_file *files;
    size_t file_count;
    size_t migration_count;
    size_t rollback_count;
    const char *latest;
    struct import_remark *remarks;
    size_t remark_count;
    size_t problem_count; /* also those that are not listed */
};
void import_result_release(struct import_result *result);

/* ERR_INVALID where nothing of the tool is there, or what there is contradicts itself. */
MUST_CHECK bool import_run(const struct import_request *request, struct import_result *ret_result,
                           struct error *err);

/* Every file below a directory, sorted by path, into `arena`; hidden ones are left out, links and
 * devices refused. */
MUST_CHECK bool import_read_folder(const char *directory, struct arena *arena,
                                   struct set_file **ret_files, size_t *ret_count,
                                   struct error *err);

#endif
