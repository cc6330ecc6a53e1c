/* reads.c - see reads.h. */
#include "node/core/reads.h"
#include "proto/base/planted.h"

#include <assert.h>
#include <stdlib.h>

enum { POOL_KEEP = 4096 };

void read_pool_init(struct read_pool *p, unsigned max, size_t key_bytes_max)
{
    *p = (struct read_pool){.max = max, .key_bytes_max = key_bytes_max};
}

void read_pool_release(struct read_pool *p)
{
    while (p->first_out)
        read_free(p, p->first_out);
    while (p->free) {
        struct read *r = p->free;
        p->free = r->next;
        free(r);
    }
}

struct read *read_new(struct read_pool *p, size_t key_size)
{
    struct read *r = p->free;
    size_t bytes = key_size <= READ_KEY_INLINE ? 0 : key_size;

    if (p->out == p->max || p->key_bytes + bytes > p->key_bytes_max)
        return NULL;
    p->out++;
    p->key_bytes += bytes;
    if (r) {
        p->free = r->next;
        p->kept--;
    } else {
        r = xmalloc(sizeof *r);
    }
    r->next = NULL;
    r->out_next = p->first_out;
    r->out_slot = &p->first_out;
    if (r->out_next)
        r->out_next->out_slot = &r->out_next;
    p->first_out = r;
    r->key_size = (uint32_t)key_size;
    r->key = bytes ? xmalloc(bytes) : r->inlined;
    return r;
}

void read_free(struct read_pool *p, struct read *r)
{
    assert(p->out > 0);
    p->out--;
    *r->out_slot = r->out_next;
    if (r->out_next)
        r->out_next->out_slot = r->out_slot;
    if (r->key != r->inlined) {
        p->key_bytes -= r->key_size;
        free(r->key);
    }
    if (p->kept >= POOL_KEEP) {
        free(r);
        return;
    }
    r->next = p->free;
    p->free = r;
    p->kept++;
}

void read_list_init(struct read_list *l)
{
    *l = (struct read_list){NULL, &l->head, 0};
}

void read_list_add(struct read_list *l, struct read *r)
{
    r->next = NULL;
    *l->tail = r;
    l->tail = &r->next;
    l->n++;
}

struct read *read_list_pop(struct read_list *l)
{
    struct read *r = l->head;

    if (!r)
        return NULL;
    l->head = r->next;
    if (!l->head)
        l->tail = &l->head;
    l->n--;
    return r;
}

void read_list_move(struct read_list *to, struct read_list *from)
{
    if (!from->head)
        return;
    *to->tail = from->head;
    to->tail = from->tail;
    to->n += from->n;
    read_list_init(from);
}

void reads_init(struct reads *r)
{
    *r = (struct reads){0};
    read_list_init(&r->next);
    read_list_init(&r->asking);
    read_list_init(&r->ready);
}

void reads_start(struct reads *r, instant now, uint64_t index, uint64_t term,
                 unsigned needed)
{
    assert(!r->asking.n && r->next.n);
    for (struct read *x = r->next.head; x; x = x->next)
        x->index = index;
    read_list_move(&r->asking, &r->next);
    r->asking_seq++;
    r->asking_term = term;
    r->confirmed = 0;
    r->needed = needed;
    r->asked_at = now;
    r->hedged = false;
    if (!needed)
        read_list_move(&r->ready, &r->asking);
}

bool reads_confirm(struct reads *r, uint64_t seq, unsigned voter)
{
    if (seq != r->asking_seq || !r->asking.n || voter >= 32)
        return false;
    r->confirmed |= 1u << voter;
    if ((unsigned)__builtin_popcount(r->confirmed) < r->needed)
        return false;
    read_list_move(&r->ready, &r->asking);
    return true;
}

struct read *reads_runnable(struct reads *r, uint64_t applied, uint64_t done)
{
    struct read *x = r->ready.head;

    if (!x || (x->index > applied && !PLANTED(READ_UNAPPLIED)) ||
        x->after > done)
        return NULL;
    return read_list_pop(&r->ready);
}

static void fail_list(struct read_list *l, enum status why, reads_answer *a,
                      void *arg)
{
    struct read *x;

    while ((x = read_list_pop(l)))
        a(arg, x, why);
}

void reads_fail(struct reads *r, enum status why, reads_answer *a, void *arg)
{
    fail_list(&r->next, why, a, arg);
    fail_list(&r->asking, why, a, arg);
    fail_list(&r->ready, why, a, arg);
}

static instant expire_list(struct read_list *l, instant now, instant earliest,
                           reads_answer *a, void *arg)
{
    struct read_list all;
    struct read *x;

    read_list_init(&all);
    read_list_move(&all, l);
    while ((x = read_list_pop(&all))) {
        if (instant_reached(now, x->deadline)) {
            a(arg, x, STATUS_TIMEOUT);
            continue;
        }
        earliest = instant_min(earliest, x->deadline);
        read_list_add(l, x);
    }
    return earliest;
}

instant reads_expire(struct reads *r, instant now, reads_answer *a, void *arg)
{
    instant earliest = INSTANT_NEVER;

    earliest = expire_list(&r->next, now, earliest, a, arg);
    earliest = expire_list(&r->asking, now, earliest, a, arg);
    return expire_list(&r->ready, now, earliest, a, arg);
}
