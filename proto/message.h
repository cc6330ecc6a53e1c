/* message.h - the messages of client.proto as plain C structs.
 *
 * Byte strings are slices. A decoded message borrows from the frame it was
 * decoded from (and, where its decoder takes one, from an arena); it owns
 * nothing. Texts are slices without a NUL. proto/codec.h is their codec. */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/operation.h"

/* Cluster ids and data directory ids are 128 random bits. */
enum { ID_BYTES = 16 };

enum consistency {
    CONSISTENCY_LINEARIZABLE = 0, /* confirmed after the request arrived */
    CONSISTENCY_STALE = 1,        /* any replica's applied state */
};

/* Where a request should have gone. All zero is "no hint" and is not sent. */
struct hint {
    uint32_t group;       /* the slot's owner */
    uint32_t node;        /* its leader, 0 when unknown */
    struct slice address; /* that node's client address, "host:port" */
    uint64_t epoch;       /* the answering node's map epoch */
};

struct get_request {
    struct slice keyspace; /* name; empty is the default keyspace */
    struct slice key;
    enum consistency consistency;
};

struct get_reply {
    enum status status;
    struct slice value; /* with OK, may be empty */
    uint64_t version;   /* 0: none */
    struct hint hint;
    struct slice detail; /* for a person; empty: none */
    uint64_t expire_at;  /* the key's deadline; 0: none */
    uint64_t clock;      /* the group's, of a key with a deadline */
};

struct set_request {
    struct slice keyspace;
    struct slice key;
    struct slice value;
};

struct delete_request {
    struct slice keyspace;
    struct slice key;
};

/* Answers set and delete (NOT_FOUND: nothing was deleted). */
struct write_reply {
    enum status status;
    uint64_t version; /* 0: none */
    struct hint hint;
    struct slice detail;
};

/* Any operation; see client.proto. */
struct operate_request {
    struct slice keyspace;
    struct operation operation; /* borrows; checked (operation_check) */
    struct session session;     /* sequence 0: none */
};

struct operate_reply {
    struct operation_reply reply; /* borrows */
    struct hint hint;
    struct slice detail;
};

/* A page of a scan, or a watch: the body is laid out by scan.h and watch.h. */
struct stream_request {
    struct slice keyspace;
    struct slice body;
};

struct scan_reply {
    enum status status;
    struct slice page; /* with OK */
    struct hint hint;
    struct slice detail;
};

/* Answers what could not be read, or has no reply of its own. */
struct error_reply {
    enum status status;
    struct hint hint;
    struct slice detail;
};

struct map_request {
    uint64_t epoch_known; /* no map comes back if it is still this; 0: none */
};

struct group_leader {
    uint32_t group;
    uint32_t node; /* 0: unknown */
};

struct map_reply {
    enum status status;
    struct slice map; /* an encoded cluster map (proto/map.h); empty: none */
    const struct group_leader *leaders;
    unsigned n_leaders;
    struct slice detail;
    uint64_t clock_ms; /* the groups' clocks, about; 0: unknown */
};

/* What one replica reports of itself; see client.proto, ReplicaStatus. */
struct replica_status {
    uint32_t group;
    uint64_t replica;
    struct slice role;
    uint64_t term;
    uint32_t leader; /* node, 0: unknown */
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t applied_index;
    uint64_t durable_index;
    uint64_t flushed_index;
    uint64_t first_index;
    uint64_t store_bytes;
    uint64_t keys_estimate;
    bool lag_known;   /* on a leader that has heard of all voters */
    uint64_t lag_max; /* entries */
};

/* What one node reports of itself; see client.proto, NodeStatus. */
struct node_status {
    uint32_t node; /* 0 before cluster init */
    struct slice directory; /* ID_BYTES */
    struct slice cluster;   /* ID_BYTES; empty: none yet */
    struct slice version;
    uint64_t uptime_ms;
    uint64_t boot_count;
    struct slice client_address;
    struct slice peer_address;
    uint64_t map_epoch;
    const struct replica_status *replicas;
    unsigned n_replicas;
    uint64_t wal_bytes;
    uint64_t wal_syncs;
    uint64_t resident_bytes;
    uint64_t requests;
    const uint32_t *peers_up;
    unsigned n_peers_up;
    struct slice state;
    const struct slice *notes;
    unsigned n_notes;
};

/* The request has no fields and no struct: an empty payload. */
struct status_reply {
    enum status status;
    bool has_node;
    struct node_status node;
    struct slice detail;
};

/* The steps of cluster init; see client.proto, InitStep. */
enum init_step { INIT_ACCEPT = 0, INIT_CREATE = 1, INIT_ACTIVATE = 2 };

struct init_request {
    enum init_step step;
    struct slice map; /* encoded initial map */
};

struct init_reply {
    enum status status;
    struct slice detail;
    struct slice map; /* what the node accepted earlier, if another */
};

#endif
