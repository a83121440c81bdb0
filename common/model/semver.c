#include "common/model/semver.h"

#include <string.h>

#include "common/model/quote.h"

struct semver_reader {
    const char *text;
    size_t at;
    struct error *err;
};

static bool semver_fail(const struct semver_reader *reader, size_t at, const char *expected)
{
    char quoted[QUOTE_BYTES];

    return error_set(reader->err, ERR_INVALID, "version %s, position %zu: expected %s",
                     quote_text(reader->text, quoted), at + 1, expected);
}

static bool semver_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool semver_is_identifier(char c)
{
    return semver_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

static bool semver_read_number(struct semver_reader *reader, uint64_t *ret_number)
{
    size_t start = reader->at;
    uint64_t number = 0;

    if (!semver_is_digit(reader->text[start])) {
        return semver_fail(reader, start, "a digit (MAJOR.MINOR.PATCH, such as 1.2.0)");
    }
    if (reader->text[start] == '0' && semver_is_digit(reader->text[start + 1])) {
        return semver_fail(reader, start, "a number without leading zeros");
    }
    for (; semver_is_digit(reader->text[reader->at]); reader->at++) {
        uint64_t digit = (uint64_t)(reader->text[reader->at] - '0');
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number)) {
            return semver_fail(reader, start, "a number of at most 64 bits");
        }
    }
    *ret_number = number;
    return true;
}

static bool semver_read_dot(struct semver_reader *reader)
{
    if (reader->text[reader->at] != '.') {
        return semver_fail(reader, reader->at, "'.' (MAJOR.MINOR.PATCH, such as 1.2.0)");
    }
    reader->at++;
    return true;
}

/* Dot-separated identifiers; those of a prerelease that are numbers have no leading zeros. */
static bool semver_read_identifiers(struct semver_reader *reader, bool prerelease)
{
    for (;;) {
        size_t start = reader->at;
        bool numeric = true;
        while (semver_is_identifier(reader->text[reader->at])) {
            numeric = numeric && semver_is_digit(reader->text[reader->at]);
            reader->at++;
        }
        if (reader->at == start) {
            return semver_fail(reader, start, "a letter, digit or '-'");
        }
        if (prerelease && numeric && reader->text[start] == '0' && reader->at - start > 1) {
            return semver_fail(reader, start, "a number without leading zeros");
        }
        if (reader->text[reader->at] != '.') {
            return true;
        }
        reader->at++;
    }
}

bool semver_parse(const char *text, struct semver *ret_version, struct error *err)
{
    struct semver_reader reader = { .text = text, .err = err };
    struct semver version = { 0 };

    if (strnlen(text, SEMVER_BYTES_MAX + 1) > SEMVER_BYTES_MAX) {
        char quoted[QUOTE_BYTES];
        return error_set(err, ERR_INVALID, "version %s: expected at most %d characters",
                         quote_text(text, quoted), SEMVER_BYTES_MAX);
    }
    if (!semver_read_number(&reader, &version.major) || !semver_read_dot(&reader) ||
        !semver_read_number(&reader, &version.minor) || !semver_read_dot(&reader) ||
        !semver_read_number(&reader, &version.patch)) {
        return false;
    }
    if (text[reader.at] == '-') {
        size_t start = ++reader.at;
        if (!semver_read_identifiers(&reader, /* prerelease= */ true)) {
            return false;
        }
        memcpy(version.prerelease, text + start, reader.at - start);
    }
    if (text[reader.at] == '+') {
        reader.at++;
        if (!semver_read_identifiers(&reader, /* prerelease= */ false)) {
            return false;
        }
    }
    if (text[reader.at] != '\0') {
        return semver_fail(&reader, reader.at, "the end, '-' and a prerelease, or '+' and a build");
    }
    *ret_version = version;
    return true;
}

static int semver_compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int semver_compare_identifiers(const char *a, size_t a_size, const char *b, size_t b_size)
{
    bool a_numeric = strspn(a, "0123456789") >= a_size;
    bool b_numeric = strspn(b, "0123456789") >= b_size;

    if (a_numeric != b_numeric) {
        return a_numeric ? -1 : 1; /* numbers come before words */
    }
    if (a_numeric && a_size != b_size) {
        return a_size < b_size ? -1 : 1; /* there are no leading zeros: longer is larger */
    }
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order != 0 ? order : semver_compare_numbers(a_size, b_size);
}

static int semver_compare_prereleases(const char *a, const char *b)
{
    if (*a == '\0' || *b == '\0') {
        return (*a == '\0') - (*b == '\0'); /* a release comes after its prereleases */
    }
    for (;;) {
        size_t a_size = strcspn(a, ".");
        size_t b_size = strcspn(b, ".");
        int order = semver_compare_identifiers(a, a_size, b, b_size);
        if (order != 0) {
            return order;
        }
        a += a_size;
        b += b_size;
        if (*a == '\0' || *b == '\0') {
            return (*a != '\0') - (*b != '\0'); /* more identifiers come later */
        }
        a++;
        b++;
    }
}

int semver_compare(const struct semver *a, const struct semver *b)
{
    int order = semver_compare_numbers(a->major, b->major);

    if (order == 0) {
        order = semver_compare_numbers(a->minor, b->minor);
    }
    if (order == 0) {
        order = semver_compare_numbers(a->patch, b->patch);
    }
    return order != 0 ? order : semver_compare_prereleases(a->prerelease, b->prerelease);
}

bool semver_is_prerelease(const struct semver *version)
{
    return version->prerelease[0] != '\0';
}
