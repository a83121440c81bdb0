/* LIBS: skein_model */
/* Any three texts: what parses is ordered consistently. One text per line. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/semver.h"
#include "tests/fuzz/fuzz.h"

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static bool parse(const char *text, struct semver *version)
{
    struct error err = { 0 };

    if (semver_parse(text, version, &err)) {
        assert(semver_compare(version, version) == 0);
        return true;
    }
    assert(err.code == ERR_INVALID && err.message[0] != '\0');
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct semver versions[3];
    char *text = fuzz_text(data, size);
    char *rest = text;
    size_t count = 0;

    while (count < COUNT_OF(versions) && rest != NULL) {
        const char *line = strsep(&rest, "\n");
        count += parse(line, &versions[count]) ? 1 : 0;
    }
    free(text);
    if (count == COUNT_OF(versions)) {
        int ab = sign(semver_compare(&versions[0], &versions[1]));
        int bc = sign(semver_compare(&versions[1], &versions[2]));
        int ac = sign(semver_compare(&versions[0], &versions[2]));
        assert(ab == -sign(semver_compare(&versions[1], &versions[0])));
        if (ab == bc || bc == 0) {
            assert(ac == ab);
        }
    }
    return 0;
}
