/* LIBS: skein_model */
/* A selector, a line end, a tenant's name: a tenant that matches is on a shard that may match. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/selector.h"
#include "tests/fuzz/fuzz.h"

static const struct label shard_items[] = { { "region", "eu" }, { "tier", "paid" } };
static const struct label tenant_items[] = { { "plan", "gold" }, { "tier", "free" } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(selector_free) struct selector *selector = NULL;
    const struct labels shard_labels = { shard_items, COUNT_OF(shard_items) };
    const struct labels tenant_labels = { tenant_items, COUNT_OF(tenant_items) };
    struct error err = { 0 };
    char *text = fuzz_text(data, size);
    char *tenant = strchr(text, '\n');

    if (tenant != NULL) {
        *tenant++ = '\0';
    } else {
        tenant = text + strlen(text);
    }
    if (selector_parse(text, &selector, &err)) {
        if (selector_matches(selector, "eu-1", &shard_labels, tenant, &tenant_labels)) {
            assert(selector_may_match_shard(selector, "eu-1", &shard_labels));
        }
    } else {
        assert(err.code == ERR_INVALID && err.message[0] != '\0');
    }
    (void)selector_glob(text, tenant);
    assert(selector_glob("*", text));
    free(text);
    return 0;
}
