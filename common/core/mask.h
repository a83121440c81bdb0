/* mask.h - hides the passwords inside connection strings and URLs.
 *
 * Pure. */
#ifndef SKEIN_COMMON_CORE_MASK_H
#define SKEIN_COMMON_CORE_MASK_H

#include "common/core/buf.h"

/* What stands in a secret's place; its length says nothing about the secret's. */
#define MASK_TEXT "********"

/* Appends `text` to `buf` with every password replaced: the value of any key that ends in
 * "password" (`password = 'a b'`, `?sslpassword=x&...`), and what stands between ":" and "@" in a
 * URL. Hides rather too much than too little. */
void mask_passwords(const char *text, struct buf *buf);

#endif
