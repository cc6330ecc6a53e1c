/* group_effects.c - the vector of effects; see group.h. */
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "raft/group_impl.h"

struct group_effect *group_effects_add(struct group_effects *fx,
                                       enum group_effect_type type)
{
    if (fx->n == fx->cap) {
        fx->cap = fx->cap ? fx->cap * 2 : 16;
        fx->v = xrealloc(fx->v, fx->cap * sizeof fx->v[0]);
    }
    /* Only the type: the union is as large as a member list, and most effects
     * use a few bytes of it. */
    fx->v[fx->n].type = type;
    return &fx->v[fx->n++];
}

void group_effects_clear(struct group_effects *fx)
{
    for (unsigned i = 0; i < fx->n; i++) {
        if (fx->v[i].type == GROUP_SEND)
            message_free(fx->v[i].send.message);
    }
    fx->n = 0;
}

void group_effects_release(struct group_effects *fx)
{
    group_effects_clear(fx);
    free(fx->v);
    *fx = (struct group_effects){0};
}
