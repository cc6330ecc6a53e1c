/* wing_gong.c - see wing_gong.h. */
#include "tests/check/wing_gong.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/check/model.h"
#include "tests/check/seen_set.h"

/* Written by somebody, asked for or seen by nobody: all such are alike. */
#define NOISE (CHECK_ABSENT + 3)

/* Operations of unknown outcome that do the same, in the order of calls. */
struct class {
    size_t from, to; /* in `maybe` */
};

/* Where the search can go on: offsets into the set of what was met. */
struct place {
    size_t item, used;
};

/* Places to go on from, the last one first. */
struct stack {
    struct place *v;
    size_t n, capacity;
};

struct search {
    struct check_operation *known; /* these must be ordered; by call */
    struct check_operation *maybe; /* these may be; by class, then call */
    struct class *classes;
    size_t n_known, n_maybe, n_classes;

    /* The configuration that is being looked at. */
    bool *done;     /* of `known` */
    uint32_t *used; /* of each class */
    size_t first;   /* of `known` that is not done; what is before it is */
    size_t high;    /* nothing is done from here on */
    size_t n_done;
    uint64_t state;
    size_t *trail; /* of `known`, what was done since it was loaded */
    size_t n_trail;

    struct seen_set seen;
    struct stack now, next; /* with as few used as now; with one more */
    struct buf bytes;

    /* How far it ever came, to tell where it is stuck. */
    size_t far_done, far_first;
    uint64_t far_state;
};

/* ---- preparing ---- */

static int by_call(const void *a, const void *b)
{
    const struct check_operation *x = a, *y = b;

    return x->called < y->called ? -1 : x->called > y->called;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_class(const struct check_operation *x,
                         const struct check_operation *y)
{
    int rv = compare(x->kind, y->kind);

    rv = rv ? rv : compare(x->value, y->value);
    return rv ? rv : compare(x->expect, y->expect);
}

static int by_class(const void *a, const void *b)
{
    int rv = compare_class(a, b);

    return rv ? rv : by_call(a, b);
}

static int by_number(const void *a, const void *b)
{
    return compare(*(const uint64_t *)a, *(const uint64_t *)b);
}

static bool contains(const uint64_t *sorted, size_t n, uint64_t value)
{
    return bsearch(&value, sorted, n, sizeof value, by_number) != NULL;
}

/* Values that nobody mentions but who wrote them become one. */
static void forget_noise(struct check_operation *v, size_t n)
{
    uint64_t *mentioned = xcalloc(2 * n, sizeof *mentioned);
    size_t count = 0;
    bool counter = false;

    for (size_t i = 0; i < n; i++) {
        counter = counter || v[i].kind == CHECK_ADD;
        if (v[i].kind == CHECK_CAS)
            mentioned[count++] = v[i].expect;
        mentioned[count++] = v[i].seen;
    }
    qsort(mentioned, count, sizeof *mentioned, by_number);
    for (size_t i = 0; i < n && !counter; i++) {
        bool writes = v[i].kind == CHECK_SET || v[i].kind == CHECK_SWAP ||
                      v[i].kind == CHECK_CAS;
        if (writes && v[i].value != CHECK_ABSENT &&
            !contains(mentioned, count, v[i].value))
            v[i].value = NOISE;
    }
    free(mentioned);
}

/* The earliest return of an operation that saw this value; CHECK_NEVER. */
static uint64_t first_sight(const struct check_operation *v, size_t n,
                            uint64_t value)
{
    uint64_t first = CHECK_NEVER;

    for (size_t i = 0; i < n; i++) {
        bool saw = (v[i].kind == CHECK_GET || v[i].kind == CHECK_SWAP) &&
                   v[i].outcome == CHECK_YES && v[i].seen == value;
        bool met = v[i].kind == CHECK_CAS && v[i].outcome == CHECK_YES &&
                   v[i].expect == value;
        if (saw || met)
            first = MIN_OF(first, v[i].returned);
    }
    return first;
}

/* How many operations may leave this value behind. */
static size_t writers(const struct check_operation *v, size_t n,
                      uint64_t value)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == CHECK_ADD)
            return 2; /* any of them may */
        count += v[i].kind != CHECK_GET && v[i].kind != CHECK_DELETE &&
                 v[i].value == value;
    }
    return count;
}

/* A write of unknown outcome whose value was seen did happen, before that. */
static void bind_seen(struct check_operation *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t sight;
        if (v[i].outcome != CHECK_UNKNOWN || v[i].kind == CHECK_GET ||
            v[i].kind == CHECK_DELETE || v[i].value == NOISE ||
            v[i].value == CHECK_ABSENT || writers(v, n, v[i].value) != 1)
            continue;
        sight = first_sight(v, n, v[i].value);
        if (sight == CHECK_NEVER)
            continue;
        /* Seen before it was called: stays impossible. */
        v[i].returned = MAX_OF(sight, v[i].called);
        v[i].outcome = v[i].kind == CHECK_CAS ? CHECK_YES : CHECK_EITHER;
        v[i].seen = CHECK_UNSEEN;
    }
}

