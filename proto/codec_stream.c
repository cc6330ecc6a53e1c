/* codec_stream.c - envelopes of scans and watches, written by hand. See
 * codec.h. */
#include "proto/codec.h"
#include "proto/codec_parts.h"

void stream_request_encode(const struct stream_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->keyspace.size + m->body.size +
                                       2 * WIRE_FIELD_MAX);

    at = wire_put_text(at, 1, m->keyspace);
    at = wire_put_bytes(at, 2, m->body);
    encode_end(out, at);
}

enum status stream_request_decode(struct slice bytes, struct stream_request *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    bool has_body = false;

    *m = (struct stream_request){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_bytes(&r, &f, &m->keyspace);
        } else if (f.number == 2) {
            wire_take_bytes(&r, &f, &m->body);
            has_body = true;
        }
    }
    if (r.failed || !has_body)
        return STATUS_BAD_MESSAGE;
    return keyspace_check(m->keyspace);
}

void scan_reply_encode(const struct scan_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->page.size + m->detail.size +
                                       hint_bound(&m->hint) +
                                       3 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    if (m->status == STATUS_OK)
        at = wire_put_bytes(at, 2, m->page);
    at = hint_put(at, 4, &m->hint);
    at = wire_put_text(at, 5, m->detail);
    encode_end(out, at);
}

enum status scan_reply_decode(struct slice bytes, struct scan_reply *m)
{
    const struct reply_parts p = {.bytes_at = 2, .bytes = &m->page,
                                  .hint_at = 4, .hint = &m->hint,
                                  .detail_at = 5, .detail = &m->detail};

    *m = (struct scan_reply){0};
    return reply_take(bytes, &m->status, &p);
}
