/* cluster.c - see cluster.h. */
#include "cluster.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cluster_disk.h"
#include "proto/base/bytes.h"

struct flying {
    uint64_t due;
    unsigned to;
    struct buf bytes;
};

static void run_effects(struct cluster *c, struct node *x);

static unsigned place(const struct cluster *c, const struct node *x)
{
    return (unsigned)(x - c->nodes);
}

static struct node *find(struct cluster *c, uint64_t id)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].id == id)
            return &c->nodes[i];
    }
    return NULL;
}

static instant at(const struct cluster *c)
{
    return (instant){c->now};
}

static bool chance(struct cluster *c, unsigned in_1000)
{
    return rng_below(&c->rng, 1000) < in_1000;
}

static void persist_due(struct cluster *c, struct node *x)
{
    unsigned done = 0;
    uint64_t seq = 0;

    while (done < x->n_persists && x->persists[done].due <= c->now) {
        cluster_persist_write(c, x, &x->persists[done]);
        seq = x->persists[done].seq;
        cluster_persist_free(&x->persists[done]);
        done++;
    }
    if (!done)
        return;
    memmove(x->persists, x->persists + done,
            (x->n_persists - done) * sizeof x->persists[0]);
    x->n_persists -= done;
    group_persisted(x->g, at(c), seq, &x->fx);
    run_effects(c, x);
}

/* ---- the store ---- */

static uint64_t mix(uint64_t digest, uint64_t index, const struct logged *e)
{
    struct slice s = blob_slice(e->payload);
    uint64_t h =
        digest ^ (index * 0x9e3779b97f4a7c15u) ^ (e->term << 8) ^ e->type;

    for (size_t i = 0; i < s.size; i++)
        h = (h ^ s.data[i]) * 0x100000001b3u;
    return h ^ (h >> 29);
}

/* I2: whoever applies an index first decides what everybody must apply. */
static void check_committed(struct cluster *c, uint64_t index, uint64_t digest)
{
    if (index >= c->committed_cap) {
        uint64_t cap = index * 2 + 64;
        c->committed = xrealloc(c->committed, cap * sizeof c->committed[0]);
        c->committed_cap = cap;
    }
    if (index > c->n_committed) {
        CHECK(c, index == c->n_committed + 1);
        c->committed[index] = digest;
        c->n_committed = index;
    }
    CHECK(c, c->committed[index] == digest);
}

static void apply_upto(struct cluster *c, struct node *x, uint64_t index)
{
    while (x->live.index < index) {
        uint64_t i = x->live.index + 1;
        const struct group_entry *mem = group_entry_at(x->g, i);
        struct logged *disk = cluster_logged_at(x, i);
        /* I4: only what is durable here. */
        CHECK(c, disk);
        CHECK(c, !mem || (mem->term == disk->term && mem->type == disk->type));
        x->live.digest = mix(x->live.digest, i, disk);
        x->live.index = i;
        x->live.term = disk->term;
        if (disk->type == ENTRY_CHANGE) {
            CHECK(c, members_decode(blob_slice(disk->payload),
                                    &x->live.members) == STATUS_OK);
            x->live.members_index = i;
        }
        check_committed(c, i, x->live.digest);
    }
    group_applied(x->g, index);
}

/* ---- effects ---- */

static void put_on_wire(struct cluster *c, struct node *x, struct message *m)
{
    struct node *to = find(c, m->to);
    bool promise = !(m->type == MESSAGE_VOTE && m->vote.pre_vote) &&
                   !(m->type == MESSAGE_VOTE_RESULT && m->vote_result.pre_vote);
    unsigned copies = 1 + chance(c, c->duplicate);

    /* A term that could be forgotten must not be heard of. */
    if (promise)
        CHECK(c, m->term <= x->term);
    if (m->type == MESSAGE_APPEND_RESULT && m->append_result.rejected == 0 &&
        m->append_result.last_index > x->flushed.index)
        CHECK(c, cluster_logged_at(x, m->append_result.last_index));
    CHECK(c, message_check(m) == STATUS_OK);
    if (!to || c->blocked[place(c, x)][place(c, to)])
        return;
    for (; copies > 0; copies--) {
        struct flying *f;
        if (chance(c, c->loss))
            continue;
        if (c->n_flying == c->flying_cap) {
            c->flying_cap = c->flying_cap ? c->flying_cap * 2 : 64;
            c->flying =
                xrealloc(c->flying, c->flying_cap * sizeof c->flying[0]);
        }
        f = &c->flying[c->n_flying++];
        *f = (struct flying){.due = c->now + rng_below(&c->rng, c->delay_max),
                             .to = place(c, to)};
        message_encode(m, &f->bytes);
    }
}

