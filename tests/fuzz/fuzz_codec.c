/* fuzz_codec.c - every decoder of proto/codec.h and proto/map.h over any bytes.
 *
 * The hot messages are compared with protobuf-c; a map that is accepted has to
 * be valid and to read back as itself. */
#include "proto/map.h"
#include "tests/unit/proto/codec_differential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void map_round_trip(struct slice bytes)
{
    struct cluster_map *map, *again;
    struct buf b = {0};

    if (map_decode(bytes, &map))
        return;
    map_encode(map, &b);
    if (map_decode(buf_slice(&b), &again))
        abort();
    if (memcmp(map->owner, again->owner, sizeof map->owner))
        abort();
    map_free(map);
    map_free(again);
    buf_release(&b);
}

static void rare_messages(struct slice bytes)
{
    struct map_request map_request;
    struct map_reply map_reply;
    struct init_request init_request;
    struct init_reply init_reply;
    struct status_reply status_reply;
    struct map_node node;
    struct arena arena;

    arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
    (void)!map_request_decode(bytes, &map_request);
    if (!map_reply_decode(bytes, &arena, &map_reply))
        map_round_trip(map_reply.map);
    if (!init_request_decode(bytes, &init_request))
        map_round_trip(init_request.map);
    (void)!init_reply_decode(bytes, &init_reply);
    if (!status_reply_decode(bytes, &arena, &status_reply)) {
        struct buf b = {0};
        status_reply_encode(&status_reply, &b);
        if (status_reply_decode(buf_slice(&b), &arena, &status_reply) &&
            arena.bytes < ARENA_STATUS_MAX / 4)
            abort();
        buf_release(&b);
    }
    (void)!map_node_decode(bytes, &node);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);

    codec_differential(data, size);
    map_round_trip(bytes);
    rare_messages(bytes);
    return 0;
}
