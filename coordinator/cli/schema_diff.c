#include "coordinator/cli/schema_diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How much of a line is its kind and its name. */
static size_t schema_diff_head(const char *line)
{
    const char *blank = strchr(line, ' ');
    const char *returns = strstr(line, " returns ");

    if (strncmp(line, "function ", 9) == 0 && returns != NULL) {
        return (size_t)(returns - line); /* the arguments belong to the name */
    }
    if (strncmp(line, "materialized view ", 18) == 0 || strncmp(line, "foreign table ", 14) == 0) {
        blank = strchr(blank + 1, ' ');
    }
    blank = blank == NULL ? NULL : strchr(blank + 1, ' ');
    return blank == NULL ? strlen(line) : (size_t)(blank - line);
}

static const char *schema_diff_rest(const char *line)
{
    const char *rest = line + schema_diff_head(line);

    return rest[0] == ' ' ? rest + 1 : rest;
}

/* The lines of `from` that `other` does not have; both are sorted. */
static json_t *schema_diff_only(const json_t *from, const json_t *other)
{
    json_t *only = json_array();
    size_t o = 0;

    for (size_t i = 0; i < json_array_size(from); i++) {
        const char *line = json_string_value(json_array_get(from, i));
        while (o < json_array_size(other) &&
               strcmp(json_string_value(json_array_get(other, o)), line) < 0) {
            o++;
        }
        bool same = o < json_array_size(other) &&
                    strcmp(json_string_value(json_array_get(other, o)), line) == 0;
        if (same) {
            o++;
        } else {
            json_array_append(only, json_array_get(from, i));
        }
    }
    return only;
}

/* The first line with the same kind and name; SIZE_MAX for none. */
static size_t schema_diff_find(const json_t *lines, const char *line)
{
    const size_t size = schema_diff_head(line);

    for (size_t i = 0; i < json_array_size(lines); i++) {
        const char *other = json_string_value(json_array_get(lines, i));
        if (schema_diff_head(other) == size && strncmp(other, line, size) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void schema_diff_add(json_t *differences, const char *what, const char *line, const char *is,
                            const char *usual)
{
    json_array_append_new(differences,
                          json_pack("{s:s, s:s%, s:s, s:s}", "what", what, "object", line,
                                    schema_diff_head(line), "is", is, "usual", usual));
}

json_t *schema_diff(const json_t *usual, const json_t *odd)
{
    json_t *differences = json_array();
    json_t *missing = schema_diff_only(usual, odd);
    json_t *extra = schema_diff_only(odd, usual);

    for (size_t i = 0; i < json_array_size(missing); i++) {
        const char *line = json_string_value(json_array_get(missing, i));
        size_t found = schema_diff_find(extra, line);
        if (found == SIZE_MAX) {
            schema_diff_add(differences, "missing", line, "", schema_diff_rest(line));
        } else {
            const char *is = json_string_value(json_array_get(extra, found));
            schema_diff_add(differences, "changed", line, schema_diff_rest(is),
                            schema_diff_rest(line));
            json_array_remove(extra, found);
        }
    }
    for (size_t i = 0; i < json_array_size(extra); i++) {
        const char *line = json_string_value(json_array_get(extra, i));
        schema_diff_add(differences, "extra", line, schema_diff_rest(line), "");
    }
    json_decref(missing);
    json_decref(extra);
    return differences;
}
