/* folder_write.h - a folder of files, made whole or not at all.
 *
 * Main thread. The files are written into a folder of another name beside it, which then takes its
 * place in one step: whoever looks sees all of it or nothing. A process that dies in between leaves
 * that other folder (`OUT.new-XXXXXX`) behind, and nothing else. */
#ifndef SKEIN_COORDINATOR_CLI_FOLDER_WRITE_H
#define SKEIN_COORDINATOR_CLI_FOLDER_WRITE_H

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/set.h"

/* Paths without folders. ERR_REFUSED if `out` is there and not an empty folder. */
MUST_CHECK bool folder_write(const char *out, const struct set_file *files, size_t file_count,
                             struct error *err);

#endif
