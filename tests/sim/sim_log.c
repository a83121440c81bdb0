/* The coordinator's log, unheard: what happens is in the simulator's notes. */
#include "common/core/log.h"

void log_info(const char *event, const char *fields, ...)
{
    (void)event;
    (void)fields;
}

void log_warning(const char *event, const char *fields, ...)
{
    (void)event;
    (void)fields;
}

void log_failure(const char *event, const struct error *err, const char *fields, ...)
{
    (void)event;
    (void)err;
    (void)fields;
}