static void copy_entries(struct cluster *c, struct node *x,
                         struct pending_persist *p, uint64_t first, unsigned n)
{
    p->from = first;
    p->n = n;
    p->entries = xcalloc(n, sizeof p->entries[0]);
    for (unsigned i = 0; i < n; i++) {
        const struct group_entry *e = group_entry_at(x->g, first + i);
        CHECK(c, e);
        p->entries[i] = (struct logged){e->term, e->type, e->payload};
        blob_ref(e->payload);
    }
}

static void on_role(struct cluster *c, struct node *x,
                    const struct group_effect *e)
{
    if (e->role.role != GROUP_LEADER)
        return;
    CHECK(c, e->role.term < 4096);
    CHECK(c,
          c->leaders[e->role.term] == 0 || c->leaders[e->role.term] == x->id);
    if (!c->leaders[e->role.term])
        c->elections++;
    c->leaders[e->role.term] = x->id;
    CHECK(c, x->term >= e->role.term);
}

static void on_commit(struct cluster *c, struct node *x,
                      const struct group_effect *e)
{
    CHECK(c, e->commit.index > x->live.index);
    CHECK(c, e->commit.index <= group_durable(x->g));
    apply_upto(c, x, e->commit.index);
    if (group_role(x->g) == GROUP_LEADER && e->commit.index > c->acknowledged)
        c->acknowledged = e->commit.index;
}

static void on_effect(struct cluster *c, struct node *x, struct group_effect *e)
{
    struct pending_persist *p;
    struct node *to;

    switch (e->type) {
    case GROUP_PERSIST_VOTE:
        p = cluster_persist_add(c, x, PERSIST_VOTE, e->persist_vote.seq);
        p->term = e->persist_vote.term;
        p->vote = e->persist_vote.vote;
        break;
    case GROUP_PERSIST_TRUNCATE:
        p = cluster_persist_add(c, x, PERSIST_TRUNCATE,
                                e->persist_truncate.seq);
        p->from = e->persist_truncate.from;
        break;
    case GROUP_PERSIST_ENTRIES:
        p = cluster_persist_add(c, x, PERSIST_ENTRIES, e->persist_entries.seq);
        copy_entries(c, x, p, e->persist_entries.first, e->persist_entries.n);
        break;
    case GROUP_SEND:
        put_on_wire(c, x, e->send.message);
        break;
    case GROUP_COMMIT:
        on_commit(c, x, e);
        break;
    case GROUP_ROLE:
        on_role(c, x, e);
        break;
    case GROUP_MEMBERS:
        break;
    case GROUP_SNAPSHOT_WANTED:
        to = find(c, e->snapshot_wanted.to);
        CHECK(c, to && !x->checkpoint_at[place(c, to)]);
        x->checkpoint_at[place(c, to)] = c->now + 1 + rng_below(&c->rng, 200);
        x->checkpoint[place(c, to)].index = 0;
        c->snapshots++;
        break;
    case GROUP_SNAPSHOT_END:
        to = find(c, e->snapshot_end.to);
        CHECK(c, to && x->checkpoint_at[place(c, to)]);
        x->checkpoint_at[place(c, to)] = 0;
        break;
    case GROUP_INSTALL:
        CHECK(c, e->install.index > x->live.index);
        x->install_at = c->now + 1 + rng_below(&c->rng, 400);
        x->install = *e;
        break;
    case GROUP_LOG_READ:
        CHECK(c, x->n_reads < CLUSTER_NODES_MAX);
        x->reads[x->n_reads].due = c->now + 1 + rng_below(&c->rng, 40);
        x->reads[x->n_reads++].asked = *e;
        c->log_reads++;
        break;
    case GROUP_TRANSFER_END:
        c->transfers += e->transfer_end.ok;
        break;
    case GROUP_STOPPED:
        x->stops++;
        x->stop_reason = e->stopped.reason;
        break;
    }
}

static void run_effects(struct cluster *c, struct node *x)
{
    struct group_effects fx = x->fx;

    x->fx = (struct group_effects){0};
    for (unsigned i = 0; i < fx.n; i++)
        on_effect(c, x, &fx.v[i]);
    group_effects_release(&fx);
    if (x->fx.n)
        run_effects(c, x);
    CHECK(c, group_role(x->g) == GROUP_FAILED ||
                 group_commit(x->g) == x->live.index);
}

