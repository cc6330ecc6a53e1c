/* history.c - see history.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/history.h"

void history_release(struct history *h)
{
    free(h->v);
    *h = (struct history){0};
}

size_t history_ask(struct history *h, enum op op, enum read_mode mode,
                   unsigned key, uint64_t conn)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 256;
        h->v = xrealloc(h->v, h->cap * sizeof *h->v);
    }
    h->v[h->n] = (struct past){.op = op, .mode = mode, .key = key,
                               .conn = conn, .invoked = ++h->order,
                               .value = op == OP_SET ? h->n : SIZE_MAX};
    return h->n++;
}

bool history_answer(struct history *h, size_t number, enum status status,
                    uint64_t value, uint64_t version)
{
    struct past *p = &h->v[number];

    if (p->state == PAST_ANSWERED)
        return false;
    if (p->state == PAST_GONE)
        return true; /* nobody is there to hear it */
    p->state = PAST_ANSWERED;
    p->returned = ++h->order;
    p->status = status;
    p->version = version;
    if (p->op == OP_GET)
        p->value = value;
    return true;
}

void history_gone(struct history *h, size_t number)
{
    h->v[number].state = PAST_GONE;
}

/* ---- what happened for certain, perhaps, not at all ---- */

static bool done(const struct past *p)
{
    return p->state == PAST_ANSWERED &&
           (p->status == STATUS_OK ||
            (p->status == STATUS_NOT_FOUND && p->op != OP_SET));
}

static bool linearizable_read(const struct past *p)
{
    return p->op == OP_GET && p->mode == READ_LINEARIZABLE && done(p);
}

static bool perhaps(const struct past *p)
{
    return p->op != OP_GET && !done(p) &&
           (p->state != PAST_ANSWERED ||
            status_retry(p->status) == RETRY_UNSAFE);
}

/* A write that is certain and changed the key. */
static bool changed(const struct past *p)
{
    if (p->op == OP_SET)
        return p->version && (done(p) || perhaps(p));
    return p->op == OP_DELETE && done(p) && p->status == STATUS_OK;
}

struct checking {
    struct history *h;
    const struct past **of; /* of one key, in the order of asking */
    size_t n;
    const struct past **writes; /* of them: changed(), by version */
    size_t n_writes;
};

static const char *wrong(struct history *h, const struct past *p,
                         const char *what)
{
    snprintf(h->error, sizeof h->error,
             "request %zu (op %d, key %u, conn %" PRIx64 ", version %" PRIu64
             ", status %s): %s",
             (size_t)(p - h->v), (int)p->op, p->key, p->conn, p->version,
             status_name(p->status), what);
    return h->error;
}

/* ---- reads tell which writes happened ---- */

static const char *bind(struct history *h, const struct past *r)
{
    struct past *w = r->value < h->n ? &h->v[r->value] : NULL;
    char text[96];

    if (!w || w->op != OP_SET || w->key != r->key)
        return wrong(h, r, "read what nobody wrote there");
    if (w->invoked > r->returned)
        return wrong(h, r, "read what was written later");
    if (!done(w) && !perhaps(w)) {
        snprintf(text, sizeof text,
                 "read what request %zu wrote, which was refused: %s",
                 (size_t)(w - h->v), status_name(w->status));
        return wrong(h, r, text);
    }
    if (w->version && w->version != r->version) {
        snprintf(text, sizeof text,
                 "read another version than request %zu wrote: %" PRIu64,
                 (size_t)(w - h->v), w->version);
        return wrong(h, r, text);
    }
    w->version = r->version;
    return NULL;
}

static const char *bind_all(struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        struct past *p = &h->v[i];
        if (!done(p) && p->op == OP_SET)
            p->version = 0;
    }
    for (size_t i = 0; i < h->n; i++) {
        struct past *p = &h->v[i];
        const char *error = NULL;
        if (p->state == PAST_PENDING)
            return wrong(h, p, "was never answered");
        if (p->op == OP_GET && done(p) && p->status == STATUS_OK)
            error = bind(h, p);
        else if (p->op != OP_GET && done(p) && !p->version)
            error = wrong(h, p, "has no version");
        if (error)
            return error;
    }
    return NULL;
}

/* ---- one key ---- */

static int by_version(const void *a, const void *b)
{
    const struct past *x = *(const struct past *const *)a;
    const struct past *y = *(const struct past *const *)b;

    return x->version < y->version ? -1 : x->version > y->version;
}

/* The version that must be visible to `p`: of what had returned before, and of
 * the writes that its own connection had sent before. */
