/* trial.c - see trial.h. */
#include "tests/sim/trial.h"

#include "tests/sim/check.h"

enum { CONVERGED_MS = 15000 };

static void on_stepped(void *arg, struct sim_loop *l)
{
    invariants_stepped(&((struct trial *)arg)->invariants, l);
    promises_stepped(&((struct trial *)arg)->promises, l);
}

static void on_applying(void *arg, struct sim_node *n, struct sim_replica *r)
{
    rows_applying(&((struct trial *)arg)->rows, n, r);
}

static void on_applied(void *arg, struct sim_node *n, struct sim_replica *r)
{
    invariants_applied(&((struct trial *)arg)->invariants, n, r);
    rows_applied(&((struct trial *)arg)->rows, n, r);
}

static void on_replied(void *arg, struct sim_node *n, const struct effect *e)
{
    if (rows_replied(&((struct trial *)arg)->rows, n, e))
        return;
    clients_replied(&((struct trial *)arg)->clients, e);
}

static void on_died(void *arg, struct sim_node *n)
{
    promises_died(&((struct trial *)arg)->promises, n);
    durable_died(&((struct trial *)arg)->durable, n);
    clients_died(&((struct trial *)arg)->clients, n);
    rows_died(&((struct trial *)arg)->rows, n);
}

static void on_logged(void *arg, struct sim_node *n, const struct effect *e,
                      const struct group_entry *entries, unsigned count)
{
    promises_truncated(&((struct trial *)arg)->promises, n, e);
    invariants_logged(&((struct trial *)arg)->invariants, e, entries, count);
}

static void on_sent(void *arg, struct sim_node *n, struct slice items)
{
    promises_sent(&((struct trial *)arg)->promises, n, items);
    invariants_sent(&((struct trial *)arg)->invariants, items);
}

static void on_received(void *arg, struct sim_loop *l, const struct event *e)
{
    promises_received(&((struct trial *)arg)->promises, l, e);
}

static void on_asked(void *arg, struct sim_node *n, const struct effect *e,
                     const struct group_entry *entries, unsigned count,
                     uint64_t ticket)
{
    durable_asked(&((struct trial *)arg)->durable, n, e, entries, count,
                  ticket);
}

static void on_reset(void *arg, struct sim_node *n, uint32_t group,
                     uint64_t index, uint64_t term, uint64_t ticket)
{
    durable_reset(&((struct trial *)arg)->durable, n, group, index, term,
                  ticket);
    promises_reset(&((struct trial *)arg)->promises, n, group, index);
}

static void on_started(void *arg, struct sim_node *n,
                       const struct replica_restore *from)
{
    durable_started(&((struct trial *)arg)->durable, n, from);
}

static void on_recovered(void *arg, struct sim_node *n, struct sim_replica *r,
                         const struct wal_recovered_group *log)
{
    promises_recovered(&((struct trial *)arg)->promises, n, r, log);
}

static uint64_t on_part(void *arg, struct sim_node *n, const struct effect *e)
{
    return rows_part(&((struct trial *)arg)->rows, n, e);
}

void trial_init(struct trial *t, const struct cluster_options *o)
{
    const struct cluster_judge judge = {
        .arg = t, .stepped = on_stepped, .applying = on_applying,
        .applied = on_applied, .replied = on_replied, .died = on_died,
        .logged = on_logged, .asked = on_asked, .reset = on_reset,
        .sent = on_sent,
        .received = on_received, .recovered = on_recovered,
        .started = on_started, .part = on_part,
    };

    durable_init(&t->durable, &t->c);
    promises_init(&t->promises, &t->c, &t->durable);
    invariants_init(&t->invariants, &t->c, &t->durable);
    t->clients = (struct clients){0};
    t->rows = (struct rows){0};
    cluster_init(&t->c, o, &judge);
    faults_init(&t->faults, &t->c);
    clients_init(&t->clients, &t->c, 8, 6);
}

void trial_release(struct trial *t)
{
    cluster_release(&t->c);
    faults_release(&t->faults);
    rows_release(&t->rows);
    clients_release(&t->clients);
    invariants_release(&t->invariants);
    durable_release(&t->durable);
}

