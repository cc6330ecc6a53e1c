/* history.c - the list of operations, and the verdict over all keys. */
#include "tests/check/history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/check/registers.h"
#include "tests/check/wing_gong.h"
#include "tests/check/witness.h"

enum { CONFIGURATIONS_DEFAULT = 2000000 };

void check_history_release(struct check_history *h)
{
    free(h->v);
    *h = (struct check_history){0};
}

size_t check_history_add(struct check_history *h,
                         const struct check_operation *op)
{
    assert(op->kind < CHECK_KINDS);
    assert(op->called <= op->returned);
    if (h->n == h->capacity) {
        h->capacity = h->capacity ? 2 * h->capacity : 256;
        h->v = xrealloc(h->v, h->capacity * sizeof *h->v);
    }
    h->v[h->n] = *op;
    return h->n++;
}

/* ---- words ---- */

static void value_text(uint64_t value, char out[24])
{
    if (value == CHECK_ABSENT)
        snprintf(out, 24, "absent");
    else if (value == CHECK_PRESENT)
        snprintf(out, 24, "present");
    else if (value == CHECK_UNSEEN)
        snprintf(out, 24, "?");
    else
        snprintf(out, 24, "%" PRIu64, value);
}

void check_operation_text(const struct check_operation *op, char *text,
                          size_t size)
{
    static const char *const kinds[] = {"get", "set", "delete",
                                        "add", "cas", "swap"};
    static const char *const outcomes[] = {"yes", "no", "either", "unknown"};
    char value[24], expect[24], seen[24], returned[24], place[64] = "";

    value_text(op->value, value);
    value_text(op->expect, expect);
    value_text(op->seen, seen);
    snprintf(returned, sizeof returned, "%" PRIu64, op->returned);
    if (op->index)
        snprintf(place, sizeof place,
                 " at group %" PRIu32 " index %" PRIu64 ".%" PRId32, op->group,
                 op->index, (int32_t)op->position);
    snprintf(text, size,
             "%s key %" PRIu32 " by %" PRIu32 " [%" PRIu64 ",%s] value %s "
             "expect %s seen %s: %s%s",
             kinds[op->kind], op->key, op->process, op->called,
             op->returned == CHECK_NEVER ? "never" : returned,
             op->kind == CHECK_GET || op->kind == CHECK_DELETE ? "-" : value,
             op->kind == CHECK_CAS ? expect : "-", seen,
             outcomes[op->outcome], place);
}

/* ---- the verdict ---- */

static int by_key_and_call(const void *a, const void *b)
{
    const struct check_operation *x =
        *(const struct check_operation *const *)a;
    const struct check_operation *y =
        *(const struct check_operation *const *)b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->called != y->called)
        return x->called < y->called ? -1 : 1;
    return x < y ? -1 : x > y;
}

static enum check_verdict one_key(const struct check_operation *const *ops,
                                  size_t n, size_t configurations_max,
                                  struct check_report *report)
{
    report->keys++;
    if (check_registers_apply(ops, n)) {
        report->by_registers++;
        return check_registers(ops, n, report);
    }
    report->by_wing_gong++;
    return check_wing_gong(ops, n, configurations_max, report);
}

static enum check_verdict by_time(const struct check_history *h,
                                  size_t configurations_max,
                                  struct check_report *report)
{
    const struct check_operation **ops = xcalloc(h->n, sizeof *ops);
    enum check_verdict verdict = CHECK_LINEARIZABLE;

    for (size_t i = 0; i < h->n; i++)
        ops[i] = &h->v[i];
    qsort(ops, h->n, sizeof *ops, by_key_and_call);
    for (size_t from = 0, to; from < h->n && !verdict; from = to) {
        to = from + 1;
        while (to < h->n && ops[to]->key == ops[from]->key)
            to++;
        verdict = one_key(ops + from, to - from, configurations_max, report);
        if (verdict)
            report->key = ops[from]->key;
    }
    free(ops);
    return verdict;
}

enum check_verdict check_history_verify(const struct check_history *h,
                                        const struct check_limits *limits,
                                        struct check_report *report)
{
    unsigned checks = limits && limits->checks ? limits->checks : ~0u;
    size_t max = limits && limits->configurations_max
                     ? limits->configurations_max
                     : CONFIGURATIONS_DEFAULT;

    *report = (struct check_report){.verdict = CHECK_LINEARIZABLE};
    if (checks & CHECK_BY_WITNESS)
        report->verdict = check_witness(h, report);
    if (report->verdict == CHECK_LINEARIZABLE && checks & CHECK_BY_TIME)
        report->verdict = by_time(h, max, report);
    return report->verdict;
}
