/* translate.c - see translate.h. */
#include "node/front/translate.h"

#include "proto/codec.h"
#include "proto/scan.h"
#include "rpc/types.h"

static enum status take_get(struct slice payload, struct request *q)
{
    struct get_request m;
    enum status st = get_request_decode(payload, &m);

    q->operation.op = OP_GET;
    if (st != STATUS_OK)
        return st;
    q->keyspace = m.keyspace;
    q->operation.key = m.key;
    if (m.consistency == CONSISTENCY_STALE)
        q->operation.flags = OPERATION_STALE;
    return STATUS_OK;
}

static enum status take_set(struct slice payload, struct request *q)
{
    struct set_request m;
    enum status st = set_request_decode(payload, &m);

    q->operation.op = OP_SET;
    if (st != STATUS_OK)
        return st;
    q->keyspace = m.keyspace;
    q->operation.key = m.key;
    q->operation.value = m.value;
    return STATUS_OK;
}

static enum status take_delete(struct slice payload, struct request *q)
{
    struct delete_request m;
    enum status st = delete_request_decode(payload, &m);

    q->operation.op = OP_DELETE;
    if (st != STATUS_OK)
        return st;
    q->keyspace = m.keyspace;
    q->operation.key = m.key;
    return STATUS_OK;
}

static enum status take_scan(struct slice payload, struct request *q)
{
    struct stream_request m;
    struct scan scan;
    enum status st = stream_request_decode(payload, &m);

    q->operation.op = OP_SCAN;
    if (st == STATUS_OK)
        st = scan_decode(m.body, &scan);
    if (st != STATUS_OK)
        return st;
    q->keyspace = m.keyspace;
    q->operation.key = scan.key;
    q->operation.value = m.body;
    if (scan.flags & SCAN_STALE)
        q->operation.flags = OPERATION_STALE;
    return STATUS_OK;
}

static enum status take_operate(struct slice payload, struct request *q,
                                const char **why)
{
    struct operate_request m;
    enum status st = operate_request_decode(payload, &m, why);

    q->operation.op = OP_GET; /* of what cannot be read */
    if (st != STATUS_OK)
        return st;
    q->keyspace = m.keyspace;
    q->operation = m.operation;
    q->session = m.session;
    return STATUS_OK;
}

bool translate_request(uint16_t type, struct slice payload, struct request *q,
                       enum status *st, const char **why)
{
    *why = NULL;
    q->from.tag = type;
    switch (type) {
    case MESSAGE_GET:
        *st = take_get(payload, q);
        return true;
    case MESSAGE_SET:
        *st = take_set(payload, q);
        return true;
    case MESSAGE_DELETE:
        *st = take_delete(payload, q);
        return true;
    case MESSAGE_OPERATE:
        *st = take_operate(payload, q, why);
        return true;
    case MESSAGE_SCAN:
        *st = take_scan(payload, q);
        return true;
    default:
        return false;
    }
}

uint16_t translate_reply_type(uint32_t tag)
{
    switch (tag) {
    case MESSAGE_GET:
        return MESSAGE_GET_REPLY;
    case MESSAGE_OPERATE:
        return MESSAGE_OPERATE_REPLY;
    case MESSAGE_SCAN:
        return MESSAGE_SCAN_REPLY;
    case MESSAGE_WATCH:
        return MESSAGE_ERROR;
    default:
        return MESSAGE_WRITE_REPLY;
    }
}

void translate_reply(uint32_t tag, const struct reply *r,
                     const struct hint *hint, struct buf *out)
{
    struct slice detail = r->detail ? slice_str(r->detail) : slice_of("", 0);
    struct get_reply get = {.status = r->status, .value = r->value,
                            .version = r->version, .hint = *hint,
                            .detail = detail, .expire_at = r->expire_at,
                            .clock = r->clock};
    struct write_reply write = {.status = r->status, .version = r->version,
                                .hint = *hint, .detail = detail};
    struct operate_reply operate = {
        .reply = {.status = r->status, .version = r->version,
                  .expire_at = r->expire_at, .clock = r->clock,
                  .argument = r->argument, .has_value = r->has_value,
                  .value = r->value},
        .hint = *hint,
        .detail = detail,
    };
    struct error_reply error = {.status = r->status, .hint = *hint,
                                .detail = detail};
    struct scan_reply scan = {.status = r->status, .page = r->value,
                              .hint = *hint, .detail = detail};

    switch (translate_reply_type(tag)) {
    case MESSAGE_GET_REPLY:
        get_reply_encode(&get, out);
        break;
    case MESSAGE_OPERATE_REPLY:
        operate_reply_encode(&operate, out);
        break;
    case MESSAGE_SCAN_REPLY:
        scan_reply_encode(&scan, out);
        break;
    case MESSAGE_ERROR:
        error_reply_encode(&error, out);
        break;
    default:
        write_reply_encode(&write, out);
    }
}
