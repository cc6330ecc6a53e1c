/* cmd_status.c - the command status: nodes and groups as they are now. */
#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/cli.h"
#include "client/cli/report.h"
#include "client/cli/survey.h"

static const struct argp status_argp = {
    .args_doc = "",
    .children = cli_common,
    .doc =
    "Ask every node how it is. Exits with 3 if nobody answers; \"healthy\" of "
    "-o json is true if every node answers and every group has a leader and "
    "all of its replicas.",
};

static const char *text_of(struct slice s, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)MIN_OF(s.size, size - 1),
             s.size ? (const char *)s.data : "");
    return to;
}

/* ---- tables ---- */

static void node_row(struct report *r, const struct survey_node *n)
{
    const struct node_status *s = &n->status;
    char id[16], state[32], version[32], up[32], boots[24], memory[16], wal[16],
        syncs[24], requests[24], peers[16];
    const char *cells[] = {id, n->text, state, version, up, boots, memory, wal,
                           syncs, requests, peers};

    if (!n->answered) {
        const char *dead[ARRAY_LEN(cells)] = {id, n->text, "unreachable"};
        snprintf(id, sizeof id, "%" PRIu32, n->in_map ? n->in_map->id : 0);
        report_row(r, dead);
        return;
    }
    snprintf(id, sizeof id, "%" PRIu32, s->node);
    text_of(s->state, state, sizeof state);
    text_of(s->version, version, sizeof version);
    time_format(s->uptime_ms, up);
    snprintf(boots, sizeof boots, "%" PRIu64, s->boot_count);
    size_format(s->resident_bytes, memory);
    size_format(s->wal_bytes, wal);
    snprintf(syncs, sizeof syncs, "%" PRIu64, s->wal_syncs);
    snprintf(requests, sizeof requests, "%" PRIu64, s->requests);
    snprintf(peers, sizeof peers, "%u", s->n_peers_up);
    report_row(r, cells);
}

static void print_nodes(struct cli *cli, const struct survey *s)
{
    static const struct report_column columns[] = {
        {"NODE", true}, {"ADDRESS", false}, {"STATE", false},
        {"VERSION", false}, {"UP", true}, {"BOOTS", true}, {"MEMORY", true},
        {"WAL", true}, {"SYNCS", true}, {"REQUESTS", true}, {"PEERS", true}};
    struct report r;

    report_init(&r, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < s->n_nodes; i++)
        node_row(&r, &s->nodes[i]);
    report_print(&r, cli->out);
    report_release(&r);
}

/* "1 2* 3(lost)": the nodes of a group's replicas, the leader with a star. */
static void replicas_text(const struct survey *s, const struct map_group *g,
                          uint32_t leader, char *to, size_t size)
{
    size_t at = 0;

    to[0] = 0;
    for (unsigned i = 0; i < g->n_replicas && at < size; i++) {
        uint32_t node = g->replicas[i].node;
        const struct replica_status *r = survey_replica(s, node, g->id);
        char role[32];
        bool usual = r && (slice_equal(r->role, slice_str("leader")) ||
                           slice_equal(r->role, slice_str("follower")));
        text_of(r ? r->role : slice_str("unreachable"), role, sizeof role);
        at += (size_t)snprintf(to + at, size - at, "%s%" PRIu32 "%s%s%s%s",
                               i ? " " : "", node, node == leader ? "*" : "",
                               usual ? "" : "(", usual ? "" : role,
                               usual ? "" : ")");
    }
}

static void group_row(struct report *r, const struct survey *s, unsigned i)
{
    const struct map_group *g = &s->map->groups[i];
    struct survey_group v = survey_group(s, i);
    char id[24], slots[16], leader[16], replicas[256], term[24], commit[24],
        applied[24], lag[24], bytes[16], keys[24];
    const char *cells[] = {id, slots, leader, replicas, term, commit, applied,
                           lag, bytes, keys};

    snprintf(id, sizeof id, g->id ? "%" PRIu32 : "meta", g->id);
    snprintf(slots, sizeof slots, "%u", map_slots_of(s->map, g->id));
    snprintf(leader, sizeof leader, "%" PRIu32, v.leader);
    replicas_text(s, g, v.leader, replicas, sizeof replicas);
    snprintf(term, sizeof term, "%" PRIu64, v.term);
    snprintf(commit, sizeof commit, "%" PRIu64, v.commit);
    snprintf(applied, sizeof applied, "%" PRIu64, v.applied_min);
    snprintf(lag, sizeof lag, "%" PRIu64, v.lag);
    size_format(v.bytes, bytes);
    snprintf(keys, sizeof keys, "%" PRIu64, v.keys);
    if (!v.lag_known)
        cells[7] = "?";
    if (!v.leader) {
        cells[2] = "none";
        cells[4] = cells[5] = cells[7] = "-"; /* what only a leader knows */
    }
    report_row(r, cells);
}

