/* row_bank.c - transfers between accounts of one hash tag. See rows.h.
 *
 * A transfer takes from one account, gives to the next and adds one to their
 * number, all in one transaction; some begin with compares, some fail on
 * purpose in their last operation and must leave nothing behind. Whoever looks
 * at all accounts at once finds that they add up to nothing. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdlib.h>

enum what { TRANSFER, COMPARED, BROKEN, LOOK };

struct banking {
    enum what what;
    uint64_t floor;
    uint64_t fails_at; /* place of what does, if it is BROKEN */
    uint64_t known; /* version of the first account when it was looked at */
    struct buf value;
};

struct bank {
    struct tally tally[CLUSTER_GROUPS_MAX];
    struct banking of[ASKERS_OF_ROW_MAX];
};

static void init(struct rows *r UNUSED, void *row UNUSED)
{
}

static struct slice account(const struct rows *r, uint32_t group, unsigned i)
{
    return rows_key(r, group, "bank%u", i);
}

static void add(struct banking *k, struct slice key, int64_t delta)
{
    struct operation o = {.op = OP_INCR, .key = key,
                          .argument = (uint64_t)delta};

    operation_encode(&o, &k->value);
}

static void add_transfer(struct asker *x, struct banking *k, uint32_t group)
{
    unsigned from = (unsigned)asker_below(x, BANK_ACCOUNTS);
    int64_t sum = 1 + (int64_t)asker_below(x, 50);

    add(k, account(x->of, group, from), -sum);
    add(k, account(x->of, group, (from + 1) % BANK_ACCOUNTS), sum);
    add(k, account(x->of, group, BANK_ACCOUNTS), 1);
}

static void add_look(struct asker *x, struct banking *k, uint32_t group)
{
    for (unsigned i = 0; i <= BANK_ACCOUNTS; i++) {
        struct operation o = {.op = OP_GET,
                              .key = account(x->of, group, i)};
        operation_encode(&o, &k->value);
    }
}

/* It is certain that this fails: the number is a text. */
static void add_failure(struct asker *x, struct banking *k, uint32_t group)
{
    struct slice key = rows_key(x->of, group, "bank text");
    struct operation o = {.op = OP_SET, .key = key,
                          .value = slice_str("no number")};

    operation_encode(&o, &k->value);
    add(k, key, 1);
}

static void add_compare(struct asker *x, struct banking *k, uint32_t group)
{
    struct compare c = {.what = COMPARE_VERSION, .relation = RELATION_EQUAL,
                        .key = account(x->of, group, 0),
                        .version = k->known};

    transaction_compare_encode(&k->value, &c);
}

static void next(struct asker *x)
{
    struct bank *s = x->row;
    struct banking *k = &s->of[x->number];
    uint32_t group = x->group && k->what == LOOK ? x->group : rows_group(x);
    struct operation o = {.op = OP_TRANSACT};
    bool twice = x->of->c->o.seed % 4 == 3; /* what is taken back */

    buf_clear(&k->value);
    k->what = (enum what)asker_below(x, 4);
    switch (k->what) {
    case TRANSFER:
        transaction_begin(&k->value, 0, 3, 0);
        add_transfer(x, k, group);
        break;
    case COMPARED:
        transaction_begin(&k->value, 1, 3, BANK_ACCOUNTS + 1);
        add_compare(x, k, group);
        add_transfer(x, k, group);
        add_look(x, k, group);
        break;
    case BROKEN:
        k->fails_at = twice ? 5 : 4;
        transaction_begin(&k->value, 0, (unsigned)k->fails_at + 1, 0);
        add_transfer(x, k, group);
        if (twice)
            add(k, account(x->of, group, BANK_ACCOUNTS), 1);
        add_failure(x, k, group);
        break;
    case LOOK:
        transaction_begin(&k->value, 0, BANK_ACCOUNTS + 1, 0);
        add_look(x, k, group);
        break;
    }
    o.key = account(x->of, group, 0);
    o.value = buf_slice(&k->value);
    k->floor = s->tally[group].heard;
    s->tally[group].begun += k->what == TRANSFER || k->what == COMPARED;
    asker_ask(x, group, &o);
}

/* ---- what comes back ---- */

static struct operation_reply one(struct asker *x, struct reader *in)
{
    struct operation_reply m;

    if (operation_reply_decode(reader_bytes(in, reader_u32(in)), &m) !=
        STATUS_OK)
        rows_fail(x, "a transaction's reply that cannot be read");
    return m;
}

static void saw_all(struct asker *x, struct banking *k, struct reader *in)
{
    struct bank *s = x->row;
    int64_t sum = 0;

    for (unsigned i = 0; i < BANK_ACCOUNTS; i++) {
        struct operation_reply m = one(x, in);
        sum += rows_number(x->of, m.value);
        if (i == 0)
            k->known = m.version;
    }
    if (sum)
        rows_fail(x, "the accounts add up to %" PRId64, sum);
    tally_read(&s->tally[x->group], x, k->floor,
               (uint64_t)rows_number(x->of, one(x, in).value));
}

static void transferred(struct asker *x, struct banking *k, struct reader *in)
{
    struct bank *s = x->row;

    k->known = one(x, in).version;
    one(x, in);
    tally_added(&s->tally[x->group], x, k->floor,
                (uint64_t)rows_number(x->of, one(x, in).value));
}

static void told(struct asker *x, const struct reply *r)
{
    struct bank *s = x->row;
    struct banking *k = &s->of[x->number];
    struct reader in = reader_of(r->value);
    bool first;

    if (r->status == STATUS_EXPIRED) {
        s->tally[x->group].maybe += k->what == TRANSFER || k->what == COMPARED;
        return;
    }
    if (k->what == BROKEN) {
        if (r->status != STATUS_NOT_A_NUMBER || r->argument != k->fails_at)
            rows_fail(x, "a transaction that cannot succeed: %s at %" PRIu64,
                      status_name(r->status), r->argument);
        return;
    }
    if (r->status != STATUS_OK)
        rows_fail(x, "told %s", status_name(r->status));
    first = reader_u8(&in);
    reader_u8(&in);
    reader_u16(&in);
    if (k->what == LOOK || !first)
        saw_all(x, k, &in);
    else
        transferred(x, k, &in);
}

static void quiet(struct rows *r, void *row)
{
    struct bank *s = row;

    for (uint32_t g = 1; g <= r->c->o.groups; g++) {
        struct layout_value v[BANK_ACCOUNTS + 1], text;
        int64_t sum = 0;
        for (unsigned i = 0; i <= BANK_ACCOUNTS; i++) {
            rows_stored(r, g, account(r, g, i), &v[i]);
            if (i < BANK_ACCOUNTS)
                sum += rows_number(r, v[i].bytes);
        }
        if (sum)
            cluster_fail(r->c, "group %u: the accounts add up to %" PRId64, g,
                         sum);
        if (rows_stored(r, g, rows_key(r, g, "bank text"), &text))
            cluster_fail(r->c, "group %u: a failed transaction left a value",
                         g);
        tally_is(&s->tally[g], r, g, "transfers",
                 (uint64_t)rows_number(r, v[BANK_ACCOUNTS].bytes));
    }
}

static void release(void *row)
{
    struct bank *s = row;

    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++)
        tally_release(&s->tally[g]);
    for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++)
        buf_release(&s->of[i].value);
}

const struct row_kind row_bank = {
    {next, told}, sizeof(struct bank), init, quiet, release,
};
