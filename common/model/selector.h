/* selector.h - which tenants: Kubernetes' label selector plus the keys `shard` and `tenant`.
 *
 * Pure; immutable after selector_parse. `region=eu,tier!=free,tenant in (t_1*,t_2*),!frozen`:
 * requirements joined by commas, all of which must hold. Operators: =, ==, !=, in, notin, KEY
 * (exists), !KEY. As in Kubernetes, != and notin also match where the key is absent. Values may be
 * globs (* and ?) for every key. `tenant` matches the tenant's name and, where the value holds a
 * "/", shard/name. A tenant's own label wins over its shard's. */
#ifndef SKEIN_COMMON_MODEL_SELECTOR_H
#define SKEIN_COMMON_MODEL_SELECTOR_H

#include <stdbool.h>

#include "common/core/base.h"
#include "common/core/error.h"
#include "common/model/message.h"

struct selector;

/* ERR_INVALID names the position and what was expected. "" matches every tenant. */
MUST_CHECK bool selector_parse(const char *text, struct selector **ret_selector, struct error *err);
void selector_free(struct selector **selector);

bool selector_matches(const struct selector *selector, const char *shard,
                      const struct labels *shard_labels, const char *tenant,
                      const struct labels *tenant_labels);
/* False only if no tenant of this shard can match, whatever its name and labels. */
bool selector_may_match_shard(const struct selector *selector, const char *shard,
                              const struct labels *shard_labels);
/* The same glob rules for other uses: * and ?, whole text. */
bool selector_glob(const char *pattern, const char *text);

/* The value, or NULL. */
const char *labels_find(const struct labels *labels, const char *key);

#endif