void cluster_effects(struct cluster *c, unsigned i)
{
    run_effects(c, &c->nodes[i]);
}

/* ---- what is answered later ---- */

static void checkpoints_due(struct cluster *c, struct node *x)
{
    for (unsigned i = 0; i < c->n && x->up; i++) {
        struct stored *s = &x->checkpoint[i];
        if (!x->checkpoint_at[i] || x->checkpoint_at[i] > c->now || s->index)
            continue;
        *s = x->live;
        enum status r =
            group_snapshot_ready(x->g, at(c), c->nodes[i].id, s->index, s->term,
                                 &s->members, s->members_index, &x->fx);
        CHECK(c, r == STATUS_OK);
        run_effects(c, x);
    }
}

/* The wal's order: what was asked for before the RESET is gone with it, but
 * for term and vote. It is reported all the same. */
static void drop_before_reset(struct cluster *c, struct node *x)
{
    uint64_t seq = 0;

    for (unsigned i = 0; i < x->n_persists; i++) {
        seq = x->persists[i].seq;
        if (x->persists[i].kind == PERSIST_VOTE)
            cluster_persist_write(c, x, &x->persists[i]);
        cluster_persist_free(&x->persists[i]);
    }
    x->n_persists = 0;
    if (seq)
        group_persisted(x->g, at(c), seq, &x->fx);
}

/* The files are fetched from the sender while it still has them. */
static void install_due(struct cluster *c, struct node *x)
{
    struct node *from;
    struct stored *s = NULL;
    bool ok;

    if (!x->install_at || x->install_at > c->now)
        return;
    x->install_at = 0;
    from = find(c, x->install.install.from);
    if (from && from->up && from->checkpoint_at[place(c, x)] &&
        !c->blocked[place(c, from)][place(c, x)])
        s = &from->checkpoint[place(c, x)];
    ok = s && s->index == x->install.install.index &&
         s->term == x->install.install.term;
    if (ok) {
        CHECK(c, members_equal(&s->members, &x->install.install.members));
        CHECK(c, s->digest == c->committed[s->index]);
        x->flushed = x->live = *s;
        cluster_log_cut(x, 0);
        x->first = s->index + 1;
        c->installs++;
        drop_before_reset(c, x);
    } else if (from && from->up && from->checkpoint_at[place(c, x)]) {
        from->checkpoint_at[place(c, x)] = 0;
        group_snapshot_failed(from->g, at(c), x->id, &from->fx);
        run_effects(c, from);
    }
    group_installed(x->g, at(c), ok, &x->fx);
    run_effects(c, x);
}

static void read_due(struct cluster *c, struct node *x)
{
    for (unsigned i = 0; i < x->n_reads;) {
        struct group_effect asked = x->reads[i].asked;
        struct group_entry entries[50];
        uint64_t first = asked.log_read.index;
        unsigned n = 0;
        if (x->reads[i].due > c->now) {
            i++;
            continue;
        }
        x->reads[i] = x->reads[--x->n_reads];
        while (n < ARRAY_LEN(entries) && n < asked.log_read.n &&
               cluster_logged_at(x, first + n)) {
            struct logged *e = cluster_logged_at(x, first + n);
            entries[n++] = (struct group_entry){e->term, e->type, e->payload};
        }
        group_log_read_done(x->g, at(c), asked.log_read.token, entries, n,
                            &x->fx);
        run_effects(c, x);
    }
}

/* ---- the network ---- */

static void deliver_due(struct cluster *c)
{
    for (unsigned i = 0; i < c->n_flying;) {
        struct flying f = c->flying[i];
        struct node *x = &c->nodes[f.to];
        struct message *m;
        if (f.due > c->now) {
            i++;
            continue;
        }
        c->flying[i] = c->flying[--c->n_flying];
        CHECK(c, message_decode(buf_slice(&f.bytes), &m) == STATUS_OK);
        if (x->up) {
            enum status s = group_receive(x->g, at(c), m, &x->fx);
            CHECK(c, s == STATUS_OK || s == STATUS_QUARANTINED);
            run_effects(c, x);
        }
        message_free(m);
        buf_release(&f.bytes);
    }
}

void cluster_isolate(struct cluster *c, unsigned i, bool cut)
{
    for (unsigned j = 0; j < CLUSTER_NODES_MAX; j++)
        c->blocked[i][j] = c->blocked[j][i] = cut;
}

