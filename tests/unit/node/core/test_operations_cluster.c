/* test_operations_cluster.c - counters, conditions and transfers while leaders
 * crash, pause, are cut off and replaced.
 *
 * Askers repeat their writes through any node until they hear a result; each
 * write has an id. Afterwards the sums are exact: nothing was lost, nothing ran
 * twice, no transfer was seen half. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "tests/sim/trial.h"

enum { ASKERS = 6, ACCOUNTS = 4, FIRST_PLACE = 100, STORM_MS = 25000 };

struct repeater {
    unsigned generation;
    uint64_t id;              /* of the request that is out */
    bool busy, out;           /* an operation is under way; it was sent */
    uint64_t again_at, out_until;
    struct operation o;
    struct buf value;
    struct session session;
    bool stamped;             /* its not_after was chosen */
    bool reads;               /* all accounts: their sum has to be 0 */
    bool cas, increment;      /* steps of counting by compare and set */
};

static struct trial t;
static struct repeater askers[ASKERS];
static char accounts[ACCOUNTS][32], counter[32], register_key[32];
static uint64_t transfers, increments, sets, checked, retries;

static uint64_t random_below(uint64_t n)
{
    return cluster_draw(&t.c, STREAM_CLIENTS, n - 1);
}

/* ---- what is asked ---- */

static void begin_transaction(struct repeater *x, unsigned n)
{
    buf_clear(&x->value);
    transaction_begin(&x->value, 0, n, 0);
    x->o = (struct operation){.op = OP_TRANSACT,
                              .key = slice_str(accounts[0])};
}

static void add(struct repeater *x, const char *key, int64_t delta)
{
    struct operation o = {.op = OP_INCR, .key = slice_str(key),
                          .argument = (uint64_t)delta};

    operation_encode(&o, &x->value);
}

static void transfer(struct repeater *x)
{
    unsigned from = (unsigned)random_below(ACCOUNTS);
    int64_t sum = 1 + (int64_t)random_below(50);

    begin_transaction(x, 3);
    add(x, accounts[from], -sum);
    add(x, accounts[(from + 1) % ACCOUNTS], sum);
    add(x, counter, 1);
}

static void read_all(struct repeater *x)
{
    begin_transaction(x, ACCOUNTS + 1);
    for (unsigned i = 0; i <= ACCOUNTS; i++) {
        struct operation o = {
            .op = OP_GET,
            .key = slice_str(i < ACCOUNTS ? accounts[i] : counter)};
        operation_encode(&o, &x->value);
    }
    x->reads = true;
}

static void choose(struct repeater *x)
{
    bool cas = x->cas; /* go on: it has been read */

    x->busy = true;
    x->out = x->reads = x->cas = x->increment = false;
    x->again_at = 0;
    x->session.sequence++;
    x->session.acknowledged = x->session.sequence;
    x->stamped = false;
    if (cas) {
        x->increment = true; /* `o` is ready */
        return;
    }
    switch (random_below(4)) {
    case 0:
        read_all(x);
        break;
    case 1:
        x->o = (struct operation){.op = OP_GET,
                                  .key = slice_str(register_key)};
        x->cas = true;
        break;
    default:
        transfer(x);
    }
}

/* ---- asking ---- */

static void send(struct repeater *x)
{
    struct sim_node *n = &t.c.nodes[random_below(t.c.o.nodes)];
    unsigned at = (unsigned)(x - askers);
    struct request q = {.operation = x->o};

    if (!n->up || !n->map || n->paused_until > t.c.now)
        return;
    if (x->o.op == OP_TRANSACT)
        q.operation.value = buf_slice(&x->value);
    x->generation++; /* what another attempt is answered is not for this one */
    q.from.conn = (uint64_t)x->generation << 32 | (FIRST_PLACE + at);
    q.from.id = ++x->id;
    q.deadline = instant_add(cluster_clock(&t.c, n), MS(1500));
    if (operation_is_write(x->o.op)) {
        if (!x->stamped)
            x->session.not_after =
                shard_clock(n->loops[0].shard) + 200000;
        x->stamped = true;
        q.session = x->session;
    }
    x->out = true;
    x->out_until = t.c.now + 2500; /* then the answer was lost with a node */
    loop_request(&t.c, &n->loops[0], &q);
}

static int64_t number(struct slice text)
{
    char copy[24] = {0};

    assert_true(text.size < sizeof copy);
    if (text.size)
        memcpy(copy, text.data, text.size);
    return strtoll(copy, NULL, 10);
}

/* A read of everything: the sum, and the number of transfers. */
static int64_t sum_of(struct slice reply, int64_t *count)
{
    struct reader in = reader_of(reply);
    int64_t sum = 0;

    assert_int_equal(reader_u8(&in), 1);
    reader_u8(&in);
    assert_int_equal(reader_u16(&in), ACCOUNTS + 1);
    for (unsigned i = 0; i <= ACCOUNTS; i++) {
        struct operation_reply m;
        struct slice one = reader_bytes(&in, reader_u32(&in));
        assert_int_equal(operation_reply_decode(one, &m), STATUS_OK);
        if (i < ACCOUNTS)
            sum += number(m.value);
        else
            *count = number(m.value);
    }
    return sum;
}

