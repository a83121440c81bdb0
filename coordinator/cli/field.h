/* field.h - reading JSON objects whose fields may be missing, null or of another type.
 *
 * Pure. What is given back borrows from the object. */
#ifndef SKEIN_COORDINATOR_CLI_FIELD_H
#define SKEIN_COORDINATOR_CLI_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* Never NULL: "" where there is no text. */
const char *field_text(const json_t *object, const char *key);
uint64_t field_u64(const json_t *object, const char *key); /* 0 where there is no number */
double field_real(const json_t *object, const char *key);
bool field_flag(const json_t *object, const char *key);
/* NULL (which jansson's readers accept) where there is none. */
json_t *field_get(const json_t *object, const char *key);
/* Milliseconds since the epoch of an RFC 3339 text in UTC; 0 where there is none. */
int64_t field_time_ms(const json_t *object, const char *key);

/* Copies one field to another object, null where it is missing. */
void field_copy(json_t *to, const char *to_key, const json_t *from, const char *from_key);
/* Milliseconds since the epoch become RFC 3339 text; 0 becomes null. */
void field_copy_time(json_t *to, const char *to_key, const json_t *from, const char *from_key);

#endif
