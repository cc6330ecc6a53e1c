/* cmd_cluster.c - the command cluster init: blank nodes become a cluster.
 *
 * Three steps, each made durable on every node before the next begins: ACCEPT
 * the cluster id and the initial map, CREATE the replicas, ACTIVATE them. It
 * may be interrupted anywhere and repeated: a map that some node has accepted
 * is taken up again, and a node of another cluster is refused by name. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/cli/ask.h"
#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "client/cli/survey.h"
#include "proto/codec.h"
#include "rpc/types.h"

/* ---- arguments ---- */

struct init_args {
    unsigned groups;   /* 0: by the number of nodes */
    unsigned replicas; /* 0: min(3, nodes) */
};

static const struct argp_option init_options[] = {
    {"groups", 'g', "N", 0,
     "Data groups, 1 to 1024 (default: two per node)", 0},
    {"replicas", 'r', "R", 0,
     "Replicas of each, at most one per node (default: 3, or as many as there "
     "are nodes)", 0},
    {0},
};

static unsigned number(const char *arg, unsigned max, const char *name,
                       struct argp_state *state)
{
    char *end;
    unsigned long n = strtoul(arg, &end, 10);

    if (*end || end == arg || arg[0] == '-' || !n || n > max)
        argp_error(state, "--%s is 1 to %u, not '%s'", name, max, arg);
    return (unsigned)n;
}

