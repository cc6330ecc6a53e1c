/* codec.c - the checks of requests, and StatusReply through protobuf-c.
 *
 * Status is rare and wide: generated code does it, with the caller's arena as
 * its allocator. See codec.h. */
#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

#include "proto/client.pb-c.h"
#include "proto/codec_arena.h"
#include "proto/limits.h"

enum status key_check(struct slice key)
{
    if (!key.size)
        return STATUS_KEY_EMPTY;
    return key.size > KEY_BYTES_MAX ? STATUS_KEY_TOO_LARGE : STATUS_OK;
}

enum status value_check(struct slice value)
{
    return value.size > VALUE_BYTES_MAX ? STATUS_VALUE_TOO_LARGE : STATUS_OK;
}

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

enum status keyspace_check(struct slice name)
{
    if (name.size > KEYSPACE_NAME_MAX)
        return STATUS_INVALID;
    for (size_t i = 0; i < name.size; i++)
        if (!is_name_byte(name.data[i]))
            return STATUS_INVALID;
    return STATUS_OK;
}

/* ---- status, encoding: generated structs in an arena of their own ---- */

static void *take(struct arena *a, size_t n, size_t size)
{
    void *p = arena_alloc(a, n * size);

    if (!p)
        abort(); /* bounded only by what the caller has in memory already */
    return memset(p, 0, n * size);
}

static char *text(struct arena *a, struct slice s)
{
    char *p = take(a, s.size + 1, 1);

    if (s.size)
        memcpy(p, s.data, s.size);
    return p;
}

static ProtobufCBinaryData binary(struct slice s)
{
    return (ProtobufCBinaryData){s.size, (uint8_t *)(uintptr_t)s.data};
}

static void replica_fill(struct arena *a, const struct replica_status *from,
                         Coat__Wire__ReplicaStatus *to)
{
    coat__wire__replica_status__init(to);
    to->group = from->group;
    to->replica = from->replica;
    to->role = text(a, from->role);
    to->term = from->term;
    to->leader = from->leader;
    to->last_index = from->last_index;
    to->commit_index = from->commit_index;
    to->applied_index = from->applied_index;
    to->durable_index = from->durable_index;
    to->flushed_index = from->flushed_index;
    to->first_index = from->first_index;
    to->store_bytes = from->store_bytes;
    to->has_keys_estimate = 1;
    to->keys_estimate = from->keys_estimate;
    to->has_lag_max = from->lag_known;
    to->lag_max = from->lag_max;
}

static void node_fill_lists(struct arena *a, const struct node_status *from,
                            Coat__Wire__NodeStatus *to)
{
    Coat__Wire__ReplicaStatus *rows = take(a, from->n_replicas, sizeof *rows);

    to->n_replicas = from->n_replicas;
    to->replicas = take(a, from->n_replicas, sizeof *to->replicas);
    for (unsigned i = 0; i < from->n_replicas; i++) {
        replica_fill(a, &from->replicas[i], &rows[i]);
        to->replicas[i] = &rows[i];
    }
    to->n_peers_up = from->n_peers_up;
    to->peers_up = take(a, from->n_peers_up, sizeof *to->peers_up);
    for (unsigned i = 0; i < from->n_peers_up; i++)
        to->peers_up[i] = from->peers_up[i];
    to->n_notes = from->n_notes;
    to->notes = take(a, from->n_notes, sizeof *to->notes);
    for (unsigned i = 0; i < from->n_notes; i++)
        to->notes[i] = text(a, from->notes[i]);
}

static void node_fill(struct arena *a, const struct node_status *from,
                      Coat__Wire__NodeStatus *to)
{
    coat__wire__node_status__init(to);
    to->node = from->node;
    to->directory = binary(from->directory);
    to->has_cluster = from->cluster.size > 0;
    to->cluster = binary(from->cluster);
    to->version = text(a, from->version);
    to->uptime = from->uptime_ms;
    to->boot_count = from->boot_count;
    to->client_address = text(a, from->client_address);
    to->peer_address = text(a, from->peer_address);
    to->map_epoch = from->map_epoch;
    to->has_wal_bytes = to->has_wal_syncs = 1;
    to->wal_bytes = from->wal_bytes;
    to->wal_syncs = from->wal_syncs;
    to->has_resident = to->has_requests = 1;
    to->resident = from->resident_bytes;
    to->requests = from->requests;
    to->state = from->state.size ? text(a, from->state) : NULL;
    node_fill_lists(a, from, to);
}