void cluster_heal(struct cluster *c)
{
    memset(c->blocked, 0, sizeof c->blocked);
    c->loss = c->duplicate = 0;
    c->delay_max = 5;
    c->disk_max = 3;
    for (unsigned i = 0; i < c->n; i++) {
        c->nodes[i].lagging = false;
        if (!c->nodes[i].up)
            cluster_restart(c, i);
    }
}

/* ---- life ---- */

static void start(struct cluster *c, struct node *x)
{
    struct group_restore r = {0};
    struct group_entry *entries = xcalloc(x->n_log + 1, sizeof entries[0]);
    uint32_t *sizes = xcalloc(x->n_log + 1, sizeof sizes[0]);
    bool lazy = chance(c, 500);

    c->options.replica = x->id;
    c->options.seed = rng_next(&c->rng);
    c->options.budget = &x->budget;
    x->g = group_new(&c->options);
    x->up = true;
    x->live = x->flushed;
    x->disk_free_at = c->now;
    r.bootstrap = x->fresh && members_find(&c->first_members, x->id);
    if (r.bootstrap) {
        r.snapshot.members = c->first_members;
    } else {
        r.term = x->term;
        r.vote = x->vote;
        r.snapshot.index = x->flushed.index;
        r.snapshot.term = x->flushed.term;
        r.snapshot.members = x->flushed.members;
        r.snapshot.members_index = x->flushed.members_index;
        r.first_index = x->first;
        r.entries = entries;
        r.sizes = sizes;
        r.n = x->n_log;
    }
    for (uint64_t i = 0; i < x->n_log; i++) {
        const struct logged *e = &x->log[i];
        entries[i] = (struct group_entry){e->term, e->type, e->payload};
        sizes[i] = (uint32_t)blob_slice(e->payload).size;
        if (lazy && e->type == ENTRY_COMMAND)
            entries[i].payload = NULL;
    }
    CHECK(c, group_start(x->g, at(c), &r, &x->fx) == STATUS_OK);
    free(entries);
    free(sizes);
    run_effects(c, x);
}

static void stop(struct cluster *c, struct node *x)
{
    group_free(x->g);
    x->g = NULL;
    x->up = false;
    group_effects_release(&x->fx);
    for (unsigned i = 0; i < x->n_persists; i++)
        cluster_persist_free(&x->persists[i]);
    x->n_persists = 0;
    x->install_at = x->n_reads = 0;
    memset(x->checkpoint_at, 0, sizeof x->checkpoint_at);
    CHECK(c, x->budget.bytes == 0);
}

/* A crash may have written a part of what was asked for, in order. */
void cluster_crash(struct cluster *c, unsigned i)
{
    struct node *x = &c->nodes[i];
    unsigned done = (unsigned)rng_below(&c->rng, x->n_persists + 1);

    if (!x->up)
        return;
    for (unsigned k = 0; k < done; k++)
        cluster_persist_write(c, x, &x->persists[k]);
    stop(c, x);
}

void cluster_restart(struct cluster *c, unsigned i)
{
    if (!c->nodes[i].up)
        start(c, &c->nodes[i]);
}

void cluster_flush(struct cluster *c, unsigned i)
{
    struct node *x = &c->nodes[i];

    if (!x->up || group_installing(x->g) || group_role(x->g) == GROUP_FAILED ||
        group_role(x->g) == GROUP_STARTING)
        return;
    x->flushed = x->live;
    group_flushed(x->g, at(c), x->flushed.index, &x->fx);
    run_effects(c, x);
    cluster_log_drop(x, group_first(x->g));
}

static struct node *add_node(struct cluster *c)
{
    struct node *x = &c->nodes[c->n];

    CHECK(c, c->n < CLUSTER_NODES_MAX);
    *x = (struct node){.id = ++c->n, .first = 1, .fresh = true};
    x->budget.bytes_max = 2000;
    return x;
}

unsigned cluster_join(struct cluster *c)
{
    struct node *x = add_node(c);

    start(c, x);
    return place(c, x);
}

void cluster_init(struct cluster *c, unsigned n, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    rng_init(&c->rng, seed);
    c->seed = seed;
    c->now = 1000;
    c->delay_max = 5;
    c->disk_max = 3;
    c->options.group = 9;
    for (unsigned i = 1; i <= n; i++)
        CHECK(c, members_add(&c->first_members, i, MEMBER_VOTER));
    for (unsigned i = 0; i < n; i++)
        start(c, add_node(c));
}