struct cluster_options trial_three(void)
{
    return (struct cluster_options){.nodes = 3, .groups = 1, .replicas = 3,
                                    .loops = 1, .seed = 1,
                                    .flush_bytes = 1 << 30, .trailing = 10,
                                    .padding_bytes = 100};
}

void trial_start(struct trial *t, const struct cluster_options *o)
{
    trial_init(t, o);
    for (uint32_t g = 0; g <= o->groups; g++)
        trial_elect(t, g);
    trial_run(t, 600); /* the others have heard of it */
}

void trial_run(struct trial *t, uint64_t ms)
{
    cluster_run(&t->c, t->c.now + ms);
}

void trial_wait(struct trial *t, uint64_t ms, trial_until *until, void *arg,
                const char *what)
{
    uint64_t end = t->c.now + ms;

    while (!until(t, arg)) {
        if (t->c.now >= end)
            cluster_fail(&t->c, "waited in vain: %s", what);
        trial_run(t, 1);
    }
}

struct replica *trial_replica(struct sim_node *n, uint32_t group)
{
    return n->up ? shard_find(loop_of(n, group)->shard, group) : NULL;
}

struct sim_node *trial_leader(struct trial *t, uint32_t group)
{
    struct sim_node *found = NULL;
    uint64_t term = 0;

    for (unsigned i = 0; i < t->c.o.nodes; i++) {
        struct replica *r = trial_replica(&t->c.nodes[i], group);
        if (r && r->raft && r->role == GROUP_LEADER && r->term > term) {
            found = &t->c.nodes[i];
            term = r->term;
        }
    }
    return found;
}

struct electing {
    uint32_t group;
    struct sim_node *leader;
};

static bool serves(struct trial *t, void *arg)
{
    struct electing *e = arg;
    struct replica *r;

    e->leader = trial_leader(t, e->group);
    r = e->leader ? trial_replica(e->leader, e->group) : NULL;
    return r && r->lead_floor && r->applied >= r->lead_floor;
}

struct sim_node *trial_elect(struct trial *t, uint32_t group)
{
    struct electing e = {.group = group};

    trial_wait(t, 5000, serves, &e, "a leader");
    return e.leader;
}

struct sim_node *trial_other(struct trial *t, const struct sim_node *not)
{
    for (unsigned i = 0; i < t->c.o.nodes; i++)
        if (t->c.nodes[i].up && &t->c.nodes[i] != not)
            return &t->c.nodes[i];
    cluster_fail(&t->c, "no other node is up");
}

size_t trial_ask(struct trial *t, struct sim_node *n, enum op op,
                 unsigned key)
{
    return clients_ask(&t->clients, n->place, n, op, READ_LINEARIZABLE, key);
}

const struct past *trial_past(struct trial *t, size_t number)
{
    return &t->clients.h.v[number];
}

static bool answered(struct trial *t, void *arg)
{
    return trial_past(t, *(size_t *)arg)->state != PAST_PENDING;
}

const struct past *trial_answer(struct trial *t, struct sim_node *n,
                                enum op op, unsigned key)
{
    size_t number = trial_ask(t, n, op, key);

    trial_wait(t, 10000, answered, &number, "an answer");
    return trial_past(t, number);
}

void trial_isolate(struct trial *t, struct sim_node *n, bool cut)
{
    for (unsigned i = 0; i < t->c.o.nodes; i++) {
        network_block(&t->c, n->place, i, cut, true);
        network_block(&t->c, i, n->place, cut, true);
    }
}

static bool converged(struct trial *t, void *arg UNUSED)
{
    return invariants_converged(&t->invariants);
}

void trial_converge(struct trial *t)
{
    trial_wait(t, CONVERGED_MS, converged, NULL, "equal replicas");
}

void trial_judge(struct trial *t)
{
    const char *error;
    uint64_t end;

    trial_converge(t);
    trial_run(t, 1000);
    end = t->c.now + 2000;
    while ((error = invariants_left_over(&t->invariants))) {
        if (t->c.now >= end)
            cluster_fail(&t->c, "%s", error);
        trial_run(t, 50);
    }
    error = history_check(&t->clients.h);
    if (!error && t->clients.registers)
        error = check_again(&t->clients.h);
    if (error)
        cluster_fail(&t->c, "%s", error);
}
