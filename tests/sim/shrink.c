/* shrink.c - see shrink.h. */
#include "tests/sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smaller_release(struct smaller *s)
{
    free(s->skip);
    *s = (struct smaller){0};
}

static void skip_one(struct smaller *s, unsigned number, bool skip)
{
    if (number >= s->n_skip) {
        s->skip = xrealloc(s->skip, number + 1);
        memset(s->skip + s->n_skip, 0, number + 1 - s->n_skip);
        s->n_skip = number + 1;
    }
    s->skip[number] = skip;
}

bool smaller_skip(struct smaller *s, const char *list)
{
    while (*list) {
        char *end;
        unsigned long from = strtoul(list, &end, 10), to = from;
        if (end == list)
            return false;
        if (*end == '-')
            to = strtoul(end + 1, &end, 10);
        if (from > to || to >= FAULTS_MAX || (*end && *end != ','))
            return false;
        for (; from <= to; from++)
            skip_one(s, (unsigned)from, true);
        list = *end ? end + 1 : end;
    }
    return true;
}

void smaller_apply(const struct smaller *s, struct course *x)
{
    x->skip = s->skip;
    x->n_skip = s->n_skip;
    if (s->nodes) {
        x->o.nodes = s->nodes;
        x->o.replicas = MIN_OF(x->o.replicas, s->nodes >= 3 ? 3u : 1u);
        x->o.victims = MIN_OF(x->o.victims, (x->o.replicas - 1) / 2);
    }
    if (s->groups)
        x->o.groups = s->groups;
    if (s->rounds)
        x->rounds = s->rounds;
    if (s->clients)
        x->clients = MIN_OF(s->clients, (unsigned)CLIENTS_MAX);
    if (s->callers)
        x->callers = MIN_OF(s->callers - 1, (unsigned)CALLERS_MAX);
    for (unsigned i = 0; i < ROW_KINDS; i++)
        if (s->without >> i & 1)
            x->askers[i] = 0;
    if (s->operations)
        x->operations_max = s->operations;
}

static size_t put(char *out, size_t size, size_t at, const char *text)
{
    size_t n = strlen(text);

    if (at + n + 1 > size)
        return at;
    memcpy(out + at, text, n + 1);
    return at + n;
}

static size_t put_number(char *out, size_t size, size_t at, const char *name,
                         uint64_t n)
{
    char text[64];

    snprintf(text, sizeof text, " --%s %" PRIu64, name, n);
    return put(out, size, at, text);
}

void smaller_command(const struct smaller *s, uint64_t seed, char *out,
                     size_t size)
{
    size_t at = put_number(out, size, 0, "seed", seed);
    const char *before = " --skip ";

    if (s->nodes)
        at = put_number(out, size, at, "nodes", s->nodes);
    if (s->groups)
        at = put_number(out, size, at, "groups", s->groups);
    if (s->rounds)
        at = put_number(out, size, at, "rounds", s->rounds);
    if (s->clients)
        at = put_number(out, size, at, "clients", s->clients);
    if (s->callers)
        at = put_number(out, size, at, "callers", s->callers);
    for (unsigned i = 0; i < ROW_KINDS; i++) {
        if (!(s->without >> i & 1))
            continue;
        at = put(out, size, at, " --without ");
        at = put(out, size, at, row_names[i]);
    }
    if (s->operations)
        at = put_number(out, size, at, "operations", s->operations);
    for (unsigned i = 0, to; i < s->n_skip; i = to + 1) {
        char text[32];
        to = i;
        if (!s->skip[i])
            continue;
        while (to + 1 < s->n_skip && s->skip[to + 1])
            to++;
        if (to == i)
            snprintf(text, sizeof text, "%s%u", before, i);
        else
            snprintf(text, sizeof text, "%s%u-%u", before, i, to);
        at = put(out, size, at, text);
        before = ",";
    }
}

/* ---- shrinking ---- */

struct shrinking {
    const struct course *x;
    struct smaller *s;
    struct attempt_options o;
    unsigned planned; /* faults of the failing run */
    unsigned runs;
};

static bool still_fails(struct shrinking *k)
{
    struct course x = *k->x;
    struct attempt a;

    smaller_apply(k->s, &x);
    a = attempt_run(&x, &k->o);
    k->runs++;
    if (a.failed && a.faults_planned)
        k->planned = a.faults_planned;
    return a.failed;
}

/* Leave out as many of the faults from .. to-1 as possible, halving. */
static void drop_faults(struct shrinking *k, unsigned from, unsigned to)
{
    unsigned middle = from + (to - from) / 2;
    uint8_t was[FAULTS_MAX];

    if (from >= to)
        return;
    for (unsigned i = from; i < to; i++) {
        was[i] = i < k->s->n_skip && k->s->skip[i];
        skip_one(k->s, i, true);
    }
    if (still_fails(k))
        return;
    for (unsigned i = from; i < to; i++)
        skip_one(k->s, i, was[i]);
    if (to - from == 1)
        return;
    drop_faults(k, from, middle);
    drop_faults(k, middle, to);
}

/* Set *what to the first of the values that still fails. */
static void first_that_fails(struct shrinking *k, unsigned *what,
                             unsigned from, unsigned to)
{
    unsigned was = *what;

    for (unsigned i = from; i < to; i++) {
        *what = i;
        if (still_fails(k))
            return;
    }
    *what = was;
}

static void fewer_rows(struct shrinking *k)
{
    for (unsigned i = 0; i < ROW_KINDS; i++) {
        k->s->without |= 1u << i;
        if (k->x->askers[i] && !still_fails(k))
            k->s->without &= ~(1u << i);
    }
}

static void fewer_operations(struct shrinking *k)
{
    uint64_t good = 0, bad = 20000;

    k->s->operations = bad;
    if (!still_fails(k)) {
        k->s->operations = 0;
        return;
    }
    while (bad - good > 1 + bad / 16) {
        k->s->operations = good + (bad - good) / 2;
        if (still_fails(k))
            bad = k->s->operations;
        else
            good = k->s->operations;
    }
    k->s->operations = bad;
}

static unsigned skipped(const struct smaller *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_skip; i++)
        n += s->skip[i];
    return n;
}

void shrink(const struct course *x, struct smaller *s,
            const struct attempt_options *o)
{
    struct shrinking k = {.x = x, .s = s, .o = *o, .planned = FAULTS_MAX};
    unsigned before;

    k.o.verbose = false;
    k.o.quiet = true;
    printf("shrinking ...\n");
    first_that_fails(&k, &s->rounds, 1, x->rounds);
    if (!still_fails(&k)) {
        printf("it does not fail again\n");
        return;
    }
    if (k.planned == FAULTS_MAX)
        k.planned = x->rounds * (x->storm_ms / x->every_ms + 8);
    before = k.planned;
    drop_faults(&k, 0, k.planned);
    if (x->o.nodes > 3)
        first_that_fails(&k, &s->nodes, 3, x->o.nodes);
    first_that_fails(&k, &s->groups, 1, x->o.groups);
    first_that_fails(&k, &s->callers, 1, x->callers + 1);
    first_that_fails(&k, &s->clients, 1, x->clients);
    fewer_rows(&k);
    fewer_operations(&k);
    printf("%u runs; of %u faults %u are needed\n", k.runs, before,
           before - MIN_OF(before, skipped(s)));
}