static void read_register(struct repeater *x, const struct reply *r)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)number(r->value) + 1);
    buf_clear(&x->value);
    buf_append(&x->value, text, strlen(text));
    x->o = (struct operation){.op = OP_SET, .key = slice_str(register_key),
                              .value = buf_slice(&x->value),
                              .flags = OPERATION_IF_VERSION,
                              .if_version = r->version};
}

static void take(struct repeater *x, const struct reply *r)
{
    int64_t count = 0;

    switch (r->status) {
    case STATUS_OK:
    case STATUS_NOT_MET:
    case STATUS_NOT_FOUND:
        break;
    case STATUS_NOT_LEADER:
    case STATUS_UNAVAILABLE:
    case STATUS_BUSY:
    case STATUS_TIMEOUT:
    case STATUS_UNKNOWN:
    case STATUS_DISK_FULL:
        x->again_at = t.c.now + 5 + random_below(50);
        retries++;
        return;
    default:
        cluster_fail(&t.c, "answered %s", status_name(r->status));
    }
    x->busy = false;
    if (x->reads) {
        if (sum_of(r->value, &count))
            cluster_fail(&t.c, "a transfer was seen half");
        checked++;
    } else if (x->cas) {
        read_register(x, r);
    } else if (x->increment) {
        increments += r->status == STATUS_OK;
        sets++;
    } else {
        transfers++;
    }
}

static void replied(void *arg UNUSED, struct sim_node *n UNUSED,
                    const struct effect *e)
{
    unsigned at = (uint32_t)e->reply.to.conn - FIRST_PLACE;
    struct repeater *x = &askers[at];

    if (at >= ASKERS) {
        clients_replied(&t.clients, e);
        return;
    }
    if (!x->out || e->reply.to.id != x->id)
        return; /* an attempt that was given up */
    x->out = false;
    take(x, &e->reply.reply);
}

static void ask_all(bool more)
{
    for (unsigned i = 0; i < ASKERS; i++) {
        struct repeater *x = &askers[i];
        if (x->out && t.c.now > x->out_until)
            x->out = false;
        if (!x->busy && more)
            choose(x);
        if (x->busy && !x->out && t.c.now >= x->again_at)
            send(x);
    }
}

/* ---- the storm ---- */

static void begin(uint64_t seed)
{
    struct cluster_options o = trial_three();
    const char *tag;

    o.seed = seed;
    o.groups = 2;
    o.flush_bytes = 20000;
    o.trailing = 50;
    trial_start(&t, &o);
    t.c.judge.replied = replied;
    tag = t.clients.keys[0];
    for (unsigned i = 0; i < ACCOUNTS; i++)
        snprintf(accounts[i], sizeof accounts[i], "{%s}%u", tag, i);
    snprintf(counter, sizeof counter, "{%s}count", tag);
    snprintf(register_key, sizeof register_key, "{%s}register", tag);
    memset(askers, 0, sizeof askers);
    transfers = increments = sets = checked = 0;
    for (unsigned i = 0; i < ASKERS; i++)
        askers[i].session.client[0] = (uint8_t)(i + 1);
}

static void finish(void)
{
    struct repeater *x = &askers[0];
    bool busy = true;

    cluster_heal(&t.c);
    for (unsigned i = 0; i < 5000 && busy; i++) {
        trial_run(&t, 5);
        ask_all(false);
        busy = false;
        for (unsigned k = 0; k < ASKERS; k++)
            busy |= askers[k].busy;
    }
    assert_false(busy);
    checked = 0;
    choose(x);
    x->cas = x->increment = false;
    read_all(x);
    for (unsigned i = 0; i < 5000 && x->busy; i++) {
        ask_all(false);
        trial_run(&t, 5);
    }
    assert_int_equal(checked, 1);
}

static int64_t stored(const char *key)
{
    const struct mem_table *table =
        &cluster_replica(trial_elect(&t, 1), 1)->open->live;
    struct buf k = {0};
    const struct mem_row *row;
    struct layout_value v = {0};

    layout_data_key_append(&k, 0, slice_str(key));
    row = mem_table_get(table, buf_slice(&k));
    buf_release(&k);
    if (row)
        assert_int_equal(layout_value_parse(mem_row_value(row), &v),
                         STATUS_OK);
    return number(v.bytes);
}

static void sums_are_exact_after_every_storm(void **state)
{
    uint64_t all = 0, seen = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t end;
        begin(seed);
        faults_plan(&t.faults, STORM_MS, 1500);
        end = t.c.now + STORM_MS;
        while (t.c.now < end) {
            trial_run(&t, 5);
            ask_all(true);
        }
        seen += checked;
        finish();
        trial_converge(&t);
        assert_int_equal(stored(counter), transfers);
        assert_int_equal(stored(register_key), increments);
        all += transfers;
        trial_judge(&t);
        trial_release(&t);
        for (unsigned i = 0; i < ASKERS; i++)
            buf_release(&askers[i].value);
    }
    print_message("%llu transfers, %llu reads of all, %llu retries\n",
                  (unsigned long long)all, (unsigned long long)seen,
                  (unsigned long long)retries);
    assert_true(all > 2000 && seen > 500 && retries > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_exact_after_every_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
