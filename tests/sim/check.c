/* check.c - see check.h. */
#include "tests/sim/check.h"

#include <stdio.h>

static bool translate(const struct past *p, struct check_operation *out)
{
    bool ok = p->state == PAST_ANSWERED &&
              (p->status == STATUS_OK || p->status == STATUS_NOT_FOUND);
    bool found = p->status == STATUS_OK;

    *out = (struct check_operation){
        .called = p->invoked,
        .returned = ok ? p->returned : CHECK_NEVER,
        .process = (uint32_t)p->conn,
        .key = p->key,
        .outcome = ok ? CHECK_YES : CHECK_UNKNOWN,
    };
    if (!ok && (p->op == OP_GET || (p->state == PAST_ANSWERED &&
                                    status_retry(p->status) != RETRY_UNSAFE)))
        return false; /* a read without an answer, or what never happened */
    switch (p->op) {
    case OP_GET:
        out->kind = CHECK_GET;
        out->seen = found ? p->value : CHECK_ABSENT;
        return p->mode == READ_LINEARIZABLE;
    case OP_SET:
        out->kind = CHECK_SET;
        out->value = p->value;
        return true;
    case OP_DELETE:
        out->kind = CHECK_DELETE;
        if (ok)
            out->outcome = found ? CHECK_YES : CHECK_NO;
        return true;
    default:
        return false;
    }
}

const char *check_again(const struct history *h)
{
    static struct check_report report;
    static char text[512];
    const struct check_limits limits = {.checks = CHECK_BY_TIME};
    struct check_history other = {.places = CHECK_PLACES_VERSION};
    enum check_verdict verdict;

    for (size_t i = 0; i < h->n; i++) {
        struct check_operation op;
        if (translate(&h->v[i], &op))
            check_history_add(&other, &op);
    }
    verdict = check_history_verify(&other, &limits, &report);
    check_history_release(&other);
    if (verdict == CHECK_LINEARIZABLE)
        return NULL;
    snprintf(text, sizeof text, "%s by time: key %u: %s",
             verdict == CHECK_UNDECIDED ? "undecided" : "not linearizable",
             report.key, report.text);
    return text;
}