static void print_groups(struct cli *cli, const struct survey *s)
{
    static const struct report_column columns[] = {
        {"GROUP", true}, {"SLOTS", true}, {"LEADER", true},
        {"REPLICAS", false}, {"TERM", true}, {"COMMITTED", true},
        {"APPLIED", true}, {"LAG", true}, {"SIZE", true}, {"~KEYS", true}};
    struct report r;

    report_init(&r, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < s->map->n_groups; i++)
        group_row(&r, s, i);
    report_print(&r, cli->out);
    report_release(&r);
}

/* A line per node that does not answer, and per note of one that does. */
static void print_troubles(struct cli *cli, const struct survey *s)
{
    const char *gap = "\n";

    for (unsigned i = 0; i < s->n_nodes; i++) {
        const struct survey_node *n = &s->nodes[i];
        char name[sizeof n->text];
        if (n->in_map)
            snprintf(name, sizeof name, "%" PRIu32, n->in_map->id);
        else
            snprintf(name, sizeof name, "%s", n->text);
        if (!n->answered) {
            fprintf(cli->out, "%snode %s: %s\n", gap, name, n->trouble);
            gap = "";
        }
        for (unsigned k = 0; n->answered && k < n->status.n_notes; k++) {
            fprintf(cli->out, "%snode %s: %.*s\n", gap, name,
                    (int)n->status.notes[k].size,
                    (const char *)n->status.notes[k].data);
            gap = "";
        }
    }
}

static void print_tables(struct cli *cli, const struct survey *s)
{
    char cluster[33];

    if (s->map) {
        id_format(s->map->cluster, cluster);
        fprintf(cli->out, "cluster %s, map epoch %" PRIu64 "\n\n", cluster,
                s->map->epoch);
    } else {
        fprintf(cli->out, "no cluster yet: run `coatcheck cluster init`\n\n");
    }
    print_nodes(cli, s);
    if (s->map) {
        fputc('\n', cli->out);
        print_groups(cli, s);
    }
    print_troubles(cli, s);
}

/* ---- JSON ---- */

static json_t *replica_json(const struct replica_status *r)
{
    json_t *j = json_object();

    json_object_set_new(j, "group", json_integer(r->group));
    json_object_set_new(j, "replica", json_u64(r->replica));
    json_set_bytes(j, "role", r->role);
    json_object_set_new(j, "term", json_u64(r->term));
    json_object_set_new(j, "leader", json_integer(r->leader));
    json_object_set_new(j, "first_index", json_u64(r->first_index));
    json_object_set_new(j, "last_index", json_u64(r->last_index));
    json_object_set_new(j, "commit_index", json_u64(r->commit_index));
    json_object_set_new(j, "applied_index", json_u64(r->applied_index));
    json_object_set_new(j, "durable_index", json_u64(r->durable_index));
    json_object_set_new(j, "flushed_index", json_u64(r->flushed_index));
    json_object_set_new(j, "store_bytes", json_u64(r->store_bytes));
    json_object_set_new(j, "keys_estimate", json_u64(r->keys_estimate));
    json_object_set_new(j, "lag_max",
                        r->lag_known ? json_u64(r->lag_max) : json_null());
    return j;
}

static void node_lists(json_t *j, const struct node_status *s)
{
    json_t *replicas = json_array(), *peers = json_array(),
           *notes = json_array();

    for (unsigned i = 0; i < s->n_replicas; i++)
        json_array_append_new(replicas, replica_json(&s->replicas[i]));
    for (unsigned i = 0; i < s->n_peers_up; i++)
        json_array_append_new(peers, json_integer(s->peers_up[i]));
    for (unsigned i = 0; i < s->n_notes; i++)
        json_array_append_new(notes,
                              json_stringn((const char *)s->notes[i].data,
                                           s->notes[i].size));
    json_object_set_new(j, "peers_up", peers);
    json_object_set_new(j, "notes", notes);
    json_object_set_new(j, "replicas", replicas);
}

