/* model.c - see model.h. */
#include "tests/check/model.h"

#include <assert.h>

/* What the caller was told about whether it happened fits `happened`. */
static bool told(const struct check_operation *op, bool happened)
{
    if (op->outcome == CHECK_YES)
        return happened;
    if (op->outcome == CHECK_NO)
        return !happened;
    return true;
}

/* What the caller saw fits `value`; nobody saw what an unknown one gave. */
static bool saw(const struct check_operation *op, uint64_t value)
{
    return op->outcome == CHECK_UNKNOWN || op->outcome == CHECK_EITHER ||
           op->seen == CHECK_UNSEEN || op->seen == value;
}

static bool cas(const struct check_operation *op, uint64_t state,
                uint64_t *next)
{
    bool met = op->expect == CHECK_PRESENT ? state != CHECK_ABSENT
                                           : state == op->expect;

    *next = met ? op->value : state;
    return told(op, met) && (met || saw(op, state));
}

bool check_model_step(const struct check_operation *op, uint64_t state,
                      uint64_t *next)
{
    *next = state;
    switch ((enum check_kind)op->kind) {
    case CHECK_GET:
        return saw(op, state);
    case CHECK_SET:
        *next = op->value;
        return true;
    case CHECK_DELETE:
        *next = CHECK_ABSENT;
        return told(op, state != CHECK_ABSENT);
    case CHECK_ADD:
        *next = (state == CHECK_ABSENT ? 0 : state) + op->value;
        return saw(op, *next);
    case CHECK_CAS:
        return cas(op, state, next);
    case CHECK_SWAP:
        *next = op->value;
        return saw(op, state);
    case CHECK_KINDS:
        break;
    }
    assert(!"a kind outside the list");
    return false;
}

bool check_model_writes(const struct check_operation *op)
{
    if (op->kind == CHECK_GET)
        return false;
    if (op->kind == CHECK_DELETE || op->kind == CHECK_CAS)
        return op->outcome != CHECK_NO;
    return true;
}
