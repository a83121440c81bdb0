#include "agent/run/accident.h"

#include <stddef.h>
#include <string.h>

#include "common/core/base.h"

static bool accident_has_sqlstate(const struct pg_error *error, const char *const *sqlstates,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(error->sqlstate, sqlstates[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool accident_is(const struct pg_error *error)
{
    static const char *const accidents[] = { "40001", "40P01", "57P01", "57P02", "57P03",
                                             "57P05", "25P03", "08006", "08P01" };

    return accident_has_sqlstate(error, accidents, COUNT_OF(accidents)) ||
           (strcmp(error->sqlstate, "XX000") == 0 &&
            strncmp(error->message, "tuple concurrently", 18) == 0);
}

bool accident_is_farewell(const struct pg_error *error)
{
    static const char *const farewells[] = { "57P01", "57P02", "57P03", "57P05", "25P03" };

    return accident_has_sqlstate(error, farewells, COUNT_OF(farewells));
}
