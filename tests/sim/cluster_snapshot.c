/* cluster_snapshot.c - checkpoints made, served and installed, in memory.
 *
 * A checkpoint is a few files: two with rows, one that is empty, one of padding
 * that is larger than a piece. Installing keeps checkpoints.c's order: store
 * whole and compared, CURRENT switched, the log RESET, durable, then told. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/core/peer_item.h"
#include "proto/base/planted.h"
#include "tests/sim/cluster.h"

enum { FILE_EMPTY, FILE_ROWS, FILE_MORE_ROWS, FILE_PADDING };

static uint8_t padding_at(uint64_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* ---- making and serving ---- */

struct making {
    uint32_t group;
    uint64_t token;
};

static void made(struct cluster *c, struct sim_loop *l, void *arg,
                 bool dropped)
{
    static const char *const names[] = {"EMPTY", "rows-1.sst", "rows-2.sst",
                                        "padding.sst"};
    struct making *m = arg;
    struct event e = {.type = EVENT_CHECKPOINT};
    struct sim_replica *r = dropped ? NULL : cluster_replica(l->node, m->group);
    struct checkpoint *k;
    const struct mem_table *t;
    struct group_record record;

    if (!r)
        goto out;
    t = &r->open->live;
    k = xcalloc(1, sizeof *k);
    k->token = m->token;
    mem_table_write(t, 0, t->n / 2, &k->bytes[FILE_ROWS]);
    mem_table_write(t, t->n / 2, t->n, &k->bytes[FILE_MORE_ROWS]);
    for (unsigned i = 0; i < c->o.padding_bytes; i++)
        buf_u8(&k->bytes[FILE_PADDING], padding_at(i));
    for (unsigned i = 0; i < CHECKPOINT_FILES; i++) {
        snprintf(k->files[i].name, sizeof k->files[i].name, "%s", names[i]);
        k->files[i].size = k->bytes[i].size;
    }
    k->next = r->checkpoints;
    r->checkpoints = k;
    record = mem_table_record(t);
    e.checkpoint.group = m->group;
    e.checkpoint.token = m->token;
    e.checkpoint.index = record.applied_index;
    e.checkpoint.term = record.applied_term;
    e.checkpoint.members_index = record.change_index;
    e.checkpoint.members = record.members;
    e.checkpoint.files = k->files;
    e.checkpoint.n_files = CHECKPOINT_FILES;
    if (cluster_odds(c, STREAM_STORE, c->stall / 4)) {
        e.checkpoint.status = STATUS_IO_ERROR;
        r->checkpoints = k->next;
    }
    loop_step(c, l, &e);
    if (e.checkpoint.status != STATUS_OK) {
        for (unsigned i = 0; i < CHECKPOINT_FILES; i++)
            buf_release(&k->bytes[i]);
        free(k);
    }
out:
    free(m);
}

static void make(struct cluster *c, struct sim_loop *l,
                 const struct effect *e)
{
    struct making *m = xcalloc(1, sizeof *m);

    c->count.snapshots++;
    m->group = e->group;
    m->token = e->checkpoint.token;
    cluster_later(c, l, 1 + cluster_draw(c, STREAM_STORE, 4 * c->store_max),
                  made, m);
}

static void checkpoint_free(struct checkpoint *k)
{
    for (unsigned i = 0; i < CHECKPOINT_FILES; i++)
        buf_release(&k->bytes[i]);
    free(k);
}

static void drop(struct cluster *c, struct sim_replica *r, uint64_t token)
{
    for (struct checkpoint **at = &r->checkpoints; *at; at = &(*at)->next) {
        struct checkpoint *k = *at;
        if (k->token != token)
            continue;
        *at = k->next;
        checkpoint_free(k);
        return;
    }
    cluster_fail(c, "group %u: no checkpoint %" PRIu64 " to drop", r->group,
                 token);
}

struct served {
    struct effect effect;
    unsigned from;
    struct buf items;
};

static void send_chunk(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct served *s = arg;

    if (!dropped)
        network_send(c, l->node, s->from, s->effect.serve.node,
                     s->effect.serve.shard, CHANNEL_BULK, 0,
                     buf_slice(&s->items));
    buf_release(&s->items);
    free(s);
}

static void serve(struct cluster *c, struct sim_loop *l,
                  struct sim_replica *r, const struct effect *e)
{
    const struct snapshot_ask *ask = &e->serve.ask;
    struct checkpoint *k = r->checkpoints;
    struct buf out = {0};
    struct served *served;
    struct snapshot_chunk chunk = {
        .group = ask->group, .replica = ask->replica, .index = ask->index,
        .ask = ask->ask, .file = ask->file, .offset = ask->offset,
        .status = STATUS_NOT_FOUND,
    };

