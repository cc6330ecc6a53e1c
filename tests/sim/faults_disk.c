/* faults_disk.c - disks and stores. See faults.h. */
#include "tests/sim/faults_impl.h"

void fault_hung_disk(struct happening *h)
{
    struct sim_node *n = any_node(h);

    n->slow_disk_until = h->c->now + 100 + draw(h, 3000);
}

void fault_bad_sync(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        n->disk.sync_fails = true;
    rise_later(h, n);
}

static void space_again(struct cluster *c UNUSED,
                        struct sim_loop *none UNUSED, void *arg, bool dropped)
{
    struct sim_node *n = arg;

    if (!dropped)
        n->disk.full = n->nearly_full = false;
}

void fault_full_disk(struct happening *h)
{
    struct sim_node *n = any_node(h);

    cluster_say(h->c, "disk of node %u is full", n->id);
    n->disk.full = n->nearly_full = true;
    cluster_later(h->c, NULL, 300 + draw(h, 5000), space_again, n);
}

void fault_nearly_full(struct happening *h)
{
    struct sim_node *n = any_node(h);

    n->nearly_full = true;
    cluster_later(h->c, NULL, 300 + draw(h, 3000), space_again, n);
}

static void reads_again(struct cluster *c, struct sim_loop *none UNUSED,
                        void *arg UNUSED, bool dropped)
{
    if (!dropped)
        c->log_reads_fail = false;
}

void fault_bad_reads(struct happening *h)
{
    h->c->log_reads_fail = true;
    cluster_later(h->c, NULL, 200 + draw(h, 2000), reads_again, NULL);
}

/* What is damaged is found by reading it: often at the next start. */
static void damaged(struct happening *h, struct sim_node *n)
{
    n->damaged = true;
    if (n->up && draw(h, 1))
        start_crash(h->c, n);
    rise_later(h, n);
}

void fault_flip(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !disk_flip(&n->disk, &h->rng))
        return;
    cluster_say(h->c, "a bit flips in the log of node %u", n->id);
    damaged(h, n);
}

void fault_misdirect(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !disk_misdirect(&n->disk, &h->rng))
        return;
    cluster_say(h->c, "a write of node %u went elsewhere", n->id);
    damaged(h, n);
}

void fault_bad_store(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !n->n_replicas)
        return;
    n->replicas[draw(h, n->n_replicas - 1)].unreadable = true;
    damaged(h, n);
}

void fault_wipe(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n)
        return;
    if (n->up)
        start_crash(h->c, n);
    start_wipe(h->c, n, draw(h, 1));
    rise_later(h, n);
}

void fault_slow_disk(struct happening *h)
{
    spell(h, &h->c->disk_max, draw(h, 5) ? draw(h, 60) : draw(h, 1000), 3);
}

void fault_slow_store(struct happening *h)
{
    spell(h, &h->c->store_max, draw(h, 40), 1);
    spell(h, &h->c->stall, draw(h, 200), 0);
}
