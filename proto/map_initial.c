/* map_initial.c - the first map of a cluster, from what `cluster init` asks.
 *
 * Replicas are dealt in rounds of as many groups as there are nodes. Within a
 * round each node is preferred leader once and holds each further place once,
 * so that load is even; from round to round the distance between a group's
 * replicas changes, so that the groups of a dead node do not all lean on the
 * same neighbour. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/map.h"
#include "proto/slot.h"

enum { REPLICAS_DEFAULT = 3, WEIGHT_DEFAULT = 100 };

static unsigned gcd(unsigned a, unsigned b)
{
    while (b) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The `round`th of the steps that visit all of `n` places before repeating. */
static unsigned stride(unsigned n, unsigned round)
{
    unsigned coprimes = 0;

    for (unsigned s = 1; s < n; s++)
        coprimes += gcd(s, n) == 1;
    if (!coprimes)
        return 1;
    round %= coprimes;
    for (unsigned s = 1;; s++)
        if (gcd(s, n) == 1 && !round--)
            return s;
}

/* Deal the replicas of group `id` to nodes, the first to place `start`. */
static void deal(struct cluster_map *m, struct map_group *g, uint32_t id,
                 unsigned replicas, unsigned start, unsigned step)
{
    assert(replicas <= m->n_nodes && replicas <= REPLICA_COUNT_MAX);
    *g = (struct map_group){.id = id, .weight = WEIGHT_DEFAULT};
    for (unsigned k = 0; k < replicas; k++) {
        const struct map_node *node =
            &m->nodes[(start + k * step) % m->n_nodes];
        struct map_replica *r = &g->replicas[g->n_replicas++];
        r->id = m->next_replica++;
        r->node = node->id;
        memcpy(r->directory, node->directory, ID_BYTES);
        r->state = REPLICA_CREATING;
    }
}

static int compare_nodes(const void *x, const void *y)
{
    const struct map_node *a = x, *b = y;

    return a->id < b->id ? -1 : a->id > b->id;
}

static void fill_slots(struct cluster_map *m)
{
    unsigned n = m->n_groups - 1;
    struct ring_member *members = xcalloc(n, sizeof *members);

    for (unsigned i = 0; i < n; i++)
        members[i] = (struct ring_member){m->groups[i + 1].id,
                                          m->groups[i + 1].weight};
    ring_assign(members, n, m->owner);
    free(members);
}

static const char *plan_check(const struct map_plan *p)
{
    if (!p->n_nodes || p->n_nodes > NODE_COUNT_MAX)
        return "the number of nodes is out of range";
    if (!p->data_groups || p->data_groups > GROUP_COUNT_MAX)
        return "the number of groups is out of range (1 to 1024)";
    if (p->replicas > REPLICA_COUNT_MAX)
        return "the number of replicas is out of range (1 to 7)";
    if (p->replicas > p->n_nodes)
        return "there are fewer nodes than replicas wanted";
    return NULL;
}

static struct cluster_map *build(const struct map_plan *p)
{
    struct cluster_map *m = xcalloc(1, sizeof *m);
    unsigned n = p->n_nodes;
    unsigned replicas = p->replicas ? p->replicas : REPLICAS_DEFAULT;

    memcpy(m->cluster, p->cluster, ID_BYTES);
    m->epoch = 1;
    m->next_replica = 1;
    m->n_nodes = n;
    m->nodes = xcalloc(n, sizeof *m->nodes);
    memcpy(m->nodes, p->nodes, n * sizeof *m->nodes);
    qsort(m->nodes, n, sizeof *m->nodes, compare_nodes);
    m->n_keyspaces = 1;
    m->keyspaces = xcalloc(1, sizeof *m->keyspaces);
    memcpy(m->keyspaces[0].name, "default", sizeof "default");
    m->next_keyspace = 1;
    m->n_groups = p->data_groups + 1;
    m->groups = xcalloc(m->n_groups, sizeof *m->groups);
    /* The meta group is led by the node whose turn it is after the others. */
    deal(m, &m->groups[0], 0, n >= 5 ? 5 : MIN_OF(n, 3u), p->data_groups % n,
         1);
    for (unsigned g = 1; g < m->n_groups; g++)
        deal(m, &m->groups[g], g, MIN_OF(replicas, n), (g - 1) % n,
             stride(n, (g - 1) / n));
    fill_slots(m);
    return m;
}

enum status map_initial(const struct map_plan *plan, struct cluster_map **out,
                        const char **why)
{
    const char *text = plan_check(plan);
    struct cluster_map *m;

    *out = NULL;
    if (text) {
        if (why)
            *why = text;
        return STATUS_INVALID;
    }
    m = build(plan);
    if (map_check(m, why)) {
        map_free(m);
        return STATUS_INVALID;
    }
    *out = m;
    return STATUS_OK;
}
