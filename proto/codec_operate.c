/* codec_operate.c - OperateRequest and its reply, written by hand like those in
 * codec_fast.c. The operation inside has its own codec (operation.h). */
#include "proto/codec.h"
#include "proto/codec_parts.h"

void operate_request_encode(const struct operate_request *m, struct buf *out)
{
    size_t size = operation_bytes(&m->operation);
    uint8_t *at = buf_reserve(out, m->keyspace.size + size + SESSION_BYTES +
                                       3 * WIRE_FIELD_MAX);
    struct buf session = {0};

    at = wire_put_text(at, 1, m->keyspace);
    at = wire_put_varint(at, 2 << 3 | WIRE_BYTES);
    at = wire_put_varint(at, size);
    at = operation_write(&m->operation, at);
    if (m->session.sequence) {
        session_encode(&m->session, &session);
        at = wire_put_bytes(at, 3, buf_slice(&session));
        buf_release(&session);
    }
    encode_end(out, at);
}

/* The operation alone in its bytes, and acceptable. */
static enum status decode_operation(struct slice bytes, struct operation *o,
                                    const char **why)
{
    struct reader r = reader_of(bytes);
    enum status st = operation_decode(&r, o);

    if (st == STATUS_OK && reader_left(&r))
        st = STATUS_BAD_MESSAGE;
    if (st != STATUS_OK) {
        *why = "a malformed operation";
        return st;
    }
    return operation_check(o, why);
}

enum status operate_request_decode(struct slice bytes,
                                   struct operate_request *m,
                                   const char **why)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    struct slice operation = {0}, session = {0};
    bool has_operation = false;
    const char *reason = NULL;
    enum status st;

    *m = (struct operate_request){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_bytes(&r, &f, &m->keyspace);
        } else if (f.number == 2) {
            wire_take_bytes(&r, &f, &operation);
            has_operation = true;
        } else if (f.number == 3) {
            wire_take_bytes(&r, &f, &session);
        }
    }
    st = r.failed || !has_operation ? STATUS_BAD_MESSAGE
                                    : keyspace_check(m->keyspace);
    if (st == STATUS_OK)
        st = decode_operation(operation, &m->operation, &reason);
    if (st == STATUS_OK) {
        st = session_decode(session, &m->session);
        reason = st == STATUS_OK ? NULL : "a malformed session";
    }
    if (st == STATUS_OK && m->session.sequence &&
        !operation_is_write(m->operation.op)) {
        st = STATUS_INVALID;
        reason = "a session is for writes";
    }
    if (why)
        *why = reason;
    return st;
}

void operate_reply_encode(const struct operate_reply *m, struct buf *out)
{
    size_t size = operation_reply_bytes(&m->reply);
    uint8_t *at = buf_reserve(out, size + m->detail.size +
                                       hint_bound(&m->hint) +
                                       3 * WIRE_FIELD_MAX);

    at = wire_put_varint(at, 1 << 3 | WIRE_BYTES);
    at = wire_put_varint(at, size);
    at = operation_reply_write(&m->reply, at);
    at = hint_put(at, 2, &m->hint);
    at = wire_put_text(at, 3, m->detail);
    encode_end(out, at);
}

enum status operate_reply_decode(struct slice bytes, struct operate_reply *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    struct slice reply = {0};
    bool has_reply = false;

    *m = (struct operate_reply){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_bytes(&r, &f, &reply);
            has_reply = true;
        } else if (f.number == 2) {
            wire_take_hint(&r, &f, &m->hint);
        } else if (f.number == 3) {
            wire_take_bytes(&r, &f, &m->detail);
        }
    }
    if (r.failed || !has_reply)
        return STATUS_BAD_MESSAGE;
    return operation_reply_decode(reply, &m->reply);
}