static void classify(struct search *s)
{
    qsort(s->maybe, s->n_maybe, sizeof *s->maybe, by_class);
    for (size_t i = 0; i < s->n_maybe; i++) {
        if (!i || compare_class(&s->maybe[i - 1], &s->maybe[i]))
            s->classes[s->n_classes++] = (struct class){i, i};
        s->classes[s->n_classes - 1].to = i + 1;
    }
}

static void search_init(struct search *s,
                        const struct check_operation *const *ops, size_t n)
{
    struct check_operation *all = xcalloc(n, sizeof *all);

    *s = (struct search){.known = xcalloc(n, sizeof *s->known),
                         .maybe = xcalloc(n, sizeof *s->maybe),
                         .classes = xcalloc(n, sizeof *s->classes),
                         .done = xcalloc(n, sizeof *s->done),
                         .used = xcalloc(n, sizeof *s->used),
                         .trail = xcalloc(n, sizeof *s->trail),
                         .state = CHECK_ABSENT,
                         .far_state = CHECK_ABSENT};
    for (size_t i = 0; i < n; i++)
        all[i] = *ops[i];
    forget_noise(all, n);
    bind_seen(all, n);
    for (size_t i = 0; i < n; i++) {
        if (all[i].outcome != CHECK_UNKNOWN)
            s->known[s->n_known++] = all[i];
        else if (check_model_writes(&all[i]))
            s->maybe[s->n_maybe++] = all[i];
    }
    qsort(s->known, s->n_known, sizeof *s->known, by_call);
    classify(s);
    free(all);
}

static void search_release(struct search *s)
{
    seen_set_release(&s->seen);
    buf_release(&s->bytes);
    free(s->known);
    free(s->maybe);
    free(s->classes);
    free(s->done);
    free(s->now.v);
    free(s->next.v);
    free(s->used);
    free(s->trail);
}

/* ---- searching ---- */

/* Known operations from `first` on that may come next are those called by this
 * time: the earliest return of what is not done. */
static uint64_t horizon(const struct search *s)
{
    uint64_t time = CHECK_NEVER;

    for (size_t i = s->first; i < s->n_known && s->known[i].called <= time;
         i++)
        if (!s->done[i])
            time = MIN_OF(time, s->known[i].returned);
    return time;
}

static void set_done(struct search *s, size_t i)
{
    s->done[i] = true;
    s->n_done++;
    s->high = MAX_OF(s->high, i + 1);
}

static void push(struct stack *stack, struct place place)
{
    if (stack->n == stack->capacity) {
        stack->capacity = stack->capacity ? 2 * stack->capacity : 64;
        stack->v = xrealloc(stack->v, stack->capacity * sizeof *stack->v);
    }
    stack->v[stack->n++] = place;
}

