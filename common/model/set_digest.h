/* set_digest.h - by what content a set is known.
 *
 * Pure. */
#ifndef SKEIN_COMMON_MODEL_SET_DIGEST_H
#define SKEIN_COMMON_MODEL_SET_DIGEST_H

#include "common/model/set.h"

/* What counts for the digest: every file but the ignored ones. The canonical form is a first line,
 * then for each file, by path, "PATH NUL SIZE NUL CONTENT"; no two sets share it. */
void set_digest(const struct set_file *files, size_t file_count,
                char ret_digest[DIGEST_TEXT_BYTES]);

#endif
