/* registers.c - see registers.h. */
#include "tests/check/registers.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

/* All operations of one value. Times are shifted by one: 0 is before all. */
struct cluster {
    const struct check_operation *write;       /* NULL: the key's first state */
    const struct check_operation *first, *last; /* that returned, was called */
    uint64_t value, first_return, last_call;
};

static int by_value(const void *a, const void *b)
{
    const struct cluster *x = a, *y = b;

    return x->value < y->value ? -1 : x->value > y->value;
}

static int by_first_return(const void *a, const void *b)
{
    const struct cluster *x = a, *y = b;

    return x->first_return < y->first_return
               ? -1
               : x->first_return > y->first_return;
}

static uint64_t shifted(uint64_t time)
{
    return time == CHECK_NEVER ? time : time + 1;
}

/* One cluster per write and one for the first state, by value; the number. */
static size_t clusters_of(const struct check_operation *const *ops, size_t n,
                          struct cluster *all)
{
    size_t count = 0;

    all[count++] = (struct cluster){.value = CHECK_ABSENT};
    for (size_t i = 0; i < n; i++)
        if (ops[i]->kind == CHECK_SET)
            all[count++] = (struct cluster){
                .write = ops[i],
                .first = ops[i],
                .last = ops[i],
                .value = ops[i]->value,
                .first_return = shifted(ops[i]->returned),
                .last_call = shifted(ops[i]->called),
            };
    qsort(all, count, sizeof *all, by_value);
    return count;
}

bool check_registers_apply(const struct check_operation *const *ops, size_t n)
{
    struct cluster *all;
    bool unique = true;
    size_t count;

    for (size_t i = 0; i < n; i++)
        if (ops[i]->kind != CHECK_GET && ops[i]->kind != CHECK_SET)
            return false;
    all = xcalloc(n + 1, sizeof *all);
    count = clusters_of(ops, n, all);
    for (size_t i = 1; i < count; i++)
        unique = unique && all[i].value != all[i - 1].value;
    free(all);
    return unique;
}

static enum check_verdict wrong(struct check_report *report, const char *what,
                                const struct check_operation *a,
                                const struct check_operation *b)
{
    char one[160] = "", two[160] = "";

    if (a)
        check_operation_text(a, one, sizeof one);
    if (b)
        check_operation_text(b, two, sizeof two);
    snprintf(report->text, sizeof report->text, "registers: %s: %s; %s", what,
             one, two);
    return CHECK_VIOLATION;
}

/* Add what a read saw to its cluster. */
static enum check_verdict add_read(struct cluster *all, size_t count,
                                   const struct check_operation *read,
                                   struct check_report *report)
{
    struct cluster *c = bsearch(&(struct cluster){.value = read->seen}, all,
                                count, sizeof *all, by_value);

    if (!c)
        return wrong(report, "read what nobody wrote", read, NULL);
    if (c->write && read->returned < c->write->called)
        return wrong(report, "read before it was written", read, c->write);
    if (c->write && shifted(read->returned) < c->first_return) {
        c->first_return = shifted(read->returned);
        c->first = read;
    }
    if (shifted(read->called) > c->last_call) {
        c->last_call = shifted(read->called);
        c->last = read;
    }
    return CHECK_LINEARIZABLE;
}

/* A write that may never have happened, and that nobody saw. */
static bool unseen(const struct cluster *c)
{
    return c->first_return == CHECK_NEVER;
}

static bool forward(const struct cluster *c)
{
    return c->first_return < c->last_call;
}

static enum check_verdict conflict(struct check_report *report,
                                   const struct cluster *a,
                                   const struct cluster *b)
{
    return wrong(report,
                 "two values were there at once, or one came back: the later "
                 "calls of both",
                 a->last, b->last);
}

/* Forward zones do not overlap; then, sorted, they are also sorted by end. */
static enum check_verdict zones(const struct cluster *zone, size_t n,
                                const struct cluster *all, size_t count,
                                struct check_report *report)
{
    for (size_t i = 1; i < n; i++)
        if (zone[i].first_return < zone[i - 1].last_call)
            return conflict(report, &zone[i - 1], &zone[i]);
    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = n;
        if (forward(&all[i]) || unseen(&all[i]))
            continue;
        while (low < high) { /* how many begin before this one's last call */
            size_t middle = (low + high) / 2;
            if (zone[middle].first_return < all[i].last_call)
                low = middle + 1;
            else
                high = middle;
        }
        if (low && all[i].first_return < zone[low - 1].last_call)
            return conflict(report, &zone[low - 1], &all[i]);
    }
    return CHECK_LINEARIZABLE;
}

enum check_verdict check_registers(const struct check_operation *const *ops,
                                   size_t n, struct check_report *report)
{
    struct cluster *all = xcalloc(n + 1, sizeof *all);
    struct cluster *zone = xcalloc(n + 1, sizeof *zone);
    size_t count = clusters_of(ops, n, all), n_zones = 0;
    enum check_verdict verdict = CHECK_LINEARIZABLE;

    for (size_t i = 0; i < n && !verdict; i++)
        if (ops[i]->kind == CHECK_GET && ops[i]->outcome == CHECK_YES &&
            ops[i]->seen != CHECK_UNSEEN)
            verdict = add_read(all, count, ops[i], report);
    if (!verdict) {
        for (size_t i = 0; i < count; i++)
            if (forward(&all[i]))
                zone[n_zones++] = all[i];
        qsort(zone, n_zones, sizeof *zone, by_first_return);
        verdict = zones(zone, n_zones, all, count, report);
    }
    free(zone);
    free(all);
    return verdict;
}
