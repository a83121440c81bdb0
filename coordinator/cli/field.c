#include "coordinator/cli/field.h"

#include <string.h>
#include <time.h>

#include "common/core/clock.h"

json_t *field_get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

const char *field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(field_get(object, key));

    return text == NULL ? "" : text;
}

uint64_t field_u64(const json_t *object, const char *key)
{
    const json_t *value = field_get(object, key);

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        return (uint64_t)json_integer_value(value);
    }
    return 0;
}

double field_real(const json_t *object, const char *key)
{
    return json_number_value(field_get(object, key));
}

bool field_flag(const json_t *object, const char *key)
{
    return json_is_true(field_get(object, key));
}

int64_t field_time_ms(const json_t *object, const char *key)
{
    struct tm parts = { 0 };

    if (strptime(field_text(object, key), "%Y-%m-%dT%H:%M:%S", &parts) == NULL) {
        return 0;
    }
    return (int64_t)timegm(&parts) * 1000;
}

void field_copy(json_t *to, const char *to_key, const json_t *from, const char *from_key)
{
    json_t *value = field_get(from, from_key);

    json_object_set_new(to, to_key, value == NULL ? json_null() : json_incref(value));
}

void field_copy_time(json_t *to, const char *to_key, const json_t *from, const char *from_key)
{
    char text[CLOCK_TEXT_BYTES];
    uint64_t wall_ms = field_u64(from, from_key);

    if (wall_ms == 0) {
        json_object_set_new(to, to_key, json_null());
        return;
    }
    clock_format_wall((int64_t)wall_ms, text);
    json_object_set_new(to, to_key, json_string(text));
}
