/* cmd_map.c - the command map: which nodes keep which groups and slots. */
#include <argp.h>
#include <inttypes.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "client/cli/survey.h"

static const struct argp map_argp = {
    .args_doc = "",
    .children = cli_common,
    .doc =
    "Print the cluster map: nodes, groups, replicas and the slots of each "
    "group. A * marks the leader as the answering node knows it.",
};

static const char *state_text(const struct map_replica *r)
{
    return r->state == REPLICA_ACTIVE ? "active" : "creating";
}

/* ---- tables ---- */

static void print_nodes(struct cli *cli, const struct cluster_map *map)
{
    static const struct report_column columns[] = {
        {"NODE", true}, {"CLIENTS", false}, {"PEERS", false},
        {"DIRECTORY", false}};
    struct report r;

    report_init(&r, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < map->n_nodes; i++) {
        const struct map_node *n = &map->nodes[i];
        char id[16], directory[33];
        const char *cells[] = {id, n->client_address, n->peer_address,
                               directory};
        snprintf(id, sizeof id, "%" PRIu32, n->id);
        id_format(n->directory, directory);
        report_row(&r, cells);
    }
    report_print(&r, cli->out);
    report_release(&r);
}

static void group_row(struct report *r, const struct survey *s, unsigned i)
{
    const struct map_group *g = &s->map->groups[i];
    char id[16], slots[16], share[16], replicas[512];
    const char *cells[] = {id, slots, share, replicas};
    unsigned n = map_slots_of(s->map, g->id);
    size_t at = 0;

    snprintf(id, sizeof id, g->id ? "%" PRIu32 : "meta", g->id);
    snprintf(slots, sizeof slots, "%u", n);
    snprintf(share, sizeof share, "%.2f%%", n * 100.0 / SLOT_COUNT);
    for (unsigned k = 0; k < g->n_replicas && at < sizeof replicas; k++) {
        const struct map_replica *p = &g->replicas[k];
        at += (size_t)snprintf(
            replicas + at, sizeof replicas - at,
            "%s%" PRIu32 "%s (replica %" PRIu64 "%s)", k ? ", " : "",
            p->node, p->node == s->leaders[i] ? "*" : "", p->id,
            p->state == REPLICA_ACTIVE ? "" : ", creating");
    }
    report_row(r, cells);
}

static void print_table(struct cli *cli, const struct survey *s)
{
    static const struct report_column columns[] = {
        {"GROUP", true}, {"SLOTS", true}, {"SHARE", true},
        {"ON NODES", false}};
    struct report r;
    char cluster[33];

    id_format(s->map->cluster, cluster);
    fprintf(cli->out, "cluster %s, map epoch %" PRIu64 "\n\n", cluster,
            s->map->epoch);
    print_nodes(cli, s->map);
    report_init(&r, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < s->map->n_groups; i++)
        group_row(&r, s, i);
    fputc('\n', cli->out);
    report_print(&r, cli->out);
    report_release(&r);
    fprintf(cli->out, "\nkeyspaces:");
    for (unsigned i = 0; i < s->map->n_keyspaces; i++)
        fprintf(cli->out, " %s", s->map->keyspaces[i].name);
    fputc('\n', cli->out);
}

/* ---- JSON ---- */

static json_t *nodes_json(const struct cluster_map *map)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < map->n_nodes; i++) {
        const struct map_node *n = &map->nodes[i];
        json_t *j = json_object();
        char directory[33];
        id_format(n->directory, directory);
        json_object_set_new(j, "node", json_integer(n->id));
        json_object_set_new(j, "directory", json_string(directory));
        json_object_set_new(j, "client_address",
                            json_string(n->client_address));
        json_object_set_new(j, "peer_address", json_string(n->peer_address));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *replicas_json(const struct map_group *g)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < g->n_replicas; i++) {
        json_t *j = json_object();
        json_object_set_new(j, "replica", json_u64(g->replicas[i].id));
        json_object_set_new(j, "node", json_integer(g->replicas[i].node));
        json_object_set_new(j, "state",
                            json_string(state_text(&g->replicas[i])));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *groups_json(const struct survey *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < s->map->n_groups; i++) {
        const struct map_group *g = &s->map->groups[i];
        json_t *j = json_object();
        json_object_set_new(j, "group", json_integer(g->id));
        json_object_set_new(j, "weight", json_integer(g->weight));
        json_object_set_new(j, "leader", json_integer(s->leaders[i]));
        json_object_set_new(j, "slots",
                            json_integer(map_slots_of(s->map, g->id)));
        json_object_set_new(j, "replicas", replicas_json(g));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *slots_json(const struct cluster_map *map)
{
    json_t *list = json_array(), *j = NULL;

    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        if (!s || map->owner[s] != map->owner[s - 1]) {
            j = json_object();
            json_object_set_new(j, "first", json_integer(s));
            json_object_set_new(j, "last", json_integer(s));
            json_object_set_new(j, "group", json_integer(map->owner[s]));
            json_array_append_new(list, j);
        }
        json_integer_set(json_object_get(j, "last"), s);
    }
    return list;
}

static void print_json(struct cli *cli, const struct survey *s)
{
    json_t *j = json_object(), *keyspaces = json_array();
    char cluster[33];

    id_format(s->map->cluster, cluster);
    json_object_set_new(j, "cluster", json_string(cluster));
    json_object_set_new(j, "epoch", json_u64(s->map->epoch));
    json_object_set_new(j, "nodes", nodes_json(s->map));
    json_object_set_new(j, "groups", groups_json(s));
    for (unsigned i = 0; i < s->map->n_keyspaces; i++)
        json_array_append_new(keyspaces,
                              json_string(s->map->keyspaces[i].name));
    json_object_set_new(j, "keyspaces", keyspaces);
    json_object_set_new(j, "slots", slots_json(s->map));
    json_print(j, cli->out);
}

int cmd_map(struct cli *cli, int argc, char **argv)
{
    struct survey s;
    int code;

    if (cli_parse(cli, &map_argp, argc, argv, NULL))
        return EXIT_USAGE;
    code = survey_map(cli, &s);
    if (!code && !s.map)
        code = cli_fail(cli, "map", COAT_NOT_INITIALISED, "");
    else if (!code && cli->output == OUTPUT_JSON)
        print_json(cli, &s);
    else if (!code)
        print_table(cli, &s);
    survey_release(&s);
    return code;
}
