/* hello.c - see hello.h. */
#include "node/core/hello.h"

#include <stdlib.h>

#include "proto/base/planted.h"
#include "proto/crc.h"

void hello_encode(const struct hello *h, struct buf *out)
{
    buf_u16(out, h->level);
    buf_u8(out, (uint8_t)h->channel);
    buf_u8(out, 0);
    buf_u32(out, h->node);
    buf_u32(out, h->to);
    buf_u32(out, (uint32_t)h->status);
    buf_append(out, h->cluster, ID_BYTES);
    buf_append(out, h->directory, ID_BYTES);
    buf_u64(out, h->boot_count);
    buf_u64(out, h->map_epoch);
    buf_u16(out, h->shards);
    buf_u16(out, (uint16_t)h->detail.size);
    buf_append(out, h->detail.data, h->detail.size);
}

enum status hello_decode(struct slice bytes, struct hello *out)
{
    struct reader r = reader_of(bytes);
    struct slice cluster, directory;
    uint8_t channel;
    uint32_t status;

    *out = (struct hello){.level = reader_u16(&r)};
    channel = reader_u8(&r);
    reader_u8(&r);
    out->node = reader_u32(&r);
    out->to = reader_u32(&r);
    status = reader_u32(&r);
    cluster = reader_bytes(&r, ID_BYTES);
    directory = reader_bytes(&r, ID_BYTES);
    out->boot_count = reader_u64(&r);
    out->map_epoch = reader_u64(&r);
    out->shards = reader_u16(&r);
    out->detail = reader_bytes(&r, reader_u16(&r));
    if (r.failed || channel > CHANNEL_BULK || !out->shards ||
        out->shards > HELLO_SHARDS_MAX)
        return STATUS_BAD_MESSAGE;
    if (out->level != HELLO_LEVEL)
        return STATUS_WRONG_VERSION;
    memcpy(out->cluster, cluster.data, ID_BYTES);
    memcpy(out->directory, directory.data, ID_BYTES);
    out->channel = (enum channel)channel;
    out->status = status_known(status) ? (enum status)status : STATUS_INTERNAL;
    return STATUS_OK;
}

void boots_release(struct boots *b)
{
    free(b->v);
    *b = (struct boots){0};
}

/* Remember; false when it went back. */
static bool boots_advance(struct boots *b, uint32_t node, uint64_t boot_count)
{
    for (unsigned i = 0; i < b->n; i++) {
        if (b->v[i].node != node)
            continue;
        if (boot_count < b->v[i].boot_count)
            return false;
        b->changed |= boot_count > b->v[i].boot_count;
        b->v[i].boot_count = boot_count;
        return true;
    }
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 8;
        b->v = xrealloc(b->v, b->cap * sizeof *b->v);
    }
    b->v[b->n].node = node;
    b->v[b->n++].boot_count = boot_count;
    b->changed = true;
    return true;
}

void boots_encode(const struct boots *b, struct buf *out)
{
    size_t begun = out->size;

    buf_u32(out, b->n);
    for (unsigned i = 0; i < b->n; i++) {
        buf_u32(out, b->v[i].node);
        buf_u64(out, b->v[i].boot_count);
    }
    buf_u32(out, crc32c(0, out->data + begun, out->size - begun));
}

bool boots_decode(struct boots *b, struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint32_t n = reader_u32(&r);

    if (r.failed || bytes.size != 8 + (size_t)n * 12 ||
        get_u32(bytes.data + bytes.size - 4) !=
            crc32c(0, bytes.data, bytes.size - 4))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = reader_u32(&r);
        boots_advance(b, node, reader_u64(&r));
    }
    b->changed = false;
    return true;
}

enum status hello_check(const struct hello *h, const struct cluster_map *map,
                        uint32_t self, struct boots *boots, const char **why)
{
    const struct map_node *node;

    *why = "";
    if (!map) {
        *why = "this node belongs to no cluster yet";
        return STATUS_NOT_INITIALISED;
    }
    if (memcmp(h->cluster, map->cluster, ID_BYTES)) {
        *why = "the peer belongs to another cluster";
        return STATUS_WRONG_CLUSTER;
    }
    if (h->to != self) {
        *why = "this is not the node that the peer wants: check addresses";
        return STATUS_WRONG_NODE;
    }
    node = map_node_find(map, h->node);
    if (!node || h->node == self) {
        *why = "the peer's node id is not in the cluster map";
        return STATUS_WRONG_NODE;
    }
    if (memcmp(node->directory, h->directory, ID_BYTES) &&
        !PLANTED(EMPTY_VOTER)) {
        *why = "the peer's data directory is not the one in the cluster map "
               "(was it wiped?)";
        return STATUS_WRONG_NODE;
    }
    if (!boots_advance(boots, h->node, h->boot_count)) {
        *why = "the peer's boot counter went back (a copied directory?)";
        return STATUS_WRONG_NODE;
    }
    return STATUS_OK;
}