void status_reply_encode(const struct status_reply *m, struct buf *out)
{
    Coat__Wire__StatusReply reply = COAT__WIRE__STATUS_REPLY__INIT;
    Coat__Wire__NodeStatus node;
    struct arena arena;

    arena_init(&arena, NULL, 0, SIZE_MAX);
    reply.status = m->status;
    if (m->has_node) {
        node_fill(&arena, &m->node, &node);
        reply.node = &node;
    }
    if (m->detail.size)
        reply.detail = text(&arena, m->detail);
    coat__wire__status_reply__pack(
        &reply, buf_grow(out, coat__wire__status_reply__get_packed_size(
                                  &reply)));
    arena_release(&arena);
}

/* ---- status, decoding ---- */

static struct slice of_text(const char *s)
{
    return s ? slice_str(s) : slice_of("", 0);
}

static struct slice of_binary(ProtobufCBinaryData b)
{
    return slice_of(b.data, b.len);
}

static void replica_read(const Coat__Wire__ReplicaStatus *from,
                         struct replica_status *to)
{
    *to = (struct replica_status){
        .group = from->group,
        .replica = from->replica,
        .role = of_text(from->role),
        .term = from->term,
        .leader = from->leader,
        .last_index = from->last_index,
        .commit_index = from->commit_index,
        .applied_index = from->applied_index,
        .durable_index = from->durable_index,
        .flushed_index = from->flushed_index,
        .first_index = from->first_index,
        .store_bytes = from->store_bytes,
        .keys_estimate = from->keys_estimate,
        .lag_known = from->has_lag_max,
        .lag_max = from->lag_max,
    };
}

/* The counts come from a message of at most FRAME_PAYLOAD_MAX bytes. */
static enum status node_read_lists(const Coat__Wire__NodeStatus *from,
                                   struct arena *arena, struct node_status *to)
{
    struct replica_status *replicas =
        arena_alloc(arena, from->n_replicas * sizeof *replicas);
    struct slice *notes = arena_alloc(arena, from->n_notes * sizeof *notes);

    if (!replicas || !notes)
        return STATUS_BAD_MESSAGE;
    for (size_t i = 0; i < from->n_replicas; i++)
        replica_read(from->replicas[i], &replicas[i]);
    for (size_t i = 0; i < from->n_notes; i++)
        notes[i] = of_text(from->notes[i]);
    to->replicas = replicas;
    to->n_replicas = (unsigned)from->n_replicas;
    to->notes = notes;
    to->n_notes = (unsigned)from->n_notes;
    to->peers_up = from->peers_up;
    to->n_peers_up = (unsigned)from->n_peers_up;
    return STATUS_OK;
}

static enum status node_read(const Coat__Wire__NodeStatus *from,
                             struct arena *arena, struct node_status *to)
{
    if (from->directory.len != ID_BYTES ||
        (from->has_cluster && from->cluster.len != ID_BYTES))
        return STATUS_BAD_MESSAGE;
    *to = (struct node_status){
        .node = from->node,
        .directory = of_binary(from->directory),
        .cluster = of_binary(from->cluster),
        .version = of_text(from->version),
        .uptime_ms = from->uptime,
        .boot_count = from->boot_count,
        .client_address = of_text(from->client_address),
        .peer_address = of_text(from->peer_address),
        .map_epoch = from->map_epoch,
        .wal_bytes = from->wal_bytes,
        .wal_syncs = from->wal_syncs,
        .resident_bytes = from->resident,
        .requests = from->requests,
        .state = of_text(from->state),
    };
    return node_read_lists(from, arena, to);
}

enum status status_reply_decode(struct slice bytes, struct arena *arena,
                                struct status_reply *m)
{
    ProtobufCAllocator allocator = codec_allocator(arena);
    Coat__Wire__StatusReply *reply =
        coat__wire__status_reply__unpack(&allocator, bytes.size, bytes.data);

    if (!reply)
        return STATUS_BAD_MESSAGE;
    *m = (struct status_reply){
        .status = (enum status)reply->status,
        .has_node = reply->node != NULL,
        .detail = of_text(reply->detail),
    };
    return reply->node ? node_read(reply->node, arena, &m->node) : STATUS_OK;
}
