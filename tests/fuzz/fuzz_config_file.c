/* LIBS: skein_model */
#include <assert.h>
#include <string.h>

#include "common/model/config_file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(config_file_release) struct config_file file = { 0 };
    struct error err = { 0 };

    if (!config_file_parse("f.yaml", (struct bytes){ data, size }, &file, &err)) {
        assert(err.code == ERR_INVALID || err.code == ERR_LIMIT);
        assert(strncmp(err.message, "f.yaml", 6) == 0);
        return 0;
    }
    unsigned line = 1;
    for (size_t i = 0; i < file.entry_count; i++) {
        assert(file.entries[i].key[0] != '\0' && file.entries[i].value != NULL);
        assert(file.entries[i].line >= line);
        line = file.entries[i].line;
    }
    return 0;
}
