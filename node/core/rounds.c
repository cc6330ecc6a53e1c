/* rounds.c - see rounds.h. */
#include "node/core/rounds.h"
#include "proto/base/planted.h"

#include <stdlib.h>

void rounds_release(struct rounds *r)
{
    free(r->asked);
    free(r->next);
    *r = (struct rounds){0};
}

void rounds_ask(struct rounds *r, uint32_t group, uint64_t term, uint64_t seq)
{
    if (r->n_next == r->cap_next) {
        r->cap_next = r->cap_next ? r->cap_next * 2 : 16;
        r->next = xrealloc(r->next, r->cap_next * sizeof *r->next);
    }
    r->next[r->n_next++] = (struct round_entry){group, term, seq};
}

bool rounds_send(struct rounds *r, instant now, duration lost,
                 struct buf *out)
{
    struct round_entry *rows = r->asked;
    unsigned cap = r->cap_asked;
    size_t begun;

    if (!r->n_next)
        return false;
    if (r->in_flight && instant_since(now, r->sent).ms < lost.ms)
        return false;
    r->asked = r->next;
    r->n_asked = r->n_next;
    r->cap_asked = r->cap_next;
    r->next = rows;
    r->n_next = 0;
    r->cap_next = cap;

    begun = item_begin(out, ITEM_READ_ROUND);
    buf_u64(out, ++r->id);
    buf_u32(out, r->n_asked);
    for (unsigned i = 0; i < r->n_asked; i++) {
        buf_u32(out, r->asked[i].group);
        buf_u64(out, r->asked[i].term);
    }
    item_end(out, begun);
    r->in_flight = true;
    r->sent = now;
    return true;
}

bool rounds_answer(struct rounds *r, struct slice body,
                   rounds_confirm *confirm, void *arg)
{
    struct reader in = reader_of(body);
    uint64_t id = reader_u64(&in);
    uint32_t n = reader_u32(&in);
    struct slice yes = reader_bytes(&in, n);

    if (in.failed || reader_left(&in))
        return false;
    if (!r->in_flight || (id != r->id && !PLANTED(READ_ANY_ROUND)))
        return true;
    if (n != r->n_asked)
        return PLANTED(READ_ANY_ROUND) && id != r->id;
    r->in_flight = false;
    for (uint32_t i = 0; i < n; i++)
        if (yes.data[i])
            confirm(arg, &r->asked[i]);
    return true;
}

void rounds_reset(struct rounds *r)
{
    r->in_flight = false;
    r->n_next = r->n_asked = 0;
}