static uint64_t floor_of(const struct checking *k, const struct past *p)
{
    uint64_t floor = 0;

    for (size_t i = 0; i < k->n && k->of[i]->invoked < p->invoked; i++) {
        const struct past *q = k->of[i];
        bool own = q->conn == p->conn && q->op != OP_GET;
        if (!done(q) || (!linearizable_read(q) && q->op == OP_GET))
            continue;
        if (own || q->returned < p->invoked)
            floor = MAX_OF(floor, q->version);
    }
    return floor;
}

/* Whatever was asked after `p` had returned lies behind it. */
static uint64_t ceiling_of(const struct checking *k, const struct past *p)
{
    uint64_t ceiling = UINT64_MAX;

    for (size_t i = k->n; i > 0 && k->of[i - 1]->invoked > p->returned; i--) {
        const struct past *q = k->of[i - 1];
        if (q->version && (changed(q) || linearizable_read(q)))
            ceiling = MIN_OF(ceiling, q->version);
    }
    return ceiling;
}

/* The last change at or below `version`; NULL: none. */
static const struct past *last_change(const struct checking *k,
                                      uint64_t version)
{
    const struct past *last = NULL;

    for (size_t i = 0;
         i < k->n_writes && k->writes[i]->version <= version; i++)
        last = k->writes[i];
    return last;
}

/* Might a write of this kind, of unknown outcome, explain what `p` saw? */
static bool maybe(const struct checking *k, const struct past *p, enum op op)
{
    for (size_t i = 0; i < k->n && k->of[i]->invoked < p->returned; i++)
        if (k->of[i]->op == op && perhaps(k->of[i]) && !k->of[i]->version)
            return true;
    return false;
}

static bool may_be_absent(const struct checking *k, const struct past *p)
{
    uint64_t floor = floor_of(k, p), ceiling = ceiling_of(k, p);
    const struct past *w = last_change(k, floor);

    if (!w || w->op == OP_DELETE || maybe(k, p, OP_DELETE))
        return true;
    for (size_t i = 0; i < k->n_writes; i++) {
        w = k->writes[i];
        if (w->op == OP_DELETE && w->version > floor &&
            w->version < ceiling && w->invoked < p->returned)
            return true;
    }
    return false;
}

static const char *check_write(const struct checking *k, const struct past *p)
{
    const struct past *w;

    if (p->version <= floor_of(k, p))
        return wrong(k->h, p, "a write was ordered before what it follows");
    if (p->op != OP_DELETE)
        return NULL;
    w = last_change(k, p->version - 1);
    if (p->status == STATUS_OK && (!w || w->op == OP_DELETE) &&
        !maybe(k, p, OP_SET))
        return wrong(k->h, p, "deleted what was not there");
    if (p->status == STATUS_NOT_FOUND && w && w->op == OP_SET &&
        !maybe(k, p, OP_DELETE))
        return wrong(k->h, p, "did not find what it was to delete");
    return NULL;
}

static const char *check_op(const struct checking *k, const struct past *p)
{
    if (p->op != OP_GET)
        return done(p) ? check_write(k, p) : NULL;
    if (!linearizable_read(p))
        return NULL;
    if (p->status == STATUS_OK && p->version < floor_of(k, p))
        return wrong(k->h, p, "a read went back");
    if (p->status == STATUS_NOT_FOUND && !may_be_absent(k, p))
        return wrong(k->h, p, "a read missed what must be there");
    return NULL;
}

static const char *check_key(struct checking *k)
{
    const char *error = NULL;

    k->n_writes = 0;
    for (size_t i = 0; i < k->n; i++)
        if (changed(k->of[i]))
            k->writes[k->n_writes++] = k->of[i];
    qsort(k->writes, k->n_writes, sizeof *k->writes, by_version);
    for (size_t i = 1; i < k->n_writes; i++)
        if (k->writes[i]->version == k->writes[i - 1]->version)
            return wrong(k->h, k->writes[i], "two writes have one version");
    for (size_t i = 0; i < k->n && !error; i++)
        error = check_op(k, k->of[i]);
    return error;
}

const char *history_check(struct history *h)
{
    struct checking k = {.h = h};
    const char *error = bind_all(h);
    unsigned keys = 0;

    for (size_t i = 0; i < h->n; i++)
        keys = MAX_OF(keys, h->v[i].key + 1);
    k.of = xcalloc(h->n + 1, sizeof *k.of);
    k.writes = xcalloc(h->n + 1, sizeof *k.writes);
    for (unsigned key = 0; key < keys && !error; key++) {
        k.n = 0;
        for (size_t i = 0; i < h->n; i++)
            if (h->v[i].key == key)
                k.of[k.n++] = &h->v[i];
        error = check_key(&k);
    }
    free(k.of);
    free(k.writes);
    return error;
}
