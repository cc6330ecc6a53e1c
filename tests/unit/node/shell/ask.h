/* ask.h - a blocking connection to a daemon's door, frames by the real codec.
 *
 * For what the client library never does: one certain node, wrong frames, the
 * steps of cluster init one by one. */
#ifndef TESTS_UNIT_NODE_SHELL_ASK_H
#define TESTS_UNIT_NODE_SHELL_ASK_H

#include "proto/codec.h"
#include "proto/map.h"
#include "rpc/frame.h"
#include "tests/unit/node/shell/scratch.h"

struct ask {
    int fd;
    uint64_t id;
    struct buf in;     /* the reply's frame, whole */
    size_t taken;      /* of `in`, by replies given earlier */
    struct frame_header h;
    struct slice payload; /* of the reply; valid until the next one */
    struct arena arena;
};

/* Connect to loopback; the test fails if nobody listens. */
void ask_open(struct ask *a, uint16_t port);
void ask_close(struct ask *a);

/* Send one frame of any kind; `payload` may be empty. */
void ask_send(struct ask *a, uint8_t kind, uint16_t type, uint64_t id,
              struct slice payload);
void ask_send_bytes(struct ask *a, struct slice bytes);
/* Wait for the next frame: fills h and payload. False: it was closed. */
bool ask_receive(struct ask *a);
/* Wait for the next frame, but no longer than this: 1 a frame, 0 closed, -1
 * the time is over. */
int ask_receive_within(struct ask *a, int ms);

/* One request and its reply, which must be of this type. The payload `q` is
 * released. */
void ask_one(struct ask *a, uint16_t type, struct buf *q, uint16_t want);

/* Whole exchanges. */
enum status ask_set(struct ask *a, const char *key, const char *value);
enum status ask_set_bytes(struct ask *a, struct slice key,
                          struct slice value);
/* Set, again while the node says that it was not done, or that nobody knows: it
 * must succeed. */
void ask_must_set(struct ask *a, const char *key, const char *value);
/* The value must be this one; NULL: there must be none. Asks again as above. */
void ask_get(struct ask *a, const char *key, const char *value);
enum status ask_delete(struct ask *a, const char *key);
struct node_status ask_status(struct ask *a); /* borrows from the arena */
struct map_reply ask_map(struct ask *a, uint64_t epoch_known);
struct init_reply ask_init(struct ask *a, enum init_step step,
                           const struct cluster_map *map);
/* The same without waiting for the reply. */
void ask_init_send(struct ask *a, enum init_step step,
                   const struct cluster_map *map);

/* The initial map of a cluster of this one node (asked for its status), with
 * this many data groups. The caller frees it. */
struct cluster_map *ask_initial_map(struct ask *a, uint8_t cluster,
                                    unsigned data_groups);
/* All three steps, which must work. */
void ask_init_all(struct ask *a, const struct cluster_map *map);

#endif