    while (k && k->token != e->serve.token)
        k = k->next;
    if (k && ask->file < CHECKPOINT_FILES &&
        ask->offset < k->files[ask->file].size) {
        chunk.status = STATUS_OK;
        chunk.bytes.data = k->bytes[ask->file].data + ask->offset;
        chunk.bytes.size = MIN_OF(k->files[ask->file].size - ask->offset,
                                  (uint64_t)ask->size_max);
    }
    snapshot_chunk_encode(&out, &chunk);
    served = xcalloc(1, sizeof *served);
    served->effect = *e;
    served->from = l->index;
    served->items = out;
    loop_letter(c, l, &l->node->loops[0], send_chunk, served);
}

/* ---- installing ---- */

static void install_free(struct install *i)
{
    if (!i)
        return;
    for (unsigned k = 0; k < CHECKPOINT_FILES; k++)
        buf_release(&i->files[k]);
    free(i);
}

struct installing {
    struct effect effect;
    struct buf bytes;
};

static void answer(struct cluster *c, struct sim_loop *l,
                   const struct effect *e, enum status st)
{
    struct event done = {.type = EVENT_INSTALL};

    done.install.group = e->group;
    done.install.token = e->install.token;
    done.install.status = st;
    loop_step(c, l, &done);
}

/* The store that the files make; NULL when they are not what was announced. */
static struct mem_store *open_installed(const struct install *i,
                                        const struct effect *e)
{
    struct mem_store *s = xcalloc(1, sizeof *s);
    struct group_record record;
    bool whole = mem_table_read(&s->live, buf_slice(&i->files[FILE_ROWS])) &&
                 mem_table_read(&s->live,
                                buf_slice(&i->files[FILE_MORE_ROWS]));

    for (unsigned k = 0; k < CHECKPOINT_FILES; k++)
        whole &= i->files[k].size == e->install.files[k].size;
    for (size_t k = 0; whole && k < i->files[FILE_PADDING].size; k++)
        whole = i->files[FILE_PADDING].data[k] == padding_at(k);
    if (whole) {
        record = mem_table_record(&s->live);
        whole = record.applied_index == e->install.index &&
                record.applied_term == e->install.term;
    }
    if (whole) {
        mem_table_copy(&s->flushed, &s->live);
        return s;
    }
    mem_store_free(s);
    return NULL;
}

/* On loop 0. */
static void reset_run(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct effect *e = arg;
    struct sim_replica *r =
        dropped ? NULL : cluster_replica(l->node, e->group);

    if (r && r->install) {
        r->install->ticket =
            wal_reset(l->node->journal.wal, r->group, e->install.index,
                      e->install.term, r->install->id, cluster_us(c, l->node));
        if (c->judge.reset)
            c->judge.reset(c->judge.arg, l->node, r->group, e->install.index,
                           e->install.term, r->install->ticket);
        effects_pump(c, l->node);
    }
    free(e);
}

/* CURRENT is switched, durably; the old store stays open until the log's RESET
 * is durable too. */
static void switch_store(struct sim_replica *r)
{
    r->current = r->install->store;
    memcpy(r->install_id, r->install->id, WAL_INSTALL_ID_BYTES);
}

static void commit(struct cluster *c, struct sim_loop *l,
                   struct sim_replica *r, const struct effect *e)
{
    struct install *i = r->install;
    struct effect *reset;

    if (cluster_odds(c, STREAM_STORE, c->stall / 4)) {
        i->committing = false;
        answer(c, l, e, STATUS_IO_ERROR); /* nothing was switched */
        return;
    }
    i->store = open_installed(i, e);
    if (!i->store)
        cluster_fail(c, "node %u group %u: installed files are not whole",
                     l->node->id, r->group);
    for (unsigned k = 0; k < WAL_INSTALL_ID_BYTES; k++)
        i->id[k] = (uint8_t)cluster_draw(c, STREAM_STORE, 255);
    if (!PLANTED(RESET_BEFORE_CURRENT))
        switch_store(r);
    reset = xmalloc(sizeof *reset);
    *reset = *e;
    loop_letter(c, l, &l->node->loops[0], reset_run, reset);
}