void cluster_release(struct cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct node *x = &c->nodes[i];
        if (x->up)
            stop(c, x);
        cluster_log_cut(x, 0);
        free(x->log);
        free(x->persists);
    }
    for (unsigned i = 0; i < c->n_flying; i++)
        buf_release(&c->flying[i].bytes);
    free(c->flying);
    free(c->committed);
}

/* ---- time ---- */

static void tick_node(struct cluster *c, struct node *x)
{
    if (!x->up)
        return;
    persist_due(c, x);
    checkpoints_due(c, x);
    install_due(c, x);
    read_due(c, x);
    if (instant_reached(at(c), group_deadline(x->g))) {
        group_timeout(x->g, at(c), &x->fx);
        run_effects(c, x);
        CHECK(c, group_deadline(x->g).ms >= c->now + 10);
    }
    if (group_role(x->g) == GROUP_FAILED) {
        stop(c, x);
        start(c, x);
    }
}

void cluster_tick(struct cluster *c)
{
    c->now += CLUSTER_TICK_MS;
    deliver_due(c);
    for (unsigned i = 0; i < c->n; i++)
        tick_node(c, &c->nodes[i]);
}

void cluster_run(struct cluster *c, uint64_t ms)
{
    for (uint64_t end = c->now + ms; c->now < end;)
        cluster_tick(c);
}

struct node *cluster_leader(struct cluster *c)
{
    struct node *best = NULL;

    for (unsigned i = 0; i < c->n; i++) {
        struct node *x = &c->nodes[i];
        if (x->up && group_role(x->g) == GROUP_LEADER &&
            (!best || group_term(x->g) > group_term(best->g)))
            best = x;
    }
    return best;
}

unsigned cluster_elect(struct cluster *c)
{
    uint64_t end = c->now + 10000;

    while (c->now < end) {
        struct node *x = cluster_leader(c);
        uint64_t index;
        if (x && group_read_index(x->g, &index))
            return place(c, x);
        cluster_tick(c);
    }
    cluster_fail(c, "no leader");
    return 0;
}

bool cluster_submit(struct cluster *c, size_t size)
{
    struct node *x = cluster_leader(c);
    struct blob *b;
    uint64_t index, term;
    enum status s;

    if (!x)
        return false;
    b = blob_new(size);
    for (size_t i = 0; i < size; i++)
        b->data[i] = (uint8_t)(c->submitted + i * 7);
    s = group_submit(x->g, at(c), &b, 1, &index, &term, &x->fx);
    blob_unref(b);
    run_effects(c, x);
    c->submitted += s == STATUS_OK;
    return s == STATUS_OK;
}

static bool all_applied(struct cluster *c, uint64_t index)
{
    struct node *leader = cluster_leader(c);

    if (!leader)
        return false;
    for (unsigned i = 0; i < c->n; i++) {
        struct node *x = &c->nodes[i];
        if (x->up && members_find(group_members(leader->g), x->id) &&
            x->live.index < index)
            return false;
    }
    return true;
}

void cluster_fail(struct cluster *c, const char *why)
{
    print_error("seed %" PRIu64 " at %" PRIu64 " ms: %s\n", c->seed, c->now,
                why);
    for (unsigned i = 0; i < c->n; i++) {
        struct node *x = &c->nodes[i];
        if (x->up)
            print_error("  %" PRIu64 ": role %d term %" PRIu64
                        " leader %" PRIu64 " first %" PRIu64 " last %" PRIu64
                        " durable %" PRIu64 " applied %" PRIu64
                        " installing %d\n",
                        x->id, (int)group_role(x->g), group_term(x->g),
                        group_leader(x->g), group_first(x->g), group_last(x->g),
                        group_durable(x->g), x->live.index,
                        (int)group_installing(x->g));
    }
    fail();
}

void cluster_settle(struct cluster *c, uint64_t ms)
{
    uint64_t end = c->now + ms;
    uint64_t goal = 0, term = 0;
    unsigned tick = 0;

    while (c->now < end) {
        struct node *leader;
        cluster_tick(c);
        leader = cluster_leader(c);
        /* What was submitted to a leader that is none any more may be lost. */
        if (leader && group_term(leader->g) != term)
            goal = 0;
        if (!goal && tick++ % 20 == 0 && cluster_submit(c, 30)) {
            leader = cluster_leader(c);
            goal = MAX_OF(c->acknowledged, group_last(leader->g));
            term = group_term(leader->g);
        }
        if (goal && c->acknowledged >= goal && all_applied(c, goal))
            return;
    }
    cluster_fail(c, goal ? "what was submitted is not everywhere"
                         : "nothing can be submitted");
}
