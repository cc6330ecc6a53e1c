/* effects.c - the vector of effects. */
#include "node/core/event.h"

#include <stdlib.h>

struct effect *effects_add(struct effects *fx, enum effect_type type,
                           uint32_t group)
{
    struct effect *e;

    if (fx->n == fx->cap) {
        fx->cap = fx->cap ? fx->cap * 2 : 64;
        fx->v = xrealloc(fx->v, fx->cap * sizeof *fx->v);
    }
    e = &fx->v[fx->n++];
    memset(e, 0, sizeof *e);
    e->type = type;
    e->group = group;
    return e;
}

void effects_release(struct effects *fx)
{
    free(fx->v);
    *fx = (struct effects){0};
}
