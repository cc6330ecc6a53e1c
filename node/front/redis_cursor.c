/* redis_cursor.c - see redis_cursor.h. */
#include "node/front/redis_cursor.h"

#include <pthread.h>
#include <stdlib.h>

struct position {
    uint64_t number; /* 0: none */
    uint32_t group;
    struct buf next;
};

struct redis_cursors {
    pthread_mutex_t lock;
    uint64_t last;   /* number given */
    uint64_t oldest; /* that may still be kept */
    size_t bytes;
    struct position v[CURSORS_MAX];
};

struct redis_cursors *redis_cursors_new(uint64_t seed)
{
    struct redis_cursors *t = xcalloc(1, sizeof *t);

    pthread_mutex_init(&t->lock, NULL);
    t->last = seed >> 12; /* 52 bits */
    t->oldest = t->last + 1;
    return t;
}

void redis_cursors_free(struct redis_cursors *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < CURSORS_MAX; i++)
        buf_release(&t->v[i].next);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void forget_oldest(struct redis_cursors *t)
{
    struct position *p = &t->v[t->oldest++ % CURSORS_MAX];

    t->bytes -= p->next.size;
    p->number = 0;
    buf_release(&p->next);
}

uint64_t redis_cursors_put(struct redis_cursors *t, uint32_t group,
                           struct slice next)
{
    struct position *p;
    uint64_t number;

    pthread_mutex_lock(&t->lock);
    number = ++t->last;
    while (t->oldest < number &&
           (number - t->oldest >= CURSORS_MAX ||
            t->bytes + next.size > CURSORS_BYTES_MAX))
        forget_oldest(t);
    p = &t->v[number % CURSORS_MAX];
    p->number = number;
    p->group = group;
    buf_append(&p->next, next.data, next.size);
    t->bytes += next.size;
    pthread_mutex_unlock(&t->lock);
    return number;
}

bool redis_cursors_find(struct redis_cursors *t, uint64_t cursor,
                        uint32_t *group, struct buf *next)
{
    const struct position *p = &t->v[cursor % CURSORS_MAX];
    bool found;

    pthread_mutex_lock(&t->lock);
    found = cursor && p->number == cursor;
    if (found) {
        *group = p->group;
        buf_append(next, p->next.data, p->next.size);
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}
