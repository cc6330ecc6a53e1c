/* survey.c - see survey.h. */
#include "client/cli/survey.h"

#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "rpc/types.h"

enum { LEADERS_BYTES_MAX = 64 * 1024 };

/* ---- the map ---- */

static void take_map(struct survey *s, const struct map_reply *m)
{
    struct cluster_map *map;

    if (map_decode(m->map, &map))
        return;
    if (s->map && s->map->epoch >= map->epoch) {
        map_free(map);
        return;
    }
    map_free(s->map);
    free(s->leaders);
    s->map = map;
    s->leaders = xcalloc(map->n_groups, sizeof *s->leaders);
    for (unsigned i = 0; i < m->n_leaders; i++) {
        const struct map_group *g = map_group_find(map, m->leaders[i].group);
        if (g)
            s->leaders[g - map->groups] = m->leaders[i].node;
    }
}

/* OK, NOT_INITIALISED, or what went wrong. */
static enum status read_map(struct survey *s, struct ask *a)
{
    struct map_reply m;
    struct arena arena;
    enum status rv = a->status;

    if (rv)
        return rv;
    arena_init(&arena, NULL, 0, LEADERS_BYTES_MAX);
    rv = map_reply_decode(buf_slice(&a->reply), &arena, &m);
    if (!rv)
        rv = m.status;
    if (!rv)
        take_map(s, &m);
    arena_release(&arena);
    return rv;
}

static void add_node(struct survey *s, const char *text,
                     const struct map_node *in_map)
{
    struct survey_node *n = &s->nodes[s->n_nodes];
    char error[ADDRESS_ERROR_SIZE];

    snprintf(n->text, sizeof n->text, "%s", text);
    n->in_map = in_map;
    if (!address_parse(slice_str(text), 7410, &n->address, error))
        s->n_nodes++;
}

int survey_map(struct cli *cli, struct survey *s)
{
    struct address addresses[CLI_NODES_MAX];
    struct ask asks[CLI_NODES_MAX] = {0};
    enum status answered = STATUS_CONNECTION;
    unsigned n;
    int code = 0;

    *s = (struct survey){0};
    arena_init(&s->arena, NULL, 0, SIZE_MAX);
    if (!cli_endpoints(cli, addresses, &n))
        return EXIT_USAGE;
    for (unsigned i = 0; i < n; i++) {
        asks[i].address = addresses[i];
        asks[i].type = MESSAGE_MAP;
    }
    ask_all(asks, n, MS(cli->timeout));
    for (unsigned i = 0; i < n; i++) {
        enum status rv = read_map(s, &asks[i]);
        if (rv == STATUS_OK || rv == STATUS_NOT_INITIALISED)
            answered = STATUS_OK;
    }
    if (answered) {
        char what[256];
        snprintf(what, sizeof what, "nobody answers at %s", cli->endpoints);
        code = cli_fail(cli, what, (enum coat_status)asks[0].status,
                        asks[0].detail);
    }
    s->nodes = xcalloc(s->map ? s->map->n_nodes : n, sizeof *s->nodes);
    for (unsigned i = 0; s->map && i < s->map->n_nodes; i++)
        add_node(s, s->map->nodes[i].client_address, &s->map->nodes[i]);
    for (unsigned i = 0; !s->map && i < n; i++) {
        char text[ADDRESS_MAX + 1];
        address_format(&addresses[i], text);
        add_node(s, text, NULL);
    }
    ask_release(asks, n);
    return code;
}

/* ---- the nodes ---- */

static void read_node(struct survey *s, struct survey_node *n, struct ask *a)
{
    struct status_reply m;
    /* The arena keeps the texts; lists of the status live there, too. */
    uint8_t *bytes = arena_alloc(&s->arena, a->reply.size);

    if (!bytes)
        abort();
    snprintf(n->trouble, sizeof n->trouble, "%s",
             a->detail[0] ? a->detail : status_text(a->status));
    if (a->status)
        return;
    memcpy(bytes, a->reply.data, a->reply.size);
    if (status_reply_decode(slice_of(bytes, a->reply.size), &s->arena, &m) ||
        m.status || !m.has_node) {
        snprintf(n->trouble, sizeof n->trouble, "unreadable status");
        return;
    }
    n->answered = true;
    n->status = m.node;
}

void survey_nodes(struct cli *cli, struct survey *s)
{
    struct ask *asks = xcalloc(s->n_nodes, sizeof *asks);

    for (unsigned i = 0; i < s->n_nodes; i++) {
        asks[i].address = s->nodes[i].address;
        asks[i].type = MESSAGE_STATUS;
    }
    ask_all(asks, s->n_nodes, MS(cli->timeout));
    for (unsigned i = 0; i < s->n_nodes; i++)
        read_node(s, &s->nodes[i], &asks[i]);
    ask_release(asks, s->n_nodes);
    free(asks);
}

void survey_release(struct survey *s)
{
    map_free(s->map);
    free(s->leaders);
    free(s->nodes);
    arena_release(&s->arena);
    *s = (struct survey){0};
}

/* ---- groups ---- */

const struct replica_status *survey_replica(const struct survey *s,
                                            uint32_t node, uint32_t group)
{
    for (unsigned i = 0; i < s->n_nodes; i++) {
        const struct node_status *n = &s->nodes[i].status;
        if (!s->nodes[i].answered || n->node != node)
            continue;
        for (unsigned k = 0; k < n->n_replicas; k++)
            if (n->replicas[k].group == group)
                return &n->replicas[k];
    }
    return NULL;
}

struct survey_group survey_group(const struct survey *s, unsigned index)
{
    const struct map_group *g = &s->map->groups[index];
    struct survey_group out = {.applied_min = UINT64_MAX};

    for (unsigned i = 0; i < g->n_replicas; i++) {
        uint32_t node = g->replicas[i].node;
        const struct replica_status *r = survey_replica(s, node, g->id);
        bool leads;
        if (!r)
            continue;
        leads = slice_equal(r->role, slice_str("leader"));
        out.replicas_up += leads || slice_equal(r->role,
                                                slice_str("follower"));
        out.applied_min = MIN_OF(out.applied_min, r->applied_index);
        out.bytes = MAX_OF(out.bytes, r->store_bytes);
        out.keys = MAX_OF(out.keys, r->keys_estimate);
        /* Of two that call themselves leader the later term is right. */
        if (leads && r->term >= out.term) {
            out.leader = node;
            out.term = r->term;
            out.commit = r->commit_index;
            out.last = r->last_index;
            out.lag = r->lag_max;
            out.lag_known = r->lag_known;
        }
    }
    if (out.applied_min == UINT64_MAX)
        out.applied_min = 0;
    return out;
}
