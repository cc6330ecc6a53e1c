/* engine.h - the inside of a client: what its files share.
 *
 * link.c       connections to nodes: sending, receiving, up and down
 * map_fetch.c  asks for the cluster map, keeps the nodes' peers up to date
 * engine.c     where a request goes next, and how it ends
 * client.c     the public functions
 *
 * Callbacks of the caller run only from loop callbacks, at points where no list
 * is being walked. */
#ifndef CLIENT_ENGINE_H
#define CLIENT_ENGINE_H

#include <uv.h>

#include "proto/identity.h"
#include "client/options.h"
#include "client/request.h"
#include "client/routes.h"
#include "proto/base/rng.h"
#include "rpc/calls.h"
#include "rpc/dialer.h"

/* One connection to a node, number `index` of those to it. */
struct link {
    struct coat_client *client;
    struct peer *peer;
    struct dialer *dialer;
    bool up;
    bool heard;          /* a frame since it came up */
    instant hurried_at;  /* when its pause was cut short */
    enum status refused; /* the node refused the whole connection */
    struct request_list queue; /* wait for it to be up, or to drain */
    struct request_list sent;  /* by time of sending */
};

/* A node, by its client address. */
struct peer {
    struct peer *next;
    char text[ADDRESS_MAX + 1]; /* "host:port" */
    struct address address;
    bool endpoint;         /* the caller named it */
    bool in_map;
    instant suspect_until; /* others are tried first until then */
    struct link **links;   /* [connections_per_node], NULL: not opened */
};

struct map_fetch {
    bool wanted;
    struct request *pending; /* asked, not answered */
    instant next_at;         /* not before */
    unsigned in_a_row;       /* fetches without a pause */
    struct peer *turn;       /* asked last */
};

struct coat_client {
    uv_loop_t *loop;
    struct settings settings;
    struct conn_set *set;
    struct rng rng;
    unsigned forks; /* when it was made */

    struct routes routes;
    struct map_fetch map_fetch;
    struct peer *peers;
    bool peers_leaving; /* some are not in the map, but not idle yet */
    struct peer **node_peers; /* by node index of the map */

    struct calls calls; /* all requests, by id and deadline */
    struct order order;
    struct request_pool pool;
    struct identity identity;
    struct request_list ready, unrouted, parked, delayed;
    unsigned outstanding; /* the caller's */
    size_t bytes;         /* their payloads */
    struct coat_counters counters;
    char trouble[COAT_ERROR_MAX]; /* the last failure to reach a node */
    char denied[COAT_ERROR_MAX];  /* why nobody will give us a map */
    const char *why;              /* ... the last submission was refused */

    struct flow *flows, *flows_at; /* scans and watches; flow.h */

    uv_timer_t tick;
    bool ticking;
    unsigned ticks;
    bool closing;
    coat_on_close *on_close;
    void *on_close_user;
};

/* How a request ended or was refused; borrows. */
struct outcome {
    enum status status;
    struct slice value;
    uint64_t version;
    struct hint hint;
    struct slice detail;
    bool has_value;
    uint64_t argument, expire_at, clock;
};

static inline instant engine_now(const struct coat_client *c)
{
    return (instant){uv_now(c->loop)};
}

/* ---- engine.c ---- */

/* Find the way for a request that is READY or nowhere yet. May complete it only
 * if it was sent before. */
void engine_dispatch(struct coat_client *c, struct request *r);
/* Dispatch all that are ready. Only from loop callbacks. */
void engine_run(struct coat_client *c);
/* A reply of a node to the request `id`; unknown ids are ignored. */
void engine_reply(struct coat_client *c, struct link *l, uint64_t id,
                  const struct outcome *o);
/* The connection that `r` was sent on is gone. */
void engine_lost(struct coat_client *c, struct request *r, struct slice why);
/* Complete `r`: out of every table, then the callback. */
void engine_finish(struct coat_client *c, struct request *r,
                   const struct outcome *o);
/* A request that was not sent goes its way again a little later. */
void engine_delay(struct coat_client *c, struct request *r);
void engine_ready(struct coat_client *c, struct request *r);
/* The next write to a key may have waited for what just happened to another. */
void engine_wake_key(struct coat_client *c, uint32_t hash);
/* Have the tick run while there is something to do. */
void engine_wake(struct coat_client *c);
void engine_on_tick(uv_timer_t *timer);

/* ---- client.c ---- */

/* How often this process has come out of a fork. */
unsigned client_forks(void);

/* ---- link.c ---- */

/* The peer at this address, made if need be; NULL for an unreadable one. */
struct peer *peer_at(struct coat_client *c, const char *text);
void peer_suspect(struct coat_client *c, struct peer *p, uint64_t ms);
bool peer_is_suspect(const struct coat_client *c, const struct peer *p);
/* A connection of it that is up, or NULL. */
struct link *peer_up_link(const struct coat_client *c, const struct peer *p);
/* Connection number `index`, opened if need be. */
struct link *peer_link(struct coat_client *c, struct peer *p, unsigned index);
/* Begin to connect unless it does already. */
void link_start(struct link *l);
/* Send `r` now or when the connection is up and has room. */
void link_submit(struct link *l, struct request *r);
/* Tell the node that no more is wanted of this watch. */
void link_cancel(struct link *l, uint64_t id);
/* Stop connections to a peer without work. */
void peer_rest(struct coat_client *c, struct peer *p);
/* Reads that wait for an answer too long go elsewhere. */
void links_check(struct coat_client *c);
/* Free the peer and its connections; no request is on them any more. */
void peer_free(struct coat_client *c, struct peer *p);

/* ---- map_fetch.c ---- */

void map_fetch_want(struct coat_client *c);
void map_fetch_tick(struct coat_client *c);
/* This connection came up. */
void map_fetch_up(struct coat_client *c, struct link *l);
/* The answer to a map request; `l` is whose. */
void map_fetch_reply(struct coat_client *c, struct link *l, uint64_t id,
                     struct slice payload);
/* Free the peers that are not in the map any more, if they are idle. */
void peers_let_go(struct coat_client *c);
/* There will be no answer. */
void map_fetch_failed(struct coat_client *c, const struct outcome *o);

#endif