/* The configuration as it is now is one to go on from, unless it was met. */
static void remember(struct search *s, struct stack *stack)
{
    size_t seen = s->first, last = s->first, bytes;
    struct place place;
    uint8_t *bits;

    for (size_t i = s->first; seen < s->n_done; i++) {
        assert(i < s->n_known);
        if (s->done[i]) {
            last = i + 1;
            seen++;
        }
    }
    bytes = (last - s->first + 7) / 8;
    buf_clear(&s->bytes);
    buf_u64(&s->bytes, s->first);
    buf_u64(&s->bytes, s->state);
    bits = buf_grow(&s->bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        bits[i] = 0;
    for (size_t i = s->first; i < last; i++)
        if (s->done[i])
            bits[(i - s->first) / 8] |= (uint8_t)(1 << (i - s->first) % 8);
    if (seen_set_add(&s->seen, buf_slice(&s->bytes), s->used, s->n_classes,
                     &place.item, &place.used))
        push(stack, place);
}

/* Look at the configuration of a place. */
static void load(struct search *s, struct place place)
{
    struct reader r = reader_of(seen_set_item(&s->seen, place.item));

    s->n_done = s->first = reader_u64(&r);
    for (size_t i = s->first; i < s->high; i++)
        s->done[i] = false;
    s->high = s->first;
    s->state = reader_u64(&r);
    for (size_t at = s->first; reader_left(&r); at += 8) {
        uint8_t bits = reader_u8(&r);
        for (size_t i = 0; i < 8; i++)
            if (bits & 1u << i) {
                set_done(s, at + i);
            }
    }
    seen_set_used(&s->seen, place.used, s->used, s->n_classes);
    if (s->n_done >= s->far_done) {
        s->far_done = s->n_done;
        s->far_first = s->first;
        s->far_state = s->state;
    }
}

/* Until undo_all(). */
static void set_done_logged(struct search *s, size_t i)
{
    s->trail[s->n_trail++] = i;
    set_done(s, i);
    while (s->first < s->n_known && s->done[s->first])
        s->first++;
}

/* Take all that can never change anything and fit. (A write that changes
 * nothing now may be needed later.) */
static void take_silent(struct search *s)
{
    uint64_t time = horizon(s), next;

    for (size_t i = s->first; i < s->n_known && s->known[i].called <= time;
         i++) {
        if (s->done[i] || check_model_writes(&s->known[i]) ||
            !check_model_step(&s->known[i], s->state, &next))
            continue;
        set_done_logged(s, i);
        time = horizon(s);
        i = s->first - 1; /* more may have come within reach */
    }
}

static void undo_all(struct search *s, size_t first, uint64_t state)
{
    while (s->n_trail) {
        s->done[s->trail[--s->n_trail]] = false;
        s->n_done--;
    }
    s->first = first;
    s->state = state;
}

static void try_classes(struct search *s, uint64_t time, struct stack *to)
{
    uint64_t before = s->state;
    size_t first = s->first;

    for (size_t i = 0; i < s->n_classes; i++) {
        const struct class *c = &s->classes[i];
        size_t at = c->from + s->used[i];
        if (at == c->to || s->maybe[at].called > time ||
            !check_model_step(&s->maybe[at], before, &s->state) ||
            s->state == before) {
            s->state = before;
            continue;
        }
        s->used[i]++;
        take_silent(s);
        remember(s, to);
        undo_all(s, first, before);
        s->used[i]--;
    }
}

/* The one called first shall be gone on with first. */
static void try_known(struct search *s, uint64_t time)
{
    uint64_t before = s->state, next;
    size_t first = s->first, last = first;

    while (last < s->n_known && s->known[last].called <= time)
        last++;
    for (size_t i = last; i-- > first;) {
        if (s->done[i] || !check_model_step(&s->known[i], before, &next))
            continue;
        s->state = next;
        set_done_logged(s, i);
        take_silent(s);
        remember(s, &s->now);
        undo_all(s, first, before);
    }
}

/* Search until the set holds `configurations_max`. Depth first goes on with
 * whatever fits, which is quick where an order exists; otherwise those that
 * used least come first, which is quick where none does. */
static enum check_verdict run(struct search *s, size_t configurations_max,
                              bool depth_first)
{
    take_silent(s);
    s->n_trail = 0;
    remember(s, &s->now);
    while (s->now.n || s->next.n) {
        uint64_t time;
        if (!s->now.n) {
            struct stack empty = s->now;
            s->now = s->next;
            s->next = empty;
        }
        load(s, s->now.v[--s->now.n]);
        if (s->n_done == s->n_known)
            return CHECK_LINEARIZABLE;
        if (s->seen.n >= configurations_max || seen_set_full(&s->seen))
            return CHECK_UNDECIDED;
        time = horizon(s);
        try_classes(s, time, depth_first ? &s->now : &s->next);
        try_known(s, time);
    }
    return CHECK_VIOLATION;
}

static void start_again(struct search *s)
{
    for (size_t i = 0; i < s->n_known; i++)
        s->done[i] = false;
    for (size_t i = 0; i < s->n_classes; i++)
        s->used[i] = 0;
    s->first = s->high = s->n_done = s->now.n = s->next.n = 0;
    s->state = CHECK_ABSENT;
    seen_set_release(&s->seen);
}

static void explain(const struct search *s, enum check_verdict verdict,
                    struct check_report *report)
{
    const struct check_operation *op =
        &s->known[MIN_OF(s->far_first, s->n_known - 1)];
    char text[160], state[24] = "nothing";

    if (s->far_state == NOISE)
        snprintf(state, sizeof state, "some value");
    else if (s->far_state != CHECK_ABSENT)
        snprintf(state, sizeof state, "%" PRIu64, s->far_state);
    check_operation_text(op, text, sizeof text);
    snprintf(report->text, sizeof report->text,
             "wing_gong: %s: at most %zu of %zu operations fit, then the key "
             "holds %s and among others this one is left: %s",
             verdict == CHECK_UNDECIDED ? "undecided" : "no order fits",
             s->far_done, s->n_known, state, text);
}

enum check_verdict check_wing_gong(const struct check_operation *const *ops,
                                   size_t n, size_t configurations_max,
                                   struct check_report *report)
{
    struct search s;
    enum check_verdict verdict;

    search_init(&s, ops, n);
    verdict = run(&s, MAX_OF(configurations_max / 8, 1), true);
    if (verdict == CHECK_UNDECIDED) {
        start_again(&s);
        verdict = run(&s, configurations_max, false);
    }
    if (verdict)
        explain(&s, verdict, report);
    report->configurations = MAX_OF(report->configurations, s.seen.n);
    search_release(&s);
    return verdict;
}
