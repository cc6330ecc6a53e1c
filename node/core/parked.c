/* parked.c - requests for a keyspace that this node's map does not have.
 *
 * The keyspace may be younger than the map: before such a request is refused
 * the map is asked for, of the node that leads the meta group. Few may wait,
 * and not for long; whoever asks for what there is not costs one question in a
 * while. */
#include "node/core/shard_state.h"

#include <stdlib.h>

enum {
    PARKED_MAX = 64,
    PARKED_BYTES_MAX = 1 << 20,
    PARKED_MS = 300,   /* then they are refused */
    ASK_AGAIN_MS = 200, /* at most one question in this time */
};

struct parked_request {
    struct parked_request *next;
    struct request q;
    struct buf bytes; /* of q */
};

static struct parked_request *copy(const struct request *q)
{
    struct parked_request *x = xcalloc(1, sizeof *x);
    struct reader in;

    x->q = *q;
    buf_append(&x->bytes, q->keyspace.data, q->keyspace.size);
    operation_encode(&q->operation, &x->bytes);
    in = reader_of(buf_slice(&x->bytes));
    x->q.keyspace = reader_bytes(&in, q->keyspace.size);
    if (operation_decode(&in, &x->q.operation) != STATUS_OK)
        abort(); /* it was encoded just now */
    return x;
}

bool parked_ask_map(struct shard *s)
{
    uint32_t node = shard_leader_node(s, 0);
    struct peer *p = node ? peers_with(s, node, 0) : NULL;
    struct buf *out;

    if (!p || !p->up[CHANNEL_CONTROL])
        return false;
    if (!p->map_asked) {
        out = peers_out(p, CHANNEL_CONTROL);
        item_end(out, item_begin(out, ITEM_MAP_ASK));
        p->map_asked = true;
    }
    return true;
}

bool parked_take(struct shard *s, const struct request *q)
{
    struct parked *k = &s->parked;
    struct parked_request *x;

    if (k->resuming || k->n >= PARKED_MAX || k->bytes >= PARKED_BYTES_MAX)
        return false;
    if (!k->n) {
        if (!instant_reached(s->now, k->ask_again) || !parked_ask_map(s))
            return false;
        k->ask_again = instant_add(s->now, MS(ASK_AGAIN_MS));
        k->until = instant_add(s->now, MS(PARKED_MS));
    }
    x = copy(q);
    *(k->head ? k->tail : &k->head) = x;
    k->tail = &x->next;
    k->n++;
    k->bytes += x->bytes.size;
    return true;
}

void parked_resume(struct shard *s, struct effects *fx)
{
    struct parked *k = &s->parked;

    k->resuming = true;
    while (k->head) {
        struct parked_request *x = k->head;
        k->head = x->next;
        k->n--;
        k->bytes -= x->bytes.size;
        requests_take(s, &x->q, fx);
        /* A reply may borrow from it until it has been carried out. */
        x->next = k->spent;
        k->spent = x;
    }
    k->until = INSTANT_NEVER;
    k->resuming = false;
}

static void spent_free(struct parked_request *x)
{
    while (x) {
        struct parked_request *next = x->next;
        buf_release(&x->bytes);
        free(x);
        x = next;
    }
}

void parked_turn(struct shard *s, struct effects *fx)
{
    spent_free(s->parked.spent); /* of earlier turns */
    s->parked.spent = NULL;
    if (s->parked.n && instant_reached(s->now, s->parked.until))
        parked_resume(s, fx);
}

void parked_release(struct shard *s)
{
    spent_free(s->parked.head);
    spent_free(s->parked.spent);
}
