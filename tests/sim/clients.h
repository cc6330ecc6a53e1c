/* clients.h - clients of a simulated cluster: what they ask, and their history.
 *
 * Each has a connection to one node and asks there, several requests at once;
 * when the node dies it goes to another. Others (callers.h) route as the client
 * library does. While two nodes take themselves for a group's leader doubters
 * write through the newer one and ask the older one for what was just written.
 * Owners wire the judge's hooks to clients_replied and clients_died. */
#ifndef TESTS_SIM_CLIENTS_H
#define TESTS_SIM_CLIENTS_H

#include "tests/sim/callers.h"
#include "tests/sim/cluster.h"
#include "tests/sim/history.h"
#include "tests/sim/workload.h"

enum {
    CLIENTS_MAX = 12,
    CLIENT_DEPTH_MAX = 12,
    KEYS_PER_GROUP = 3,
    /* `conn` of reads of callers: each its own. */
    CALLER_READS = 1 << 20,
    DOUBTER_PLACE = 100, /* the first one's connections */
    CLIENT_KEYS_MAX = KEYS_PER_GROUP * CLUSTER_GROUPS_MAX,
};

struct clients;

struct client {
    struct clients *owner;
    uint64_t conn;     /* 0: none */
    unsigned generation;
    unsigned place;    /* the node's */
    size_t asked[CLIENT_DEPTH_MAX];
    unsigned outstanding;
    bool ahead;        /* a doubter's: read before what came before it */
};

struct clients {
    struct cluster *c;
    struct history h;
    struct client v[CLIENTS_MAX];
    unsigned n, depth;
    struct caller caller[CALLERS_MAX];
    unsigned n_callers;
    struct client doubter[CLUSTER_NODES_MAX]; /* one at each node */
    unsigned pause_max;      /* ms between bursts */
    uint64_t deadline_ms;    /* 0: at random */
    bool running;
    char keys[CLIENT_KEYS_MAX][16];
    unsigned n_keys;         /* key k belongs to group k / KEYS_PER_GROUP + 1 */
    bool registers;          /* no deletes: check.h can decide all of it */
    uint64_t ok, refused, unknown;
    uint64_t begun, begun_max; /* 0: no limit */
};

/* After it: l->pause_max, and callers by clients_callers(). */
void clients_init(struct clients *l, struct cluster *c, unsigned n,
                  unsigned depth);
void clients_callers(struct clients *l, unsigned n);
void clients_release(struct clients *l);
/* Count an answer. */
void clients_count(struct clients *l, enum status st);
/* Ask now and again, until clients_stop(). */
void clients_run(struct clients *l);
void clients_stop(struct clients *l);
/* One request by client `at` through node `n`, which is up; gives its number in
 * the history. */
size_t clients_ask(struct clients *l, unsigned at, struct sim_node *n,
                   enum op op, enum read_mode mode, unsigned key);
/* Requests that wait for an answer. */
unsigned clients_waiting(const struct clients *l);

void clients_replied(struct clients *l, const struct effect *e);
void clients_died(struct clients *l, struct sim_node *n);

#endif
