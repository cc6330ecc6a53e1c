/* witness.c - see witness.h. */
#include "tests/check/witness.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/check/model.h"

struct witness {
    const struct check_operation **placed;   /* sorted as is needed */
    const struct check_operation **unplaced; /* writes, by key */
    bool *used;                              /* of `unplaced` */
    size_t n_placed, n_unplaced;
    struct check_report *report;
};

static enum check_verdict wrong(struct witness *w, const char *what,
                                const struct check_operation *a,
                                const struct check_operation *b)
{
    char one[160], two[160] = "";

    check_operation_text(a, one, sizeof one);
    if (b)
        check_operation_text(b, two, sizeof two);
    snprintf(w->report->text, sizeof w->report->text, "witness: %s: %s; %s",
             what, one, two);
    w->report->key = a->key;
    return CHECK_VIOLATION;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_place(const struct check_operation *x,
                    const struct check_operation *y)
{
    int rv = compare(x->index, y->index);

    return rv ? rv : compare(x->position, y->position);
}

/* All of a group; what shares a place is told apart only to be stable. */
static int by_group(const void *a, const void *b)
{
    const struct check_operation *x =
        *(const struct check_operation *const *)a;
    const struct check_operation *y =
        *(const struct check_operation *const *)b;
    int rv = compare(x->group, y->group);

    rv = rv ? rv : by_place(x, y);
    return rv ? rv : compare((uintptr_t)x, (uintptr_t)y);
}

static int by_key(const void *a, const void *b)
{
    const struct check_operation *x =
        *(const struct check_operation *const *)a;
    const struct check_operation *y =
        *(const struct check_operation *const *)b;
    int rv = compare(x->key, y->key);

    rv = rv ? rv : by_place(x, y);
    return rv ? rv : compare((uintptr_t)x, (uintptr_t)y);
}

/* ---- nobody stands behind what was called after he had returned ---- */

static bool same_order(const struct check_history *h,
                       const struct check_operation *a,
                       const struct check_operation *b)
{
    return h->places == CHECK_PLACES_VERSION ? a->key == b->key
                                             : a->group == b->group;
}

static enum check_verdict real_time(struct witness *w,
                                    const struct check_history *h)
{
    const struct check_operation *latest = NULL; /* called, before `from` */
    const struct check_operation **v = w->placed;

    for (size_t from = 0, to; from < w->n_placed; from = to) {
        if (from && !same_order(h, v[from], v[from - 1]))
            latest = NULL;
        to = from;
        do {
            if (latest && v[to]->returned < latest->called)
                return wrong(w, "it stands behind one that was called after "
                                "it had returned", v[to], latest);
            to++;
        } while (to < w->n_placed && same_order(h, v[to], v[from]) &&
                 by_place(v[to], v[from]) == 0);
        for (size_t i = from; i < to; i++)
            if (!latest || v[i]->called > latest->called)
                latest = v[i];
    }
    return CHECK_LINEARIZABLE;
}

/* ---- each key, replayed ---- */

/* Could `cause`, whose place nobody knows, have come right before `op`, which
 * nothing else explains? If so the key held `*state` in between. */
static bool explains(const struct check_operation *cause,
                     const struct check_operation *op, uint64_t *state)
{
    uint64_t between = cause->kind == CHECK_DELETE ? CHECK_ABSENT
                                                   : cause->value;
    uint64_t next;

    if (cause->called > op->returned || !check_model_step(op, between, &next))
        return false;
    *state = between;
    return true;
}

static bool explained(struct witness *w, size_t from, size_t to,
                      const struct check_operation *op, uint64_t *state)
{
    for (size_t i = from; i < to; i++)
        if (!w->used[i] && explains(w->unplaced[i], op, state)) {
            w->used[i] = true;
            return true;
        }
    return false;
}

static enum check_verdict replay(struct witness *w, size_t from, size_t to,
                                 size_t first, size_t last)
{
    uint64_t state = CHECK_ABSENT, next;

    /* What a counter without places added cannot be told from one result. */
    for (size_t i = first; i < last; i++)
        if (w->unplaced[i]->kind == CHECK_ADD)
            return CHECK_LINEARIZABLE;
    for (size_t i = from; i < to; i++) {
        const struct check_operation *op = w->placed[i];
        bool writes = check_model_writes(op);
        if (i > from && writes && by_place(op, w->placed[i - 1]) == 0 &&
            check_model_writes(w->placed[i - 1]))
            return wrong(w, "two writes at one place", op, w->placed[i - 1]);
        if (!check_model_step(op, state, &next) &&
            (!explained(w, first, last, op, &state) ||
             !check_model_step(op, state, &next)))
            return wrong(w, "does not follow from what stands before it", op,
                         i > from ? w->placed[i - 1] : NULL);
        state = next;
    }
    return CHECK_LINEARIZABLE;
}

static enum check_verdict replay_all(struct witness *w)
{
    enum check_verdict verdict = CHECK_LINEARIZABLE;
    size_t first = 0, last = 0;

    for (size_t from = 0, to; from < w->n_placed && !verdict; from = to) {
        uint32_t key = w->placed[from]->key;
        for (to = from; to < w->n_placed && w->placed[to]->key == key;)
            to++;
        while (first < w->n_unplaced && w->unplaced[first]->key < key)
            first++;
        for (last = first;
             last < w->n_unplaced && w->unplaced[last]->key == key;)
            last++;
        verdict = replay(w, from, to, first, last);
    }
    return verdict;
}

enum check_verdict check_witness(const struct check_history *h,
                                 struct check_report *report)
{
    struct witness w = {.placed = xcalloc(h->n, sizeof *w.placed),
                        .unplaced = xcalloc(h->n, sizeof *w.unplaced),
                        .report = report};
    enum check_verdict verdict;

    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].index)
            w.placed[w.n_placed++] = &h->v[i];
        else if (check_model_writes(&h->v[i]))
            w.unplaced[w.n_unplaced++] = &h->v[i];
    w.used = xcalloc(w.n_unplaced, sizeof *w.used);
    qsort(w.unplaced, w.n_unplaced, sizeof *w.unplaced, by_key);
    qsort(w.placed, w.n_placed, sizeof *w.placed,
          h->places == CHECK_PLACES_VERSION ? by_key : by_group);
    verdict = real_time(&w, h);
    if (!verdict) {
        qsort(w.placed, w.n_placed, sizeof *w.placed, by_key);
        verdict = replay_all(&w);
    }
    free(w.used);
    free(w.unplaced);
    free(w.placed);
    return verdict;
}
