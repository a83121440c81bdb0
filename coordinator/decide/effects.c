#include "coordinator/decide/effects.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/memory.h"

void effects_release(struct effects *effects)
{
    arena_release(&effects->arena);
    free(effects->items);
    *effects = (struct effects){ 0 };
}

struct effect *effects_add(struct effects *effects, enum effect_kind kind)
{
    assert(kind < EFFECT_KIND_COUNT);
    effects->items =
        memory_reserve(effects->items, effects->count, &effects->capacity, sizeof(struct effect));
    struct effect *effect = &effects->items[effects->count++];
    *effect = (struct effect){ .kind = kind };
    return effect;
}