static json_t *node_json(const struct survey_node *n)
{
    const struct node_status *s = &n->status;
    json_t *j = json_object();
    char id[33];

    json_object_set_new(j, "node", json_integer(n->answered ? s->node
                                   : n->in_map ? n->in_map->id : 0));
    json_object_set_new(j, "address", json_string(n->text));
    json_object_set_new(j, "reachable", json_boolean(n->answered));
    if (!n->answered) {
        json_object_set_new(j, "error", json_string(n->trouble));
        return j;
    }
    id_format(s->directory.data, id);
    json_object_set_new(j, "directory", json_string(id));
    json_set_bytes(j, "state", s->state);
    json_set_bytes(j, "version", s->version);
    json_set_bytes(j, "client_address", s->client_address);
    json_set_bytes(j, "peer_address", s->peer_address);
    json_object_set_new(j, "uptime_ms", json_u64(s->uptime_ms));
    json_object_set_new(j, "boot_count", json_u64(s->boot_count));
    json_object_set_new(j, "map_epoch", json_u64(s->map_epoch));
    json_object_set_new(j, "resident_bytes", json_u64(s->resident_bytes));
    json_object_set_new(j, "wal_bytes", json_u64(s->wal_bytes));
    json_object_set_new(j, "wal_syncs", json_u64(s->wal_syncs));
    json_object_set_new(j, "requests", json_u64(s->requests));
    node_lists(j, s);
    return j;
}

static json_t *groups_json(const struct survey *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; s->map && i < s->map->n_groups; i++) {
        struct survey_group v = survey_group(s, i);
        const struct map_group *g = &s->map->groups[i];
        json_t *j = json_object();
        json_object_set_new(j, "group", json_integer(g->id));
        json_object_set_new(j, "slots",
                            json_integer(map_slots_of(s->map, g->id)));
        json_object_set_new(j, "leader", json_integer(v.leader));
        json_object_set_new(j, "replicas", json_integer(g->n_replicas));
        json_object_set_new(j, "replicas_up", json_integer(v.replicas_up));
        json_object_set_new(j, "term", json_u64(v.term));
        json_object_set_new(j, "commit_index", json_u64(v.commit));
        json_object_set_new(j, "applied_min", json_u64(v.applied_min));
        json_object_set_new(j, "lag",
                            v.lag_known ? json_u64(v.lag) : json_null());
        json_object_set_new(j, "bytes", json_u64(v.bytes));
        json_object_set_new(j, "keys_estimate", json_u64(v.keys));
        json_array_append_new(list, j);
    }
    return list;
}

static void print_json(struct cli *cli, const struct survey *s, bool healthy)
{
    json_t *j = json_object(), *nodes = json_array();
    char id[33];

    if (s->map) {
        id_format(s->map->cluster, id);
        json_object_set_new(j, "cluster", json_string(id));
        json_object_set_new(j, "epoch", json_u64(s->map->epoch));
    } else {
        json_object_set_new(j, "cluster", json_null());
    }
    json_object_set_new(j, "healthy", json_boolean(healthy));
    for (unsigned i = 0; i < s->n_nodes; i++)
        json_array_append_new(nodes, node_json(&s->nodes[i]));
    json_object_set_new(j, "nodes", nodes);
    json_object_set_new(j, "groups", groups_json(s));
    json_print(j, cli->out);
}

/* ---- the command ---- */

static bool is_healthy(const struct survey *s)
{
    if (!s->map)
        return false;
    for (unsigned i = 0; i < s->n_nodes; i++)
        if (!s->nodes[i].answered)
            return false;
    for (unsigned i = 0; i < s->map->n_groups; i++) {
        struct survey_group v = survey_group(s, i);
        if (!v.leader || v.replicas_up < s->map->groups[i].n_replicas)
            return false;
    }
    return true;
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
    struct survey s;
    bool healthy;
    int code;

    if (cli_parse(cli, &status_argp, argc, argv, NULL))
        return EXIT_USAGE;
    code = survey_map(cli, &s);
    if (code) {
        survey_release(&s);
        return code;
    }
    survey_nodes(cli, &s);
    healthy = is_healthy(&s);
    if (cli->output == OUTPUT_JSON)
        print_json(cli, &s, healthy);
    else
        print_tables(cli, &s);
    survey_release(&s);
    return EXIT_DONE;
}