static void install_step(struct cluster *c, struct sim_loop *l, void *arg,
                         bool dropped)
{
    struct installing *w = arg;
    const struct effect *e = &w->effect;
    struct sim_replica *r = dropped ? NULL : cluster_replica(l->node, e->group);
    struct install *i = r ? r->install : NULL;

    if (!r)
        goto out;
    if (e->type == EFFECT_INSTALL_BEGIN) {
        if (i && i->store)
            cluster_fail(c, "node %u group %u: a second install while one "
                         "is being switched to", l->node->id, r->group);
        install_free(i);
        r->install = xcalloc(1, sizeof *r->install);
        r->install->token = e->install.token;
        answer(c, l, e, STATUS_OK);
    } else if (!i || i->token != e->install.token) {
        answer(c, l, e, STATUS_NOT_FOUND);
    } else if (e->type == EFFECT_INSTALL_CHUNK) {
        struct buf *f = &i->files[e->install.file];
        if (f->size != e->install.offset)
            cluster_fail(c, "group %u: a piece at the wrong place",
                         r->group);
        buf_append(f, w->bytes.data, w->bytes.size);
        answer(c, l, e, STATUS_OK);
    } else {
        commit(c, l, r, e);
    }
out:
    buf_release(&w->bytes);
    free(w);
}

static void install(struct cluster *c, struct sim_loop *l,
                    struct sim_replica *r, const struct effect *e)
{
    struct installing *w = xcalloc(1, sizeof *w);

    w->effect = *e;
    if (e->type == EFFECT_INSTALL_COMMIT && r->install)
        r->install->committing = true;
    if (e->type == EFFECT_INSTALL_CHUNK) {
        if (e->install.file >= CHECKPOINT_FILES)
            cluster_fail(c, "group %u: a piece of no file", e->group);
        buf_append(&w->bytes, e->install.bytes.data, e->install.bytes.size);
    }
    cluster_later(c, l, cluster_draw(c, STREAM_STORE, c->store_max),
                  install_step, w);
}

/* The RESET is durable: the new store takes the place of the old. */
static void reset_done(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct sim_replica *r = arg;
    struct install *i = r->install;
    struct event e = {.type = EVENT_INSTALL};
    struct write_set kept = {0};

    if (dropped)
        return;
    if (PLANTED(RESET_BEFORE_CURRENT))
        switch_store(r);
    c->count.installs++;
    cluster_say(c, "node %u installed group %u", l->node->id, r->group);
    mem_store_free(r->open);
    r->open = r->current;
    r->install = NULL;
    if (c->judge.applied)
        c->judge.applied(c->judge.arg, l->node, r);
    e.install.group = r->group;
    e.install.token = i->token;
    e.install.slots = mem_table_single(&r->open->live, LAYOUT_SLOTS);
    e.install.map = mem_table_single(&r->open->live, LAYOUT_MAP);
    e.install.clock_ms = mem_table_record(&r->open->live).clock_ms;
    mem_table_kept(&r->open->live, &kept);
    e.install.kept = &kept;
    loop_step(c, l, &e);
    write_set_release(&kept);
    install_free(i);
}

void snapshot_durable(struct cluster *c, struct sim_node *n)
{
    for (unsigned k = 0; n->up && k < n->n_replicas; k++) {
        struct sim_replica *r = &n->replicas[k];
        struct install *i = r->install;
        if (!i || !i->ticket || wal_durable(n->journal.wal) < i->ticket)
            continue;
        i->ticket = 0;
        loop_letter(c, &n->loops[0], loop_of(n, r->group), reset_done, r);
    }
}

void snapshot_forget(struct sim_replica *r)
{
    install_free(r->install);
    r->install = NULL;
    while (r->checkpoints) {
        struct checkpoint *k = r->checkpoints;
        r->checkpoints = k->next;
        checkpoint_free(k);
    }
}

void snapshot_carry_out(struct cluster *c, struct sim_loop *l,
                        const struct effect *e)
{
    struct sim_replica *r = cluster_replica(l->node, e->group);

    if (!r)
        cluster_fail(c, "node %u has no group %u", l->node->id, e->group);
    switch (e->type) {
    case EFFECT_CHECKPOINT:
        make(c, l, e);
        break;
    case EFFECT_CHECKPOINT_DROP:
        drop(c, r, e->checkpoint.token);
        break;
    case EFFECT_SERVE_CHUNK:
        serve(c, l, r, e);
        break;
    case EFFECT_INSTALL_BEGIN:
    case EFFECT_INSTALL_CHUNK:
    case EFFECT_INSTALL_COMMIT:
        install(c, l, r, e);
        break;
    default:
        cluster_fail(c, "an unknown effect %d", (int)e->type);
    }
}
