/* codec_differential.h - holds the hand-written codec to protobuf-c.
 *
 * codec_differential() decodes the same bytes as every hot message, with both.
 * Ours may refuse more (limits, field number 0) but what it accepts has to be
 * accepted by protobuf-c, with equal fields. For the unit test and the fuzz
 * target; aborts on a difference. */
#ifndef TESTS_UNIT_PROTO_CODEC_DIFFERENTIAL_H
#define TESTS_UNIT_PROTO_CODEC_DIFFERENTIAL_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/client.pb-c.h"
#include "proto/codec.h"

/* A protobuf-c text ends at a NUL that was inside. */
static inline void same_text(struct slice ours, const char *theirs)
{
    size_t n = theirs ? strlen(theirs) : 0;

    assert(n <= ours.size && (!n || !memcmp(ours.data, theirs, n)));
    assert(n == ours.size || ours.data[n] == 0);
}

static inline void same_bytes(struct slice ours, ProtobufCBinaryData theirs)
{
    assert(slice_equal(ours, slice_of(theirs.data, theirs.len)));
}

static inline void same_hint(const struct hint *ours,
                             const Coat__Wire__Hint *theirs)
{
    static const Coat__Wire__Hint none = COAT__WIRE__HINT__INIT;

    theirs = theirs ? theirs : &none;
    assert(ours->group == theirs->group && ours->node == theirs->node);
    assert(ours->epoch == theirs->epoch);
    same_text(ours->address, theirs->address);
}

static inline void differential_requests(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size);
    struct get_request get;
    struct set_request set;
    struct delete_request del;

    if (get_request_decode(s, &get) == STATUS_OK) {
        Coat__Wire__GetRequest *m =
            coat__wire__get_request__unpack(NULL, size, data);
        assert(m);
        same_text(get.keyspace, m->keyspace);
        same_bytes(get.key, m->key);
        assert((int)get.consistency == (int)m->consistency);
        coat__wire__get_request__free_unpacked(m, NULL);
    }
    if (set_request_decode(s, &set) == STATUS_OK) {
        Coat__Wire__SetRequest *m =
            coat__wire__set_request__unpack(NULL, size, data);
        assert(m);
        same_text(set.keyspace, m->keyspace);
        same_bytes(set.key, m->key);
        same_bytes(set.value, m->value);
        coat__wire__set_request__free_unpacked(m, NULL);
    }
    if (delete_request_decode(s, &del) == STATUS_OK) {
        Coat__Wire__DeleteRequest *m =
            coat__wire__delete_request__unpack(NULL, size, data);
        assert(m);
        same_text(del.keyspace, m->keyspace);
        same_bytes(del.key, m->key);
        coat__wire__delete_request__free_unpacked(m, NULL);
    }
}

static inline void differential_streams(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size);
    struct stream_request request;
    struct scan_reply reply;

    if (stream_request_decode(s, &request) == STATUS_OK) {
        Coat__Wire__ScanRequest *m =
            coat__wire__scan_request__unpack(NULL, size, data);
        Coat__Wire__WatchRequest *w =
            coat__wire__watch_request__unpack(NULL, size, data);
        assert(m && w);
        same_text(request.keyspace, m->keyspace);
        same_bytes(request.body, m->scan);
        same_bytes(request.body, w->watch);
        coat__wire__scan_request__free_unpacked(m, NULL);
        coat__wire__watch_request__free_unpacked(w, NULL);
    }
    if (scan_reply_decode(s, &reply) == STATUS_OK) {
        Coat__Wire__ScanReply *m =
            coat__wire__scan_reply__unpack(NULL, size, data);
        assert(m && (uint32_t)reply.status == m->status);
        same_bytes(reply.page, m->page);
        same_hint(&reply.hint, m->hint);
        same_text(reply.detail, m->detail);
        coat__wire__scan_reply__free_unpacked(m, NULL);
    }
}

static inline void differential_replies(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size);
    struct get_reply get;
    struct write_reply write;
    struct error_reply error;

    if (get_reply_decode(s, &get) == STATUS_OK) {
        Coat__Wire__GetReply *m =
            coat__wire__get_reply__unpack(NULL, size, data);
        assert(m && (uint32_t)get.status == m->status);
        same_bytes(get.value, m->value);
        assert(get.version == m->version);
        assert(get.expire_at == m->expire_at && get.clock == m->clock);
        same_hint(&get.hint, m->hint);
        same_text(get.detail, m->detail);
        coat__wire__get_reply__free_unpacked(m, NULL);
    }
    if (write_reply_decode(s, &write) == STATUS_OK) {
        Coat__Wire__WriteReply *m =
            coat__wire__write_reply__unpack(NULL, size, data);
        assert(m && (uint32_t)write.status == m->status);
        assert(write.version == m->version);
        same_hint(&write.hint, m->hint);
        same_text(write.detail, m->detail);
        coat__wire__write_reply__free_unpacked(m, NULL);
    }
    if (error_reply_decode(s, &error) == STATUS_OK) {
        Coat__Wire__ErrorReply *m =
            coat__wire__error_reply__unpack(NULL, size, data);
        assert(m && (uint32_t)error.status == m->status);
        same_hint(&error.hint, m->hint);
        same_text(error.detail, m->detail);
        coat__wire__error_reply__free_unpacked(m, NULL);
    }
}

static inline void differential_operate(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size);
    struct operate_request request;
    struct operate_reply reply;

    if (operate_request_decode(s, &request, NULL) == STATUS_OK) {
        Coat__Wire__OperateRequest *m =
            coat__wire__operate_request__unpack(NULL, size, data);
        assert(m);
        same_text(request.keyspace, m->keyspace);
        assert(operation_bytes(&request.operation) == m->operation.len);
        assert(!request.session.sequence ||
               (m->has_session && m->session.len == SESSION_BYTES));
        coat__wire__operate_request__free_unpacked(m, NULL);
    }
    if (operate_reply_decode(s, &reply) == STATUS_OK) {
        Coat__Wire__OperateReply *m =
            coat__wire__operate_reply__unpack(NULL, size, data);
        assert(m);
        assert(operation_reply_bytes(&reply.reply) == m->reply.len);
        same_hint(&reply.hint, m->hint);
        same_text(reply.detail, m->detail);
        coat__wire__operate_reply__free_unpacked(m, NULL);
    }
}

static inline void codec_differential(const uint8_t *data, size_t size)
{
    differential_requests(data, size);
    differential_streams(data, size);
    differential_replies(data, size);
    differential_operate(data, size);
}

#endif