static error_t init_take(int key, char *arg, struct argp_state *state)
{
    struct init_args *a = state->input;

    switch (key) {
    case 'g':
        a->groups = number(arg, GROUP_COUNT_MAX, "groups", state);
        return 0;
    case 'r':
        a->replicas = number(arg, REPLICA_COUNT_MAX, "replicas", state);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s'? The nodes are given with -e", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp init_argp = {
    init_options, init_take, "",
    "Make one cluster of the nodes given with -e, all of them. May be "
    "repeated, also after it was interrupted.", cli_common, NULL,
    NULL};

/* ---- the nodes ---- */

struct init_node {
    struct address address;
    char text[ADDRESS_MAX + 1]; /* as given */
    struct map_node node;       /* what it says of itself */
    bool has_cluster;
    uint8_t cluster[ID_BYTES];
    struct buf map; /* what to send it: the map it accepted, or the new one */
};

struct init {
    struct cli *cli;
    struct init_args args;
    struct init_node nodes[CLI_NODES_MAX];
    unsigned n;
};

static bool copy_address(struct slice from, char *to)
{
    if (!from.size || from.size > ADDRESS_MAX)
        return false;
    memcpy(to, from.data, from.size);
    to[from.size] = 0;
    return true;
}

static int read_status(struct init *in, unsigned i, const struct ask *a)
{
    struct init_node *n = &in->nodes[i];
    struct status_reply m;
    struct arena arena;
    int code = 0;

    if (a->status)
        return cli_fail(in->cli, n->text, (enum coat_status)a->status,
                        a->detail);
    arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
    if (status_reply_decode(buf_slice(&a->reply), &arena, &m) || m.status ||
        !m.has_node ||
        !copy_address(m.node.client_address, n->node.client_address) ||
        !copy_address(m.node.peer_address, n->node.peer_address)) {
        code = cli_error(in->cli, EXIT_REFUSED,
                         "%s: its status cannot be read; is it another "
                         "version?", n->text);
    } else {
        n->node.id = i + 1;
        memcpy(n->node.directory, m.node.directory.data, ID_BYTES);
        n->has_cluster = m.node.cluster.size == ID_BYTES;
        if (n->has_cluster)
            memcpy(n->cluster, m.node.cluster.data, ID_BYTES);
    }
    arena_release(&arena);
    return code;
}

/* Every node has to answer: a cluster is made of all of them or of none. */
static int ask_nodes(struct init *in)
{
    struct address addresses[CLI_NODES_MAX];
    struct ask asks[CLI_NODES_MAX] = {0};
    int code = 0;

    if (!cli_endpoints(in->cli, addresses, &in->n))
        return EXIT_USAGE;
    for (unsigned i = 0; i < in->n; i++) {
        in->nodes[i].address = asks[i].address = addresses[i];
        address_format(&addresses[i], in->nodes[i].text);
        asks[i].type = MESSAGE_STATUS;
    }
    ask_all(asks, in->n, MS(in->cli->timeout));
    for (unsigned i = 0; i < in->n && !code; i++)
        code = read_status(in, i, &asks[i]);
    ask_release(asks, in->n);
    return code;
}

/* ---- the map ---- */

/* Two endpoints of one node, or nodes of two clusters? */
static int check_nodes(struct init *in)
{
    const struct init_node *first = NULL;

    for (unsigned i = 0; i < in->n; i++) {
        const struct init_node *a = &in->nodes[i];
        char x[33], y[33];
        for (unsigned k = 0; k < i; k++)
            if (!memcmp(a->node.directory, in->nodes[k].node.directory,
                        ID_BYTES))
                return cli_error(in->cli, EXIT_USAGE,
                                 "%s and %s are the same node: name each once",
                                 in->nodes[k].text, a->text);
        if (!a->has_cluster)
            continue;
        first = first ? first : a;
        if (!memcmp(first->cluster, a->cluster, ID_BYTES))
            continue;
        id_format(first->cluster, x);
        id_format(a->cluster, y);
        return cli_error(in->cli, EXIT_REFUSED,
                         "%s belongs to cluster %s and %s to cluster %s: they "
                         "cannot be made one", first->text, x, a->text, y);
    }
    return 0;
}

/* A new cluster of all nodes. */
static int new_map(struct init *in, struct buf *out)
{
    struct map_node nodes[CLI_NODES_MAX];
    struct map_plan plan = {
        .nodes = nodes,
        .n_nodes = in->n,
        .data_groups = in->args.groups ? in->args.groups : 2 * in->n,
        .replicas = in->args.replicas,
    };
    struct cluster_map *map;
    const char *why;

    for (unsigned i = 0; i < in->n; i++)
        nodes[i] = in->nodes[i].node;
    if (getrandom(plan.cluster, ID_BYTES, 0) != ID_BYTES)
        return cli_error(in->cli, EXIT_REFUSED, "no random bytes: %s",
                         strerror(errno));
    if (map_initial(&plan, &map, &why))
        return cli_error(in->cli, EXIT_USAGE, "cluster init: %s", why);
    map_encode(map, out);
    map_free(map);
    return 0;
}

/* One step with one map per node; the answers are in `asks`. */
static void ask_step(struct init *in, enum init_step step, struct ask *asks)
{
    struct buf payloads[CLI_NODES_MAX] = {0};

    for (unsigned i = 0; i < in->n; i++) {
        struct init_request m = {step, buf_slice(&in->nodes[i].map)};
        init_request_encode(&m, &payloads[i]);
        asks[i] = (struct ask){.address = in->nodes[i].address,
                               .type = MESSAGE_INIT,
                               .payload = buf_slice(&payloads[i])};
    }
    ask_all(asks, in->n, MS(in->cli->timeout));
    for (unsigned i = 0; i < in->n; i++)
        buf_release(&payloads[i]);
}

/* Ask a node that is in a cluster already for the map it has accepted, by
 * proposing another one. */
static int accepted_map(struct init *in, struct init_node *n,
                        struct slice proposal)
{
    struct init_request m = {INIT_ACCEPT, proposal};
    struct buf payload = {0};
    struct ask a = {.address = n->address, .type = MESSAGE_INIT};
    struct init_reply reply;
    int code = 0;

    init_request_encode(&m, &payload);
    a.payload = buf_slice(&payload);
    ask_all(&a, 1, MS(in->cli->timeout));
    if (a.status)
        code = cli_fail(in->cli, n->text, (enum coat_status)a.status,
                        a.detail);
    else if (init_reply_decode(buf_slice(&a.reply), &reply) ||
             !reply.map.size)
        code = cli_error(in->cli, EXIT_REFUSED,
                         "%s does not say which map it has accepted", n->text);
    else
        buf_append(&n->map, reply.map.data, reply.map.size);
    ask_release(&a, 1);
    buf_release(&payload);
    return code;
}

static bool is_initial(const struct cluster_map *map)
{
    for (unsigned i = 0; i < map->n_groups; i++)
        for (unsigned k = 0; k < map->groups[i].n_replicas; k++)
            if (map->groups[i].replicas[k].state != REPLICA_CREATING)
                return false;
    return true;
}

/* What the blank nodes get: the initial map that another one has accepted. */
static int take_up(struct init *in, const struct buf *initial)
{
    for (unsigned i = 0; i < in->n; i++) {
        struct init_node *n = &in->nodes[i];
        if (n->has_cluster)
            continue;
        if (!initial->size)
            return cli_error(in->cli, EXIT_REFUSED,
                             "%s is blank, but the other nodes run as a "
                             "cluster already: leave it out", n->text);
        buf_append(&n->map, initial->data, initial->size);
    }
    return 0;
}

/* Does the accepted map consist of the nodes that were given? */
static int check_members(struct init *in, const struct cluster_map *map)
{
    for (unsigned i = 0; i < in->n; i++)
        if (!map_node_of_directory(map, in->nodes[i].node.directory))
            return cli_error(in->cli, EXIT_REFUSED,
                             "%s is not part of the cluster that was begun "
                             "with the other nodes: leave it out",
                             in->nodes[i].text);
    for (unsigned k = 0; k < map->n_nodes; k++) {
        unsigned i = 0;
        while (i < in->n && memcmp(in->nodes[i].node.directory,
                                   map->nodes[k].directory, ID_BYTES) != 0)
            i++;
        if (i == in->n)
            return cli_error(in->cli, EXIT_USAGE,
                             "%s belongs to this cluster, too: add it to -e",
                             map->nodes[k].client_address);
    }
    return 0;
}

static int choose_maps(struct init *in)
{
    struct buf fresh = {0}, initial = {0};
    int code = new_map(in, &fresh);
    unsigned old = 0;

    for (unsigned i = 0; i < in->n && !code; i++) {
        struct init_node *n = &in->nodes[i];
        struct cluster_map *map = NULL;
        if (!n->has_cluster)
            continue;
        old++;
        code = accepted_map(in, n, buf_slice(&fresh));
        if (!code && map_decode(buf_slice(&n->map), &map))
            code = cli_error(in->cli, EXIT_REFUSED,
                             "%s has a map that cannot be read", n->text);
        if (!code)
            code = check_members(in, map);
        if (!code && !initial.size && is_initial(map))
            buf_append(&initial, n->map.data, n->map.size);
        map_free(map);
    }
    if (!code)
        code = take_up(in, old ? &initial : &fresh);
    buf_release(&fresh);
    buf_release(&initial);
    return code;
}

/* ---- the steps ---- */

static int run_step(struct init *in, enum init_step step, const char *verb)
{
    struct ask asks[CLI_NODES_MAX];
    char what[ADDRESS_MAX + 64];
    int code = 0;

    ask_step(in, step, asks);
    for (unsigned i = 0; i < in->n && !code; i++) {
        struct init_reply m = {0};
        char detail[160] = "";
        enum status rv = asks[i].status;
        snprintf(what, sizeof what, "cluster init: %s does not %s",
                 in->nodes[i].text, verb);
        if (!rv && (rv = init_reply_decode(buf_slice(&asks[i].reply), &m)))
            m = (struct init_reply){0};
        rv = rv ? rv : m.status;
        if (m.detail.size)
            snprintf(detail, sizeof detail, "%.*s", (int)m.detail.size,
                     (const char *)m.detail.data);
        if (rv)
            code = cli_fail(in->cli, what, (enum coat_status)rv,
                            detail[0] ? detail : asks[i].detail);
    }
    ask_release(asks, in->n);
    return code;
}

/* Wait until every group has a leader, so that whoever comes next is served. */
static int wait_for_leaders(struct init *in, struct survey *s)
{
    for (unsigned turn = 0; turn < in->cli->timeout / 50; turn++) {
        const struct timespec pause = {0, 50 * 1000 * 1000};
        unsigned led = 0;
        int code = survey_map(in->cli, s);
        if (code)
            return code;
        for (unsigned i = 0; s->map && i < s->map->n_groups; i++)
            led += s->leaders[i] != 0;
        if (s->map && led == s->map->n_groups)
            return 0;
        survey_release(s);
        nanosleep(&pause, NULL);
    }
    return cli_error(in->cli, EXIT_UNAVAILABLE,
                     "cluster init: done, but not every group has a leader "
                     "yet: see `coatcheck status`");
}

/* The map that was accepted first stays: say so to whom wishes another. */
static void note_wishes(const struct init *in, const struct cluster_map *map)
{
    static const char note[] = "coatcheck: cluster init: --%s %u changes "
                               "nothing: the cluster was made with %u\n";
    unsigned groups = map->n_groups - 1; /* but for the meta group */
    unsigned replicas = map->groups[groups].n_replicas;

    if (in->args.groups && in->args.groups != groups)
        fprintf(in->cli->err, note, "groups", in->args.groups, groups);
    if (in->args.replicas && in->args.replicas != replicas)
        fprintf(in->cli->err, note, "replicas", in->args.replicas, replicas);
}

static void announce(struct init *in, const struct survey *s)
{
    char id[33];
    json_t *j;

    id_format(s->map->cluster, id);
    if (in->cli->output == OUTPUT_JSON) {
        j = json_object();
        json_object_set_new(j, "cluster", json_string(id));
        json_object_set_new(j, "nodes", json_integer(s->map->n_nodes));
        json_object_set_new(j, "groups", json_integer(s->map->n_groups - 1));
        json_print(j, in->cli->out);
        return;
    }
    fprintf(in->cli->out, "cluster %s serves: %u nodes, %u groups\n", id,
            s->map->n_nodes, s->map->n_groups - 1);
}

static int init_run(struct cli *cli, int argc, char **argv)
{
    struct init *in = xcalloc(1, sizeof *in);
    struct survey s = {0};
    int code = EXIT_USAGE;

    in->cli = cli;
    if (!cli_parse(cli, &init_argp, argc, argv, &in->args))
        code = ask_nodes(in);
    if (!code)
        code = check_nodes(in);
    if (!code)
        code = choose_maps(in);
    if (!code)
        code = run_step(in, INIT_ACCEPT, "accept the map");
    if (!code)
        code = run_step(in, INIT_CREATE, "create its replicas");
    if (!code)
        code = run_step(in, INIT_ACTIVATE, "start its replicas");
    if (!code)
        code = wait_for_leaders(in, &s);
    if (!code)
        note_wishes(in, s.map);
    if (!code)
        announce(in, &s);
    survey_release(&s);
    for (unsigned i = 0; i < in->n; i++)
        buf_release(&in->nodes[i].map);
    free(in);
    return code;
}

/* ---- cluster ---- */

static error_t cluster_take(int key, char *arg, struct argp_state *state)
{
    int *at = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (strcmp(arg, "init") != 0)
            argp_error(state, "there is no command 'cluster %s'", arg);
        *at = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "cluster init?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp cluster_argp = {
    NULL, cluster_take, "init [ARGUMENTS...]",
    "Commands about the whole cluster.\v"
    "Commands:\n  init       make a cluster of blank nodes", NULL, NULL, NULL};

int cmd_cluster(struct cli *cli, int argc, char **argv)
{
    static char name[] = "coatcheck cluster init";
    int at = 0;

    if (cli_parse_in(&cluster_argp, argc, argv, ARGP_IN_ORDER, &at) || !at)
        return EXIT_USAGE;
    argv[at] = name;
    return init_run(cli, argc - at, argv + at);
}
