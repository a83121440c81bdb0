/* import_work.h - what the importers of all tools share: the set that is being made.
 *
 * Pure; one thread. Texts live in the work's arena. */
#ifndef SKEIN_COMMON_IMPORT_IMPORT_WORK_H
#define SKEIN_COMMON_IMPORT_IMPORT_WORK_H

#include <jansson.h>

#include "common/import/import.h"

struct import_script {
    const char *file; /* in the tool's folder; NULL: there is none */
    struct bytes text;
    bool outside;  /* not in a transaction */
    uint32_t line; /* of the file, before the text: 0 for a whole file */
};

struct import_migration {
    const char *version;
    const char *name; /* as the tool has it; made fit for a file's name at the end */
    struct import_script up;
    struct import_script down;
    const char *ledger; /* JSON */
};

struct import_repeatable {
    const char *name;
    struct import_script script;
};

struct import_work {
    const struct import_request *request;
    struct arena *arena;
    struct import_migration *migrations;
    size_t migration_count;
    size_t migration_capacity;
    struct import_repeatable *repeatables;
    size_t repeatable_count;
    size_t repeatable_capacity;
    struct import_remark *remarks;
    size_t remark_count;
    size_t problem_count;
    struct error *err;
};

/* One function per tool. False only with an error for the folder as a whole. */
typedef bool import_function(struct import_work *work);
import_function import_flyway;
import_function import_dbmate;
import_function import_golang_migrate;
import_function import_goose;
import_function import_sqitch;
import_function import_diesel;
import_function import_prisma;

void import_note(struct import_work *work, const char *file, uint32_t line, const char *format, ...)
    PRINTF(4, 5);
void import_problem(struct import_work *work, const char *file, uint32_t line, const char *format,
                    ...) PRINTF(4, 5);

/* A new migration for the tool's key; its version follows from it. NULL: there is none, and a
 * problem says so. `ledger` is what the tool's table has to say of it besides the key; the
 * reference is taken over. */
struct import_migration *import_add(struct import_work *work, const char *file, const char *key,
                                    const char *name, json_t *ledger);
/* The same where the version is not the key's. */
struct import_migration *import_add_version(struct import_work *work, const char *version,
                                            const char *key, const char *name, json_t *ledger);
void import_add_repeatable(struct import_work *work, const struct set_file *file, const char *name);

/* Lines of a text, without their ends. */
struct import_lines {
    const char *at;
    const char *end;
    uint32_t number; /* of the line read last, from 1 */
};
struct import_lines import_lines_of(struct bytes text);
bool import_next_line(struct import_lines *lines, struct bytes *ret_line);

/* The file's own name, behind the last "/". */
const char *import_base_name(const char *path);
const struct set_file *import_find(const struct import_work *work, const char *path);
bool import_ends_with(const char *text, const char *ending);
bool import_is_blank(struct bytes line);
/* "KEY = value" or "KEY: value" of a line; false where it is another key. */
bool import_read_setting(struct bytes line, const char *key, const char *value);

#endif
