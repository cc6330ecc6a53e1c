/* conn.c - one connection; see conn.h. */
#include "rpc/conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/conn_private.h"

size_t conn_pending(const struct conn *c)
{
    return c->out.size + (c->flying ? c->flight.size - c->flight_at : 0);
}

uint64_t conn_sent(const struct conn *c)
{
    return c->sent;
}

void conn_limit(struct conn *c, uint32_t payload_max)
{
    c->payload_max = MIN_OF(payload_max, c->set->options.payload_max);
}

bool conn_closing(const struct conn *c)
{
    return c->closing || c->finishing;
}

void *conn_user(const struct conn *c)
{
    return c->user;
}

void conn_set_user(struct conn *c, void *user)
{
    c->user = user;
}

/* ---- when to read ---- */

static bool may_deliver(const struct conn *c)
{
    return !c->paused && !c->gated && !conn_closing(c);
}

/* Ask for bytes exactly when frames may be delivered and none are left over. */
static void update_reading(struct conn *c)
{
    if (c->closing)
        return;
    if (!may_deliver(c)) {
        c->stream->ops->read_stop(c->stream);
        return;
    }
    if (c->delivering)
        return;
    if (c->stashed)
        conn_set_mark_ready(c);
    else if (c->stream->ops->read_start(c->stream) != STATUS_OK)
        conn_close(c, STATUS_CONNECTION, "reading cannot start");
}

void conn_pause(struct conn *c)
{
    c->paused = true;
    update_reading(c);
}

void conn_resume(struct conn *c)
{
    c->paused = false;
    update_reading(c);
}

/* Output was added or has left: adapt everything that depends on how much
 * waits. Runs no callback. */
static void output_changed(struct conn *c)
{
    const struct conn_options *o = &c->set->options;
    size_t pending = conn_pending(c);

    c->set->pending += pending - c->counted;
    c->counted = pending;
    if (c->closing)
        return;
    if (o->gate_reads && !c->gated && pending >= o->pending_max / 2) {
        c->gated = true;
        update_reading(c);
    } else if (c->gated && pending <= o->pending_max / 4) {
        c->gated = false;
        update_reading(c);
    }
    if (c->want_drain && pending <= o->pending_max / 2)
        conn_set_mark_ready(c);
    if (c->finishing && !pending && !c->shut) {
        c->shut = true;
        if (c->stream->ops->shutdown(c->stream) != STATUS_OK)
            conn_close(c, c->why, c->detail);
    }
}

/* ---- sending ---- */

static enum status admit(struct conn *c, enum conn_priority priority)
{
    const struct conn_options *o = &c->set->options;
    size_t max = o->pending_max;

    assert(c->begun == NO_FRAME);
    if (conn_closing(c))
        return STATUS_CLOSED;
    if (priority == CONN_CONTROL)
        max += o->reserve;
    if (conn_pending(c) >= max) {
        c->want_drain = true;
        c->set->stats.refused++;
        return STATUS_BUSY;
    }
    if (!c->out.data)
        conn_set_borrow(c->set, &c->out);
    return STATUS_OK;
}

static void appended(struct conn *c)
{
    c->set->stats.frames_out++;
    conn_set_mark_dirty(c);
    output_changed(c);
}

enum status conn_send(struct conn *c, const struct frame_header *header,
                      const struct slice *parts, unsigned n,
                      enum conn_priority priority)
{
    size_t size = 0;
    enum status s;
    uint8_t *at;

    for (unsigned i = 0; i < n; i++) {
        if (parts[i].size > FRAME_PAYLOAD_MAX - size)
            return STATUS_INVALID;
        size += parts[i].size;
    }
    s = admit(c, priority);
    if (s != STATUS_OK)
        return s;
    at = buf_grow(&c->out, FRAME_HEADER_SIZE + size);
    frame_open(at, header);
    size = 0;
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].size)
            memcpy(at + FRAME_HEADER_SIZE + size, parts[i].data, parts[i].size);
        size += parts[i].size;
    }
    frame_seal(at, size);
    appended(c);
    return STATUS_OK;
}

struct buf *conn_begin(struct conn *c, const struct frame_header *header,
                       enum conn_priority priority)
{
    if (admit(c, priority) != STATUS_OK)
        return NULL;
    c->begun = c->out.size;
    frame_open(buf_grow(&c->out, FRAME_HEADER_SIZE), header);
    return &c->out;
}

void conn_undo(struct conn *c)
{
    assert(c->begun != NO_FRAME);
    assert(c->out.size >= c->begun);
    c->out.size = c->begun;
    c->begun = NO_FRAME;
}

enum status conn_end(struct conn *c)
{
    size_t at = c->begun + FRAME_HEADER_SIZE;

    assert(c->begun != NO_FRAME);
    assert(c->out.size >= at);
    if (c->out.size - at > FRAME_PAYLOAD_MAX) {
        conn_undo(c);
        return STATUS_INVALID;
    }
    frame_seal(c->out.data + c->begun, c->out.size - at);
    c->begun = NO_FRAME;
    appended(c);
    return STATUS_OK;
}

struct buf *conn_begin_bytes(struct conn *c)
{
    if (admit(c, CONN_NORMAL) != STATUS_OK)
        return NULL;
    c->begun = c->out.size;
    return &c->out;
}

void conn_end_bytes(struct conn *c)
{
    assert(c->begun != NO_FRAME);
    assert(c->out.size >= c->begun);
    c->begun = NO_FRAME;
    appended(c);
}

void conn_write_out(struct conn *c)
{
    size_t taken = 0;

    assert(c->begun == NO_FRAME);
    if (c->closing || c->flying)
        return;
    if (c->out.size) {
        c->set->stats.writes++;
        if (c->stream->ops->try_write(c->stream, buf_slice(&c->out), &taken) !=
            STATUS_OK) {
            conn_close(c, STATUS_CONNECTION, "the peer is gone");
            return;
        }
        c->set->stats.bytes_out += taken;
        c->sent += taken;
    }
    if (taken < c->out.size) {
        c->flight = c->out;
        c->flight_at = taken;
        c->out = (struct buf){0};
        c->flying = true;
        if (c->stream->ops->write(
                c->stream, slice_of(c->flight.data + taken,
                                    c->flight.size - taken)) != STATUS_OK) {
            c->flying = false;
            conn_close(c, STATUS_CONNECTION, "the peer is gone");
            return;
        }
    } else {
        conn_set_return(c->set, &c->out);
    }
    output_changed(c);
}

static void on_wrote(struct stream *s, enum status result)
{
    struct conn *c = s->user;

    assert(c->flying);
    c->flying = false;
    if (c->closing)
        return;
    if (result != STATUS_OK) {
        conn_close(c, STATUS_CONNECTION, "the peer is gone");
        return;
    }
    c->set->stats.writes++;
    c->set->stats.bytes_out += c->flight.size - c->flight_at;
    c->sent += c->flight.size - c->flight_at;
    conn_set_return(c->set, &c->flight);
    if (c->out.size)
        conn_set_mark_dirty(c);
    output_changed(c);
}

/* ---- receiving ---- */

/* A last word to the peer, then the end. When much output waits already he
 * does not read, and goes without. */
static void finish_with(struct conn *c, struct slice word, enum status why,
                        const char *detail)
{
    if (conn_closing(c))
        return;
    if (conn_pending(c) >= c->set->options.pending_max) {
        conn_close(c, why, detail);
        return;
    }
    if (!c->out.data)
        conn_set_borrow(c->set, &c->out);
    buf_append(&c->out, word.data, word.size);
    conn_set_mark_dirty(c);
    conn_finish(c, why, detail);
}

/* The bytes that stand next are no frame of ours. */
static void refuse(struct conn *c, enum frame_result r, struct slice bytes)
{
    uint8_t error[FRAME_ERROR_SIZE];
    char detail[DETAIL_SIZE];
    struct slice word;

    /* A peer of another version cannot read the error, but sees our version in
     * its header. */
    frame_error(error, frame_status(r));
    word = slice_of(error, sizeof error);
    switch (r) {
    case FRAME_STRANGER:
        word = stranger_answer(frame_stranger(bytes));
        snprintf(detail, sizeof detail, "%s spoke to the native port",
                 stranger_name(frame_stranger(bytes)));
        break;
    case FRAME_OTHER_VERSION:
        snprintf(detail, sizeof detail, "protocol version %u, ours is %u",
                 bytes.data[8], (unsigned)PROTOCOL_VERSION);
        break;
    case FRAME_TOO_LARGE:
        snprintf(detail, sizeof detail, "a payload of %u bytes, at most %u",
                 get_u32(bytes.data), c->payload_max);
        break;
    default:
        snprintf(detail, sizeof detail, "a frame's checksum or kind is wrong");
        break;
    }
    finish_with(c, word, frame_status(r), detail);
}

/* The next frame in `left`. Gives what it took, 0 when it is incomplete (then
 * `c->wanted` is set) or refused. */
static size_t take_frame(struct conn *c, struct slice left)
{
    struct frame_header header;
    struct slice payload;
    size_t size = 0;
    enum frame_result r =
        frame_parse(left, c->payload_max, &header, &payload, &size);

    if (r == FRAME_INCOMPLETE) {
        c->wanted = size;
        return 0;
    }
    if (r != FRAME_OK) {
        refuse(c, r, left);
        return 0;
    }
    c->events->on_frame(c, &header, payload);
    return size;
}

/* The next message of another protocol; gives the same. */
static size_t take_bytes(struct conn *c, struct slice left)
{
    size_t wanted = 0;
    size_t size = c->events->on_bytes(c, left, &wanted);

    assert(size <= left.size);
    if (size || conn_closing(c))
        return size;
    if (c->paused)
        c->stashed = true;
    else
        assert(wanted > left.size);
    c->wanted = wanted;
    return 0;
}

/* Hand out the frames in `bytes` while that is allowed. Gives how much they
 * took, everything once the connection is closing. Behind whole frames
 * `c->wanted` is how many bytes the next one needs, `c->stashed` whether
 * delivering had to stop. */
static size_t deliver(struct conn *c, struct slice bytes)
{
    struct slice left = bytes;

    assert(!c->delivering);
    c->delivering = true;
    c->stashed = false;
    while (left.size) {
        size_t size;

        if (!may_deliver(c)) {
            c->stashed = true;
            break;
        }
        size = c->events->on_bytes ? take_bytes(c, left) : take_frame(c, left);
        if (!size)
            break;
        left = slice_of(left.data + size, left.size - size);
        c->set->stats.frames_in++;
        assert(c->begun == NO_FRAME);
    }
    c->delivering = false;
    if (conn_closing(c)) {
        c->stashed = false;
        return bytes.size;
    }
    return bytes.size - left.size;
}

/* Complete the frame in `in` from `bytes` and deliver it. Gives how much of
 * `bytes` it took: never anything of the frame behind. */
static size_t complete(struct conn *c, struct slice bytes)
{
    size_t used = 0;

    while (c->in.size && !c->stashed && used < bytes.size) {
        size_t n = MIN_OF(c->wanted - c->in.size, bytes.size - used);

        assert(c->wanted > c->in.size);
        if (bytes.data + used == c->in.data + c->in.size)
            c->in.size += n; /* on_space had it read right there */
        else
            buf_append(&c->in, bytes.data + used, n);
        used += n;
        if (c->in.size == c->wanted && deliver(c, buf_slice(&c->in)))
            buf_clear(&c->in);
    }
    return used;
}

/* The same for a protocol that may know only the least that is wanted, and
 * whose messages may be tiny: completes at least the first one. */
static size_t complete_bytes(struct conn *c, struct slice bytes)
{
    enum { STEP = 512 };
    size_t used = 0;

    while (c->in.size && !c->stashed && used < bytes.size) {
        size_t before = c->in.size, took;
        size_t missing = c->wanted > before ? c->wanted - before : 0;
        size_t n = MIN_OF(MAX_OF(missing, (size_t)STEP), bytes.size - used);
        bool in_place = bytes.data + used == c->in.data + before;

        if (in_place)
            c->in.size += n; /* on_space asked for no more than is missing */
        else
            buf_append(&c->in, bytes.data + used, n);
        used += n;
        if (n < missing)
            continue;
        took = deliver(c, buf_slice(&c->in));
        if (!in_place && took >= before) {
            used -= c->in.size - took; /* is delivered from where it is */
            buf_clear(&c->in);
        } else {
            buf_consume(&c->in, took);
        }
    }
    return used;
}

static uint8_t *on_space(struct stream *s, size_t *size)
{
    struct conn *c = s->user;
    size_t missing =
        c->in.size && c->wanted > c->in.size ? c->wanted - c->in.size : 0;

    if (missing < READ_SIZE) {
        *size = READ_SIZE;
        return c->set->space;
    }
    /* The rest of a large frame goes where it belongs. At most as much again
     * as is there already, so that a length without data costs nothing. */
    *size = MIN_OF(missing, MAX_OF(c->in.size, (size_t)READ_SIZE));
    return buf_reserve(&c->in, *size);
}

static void note_held(struct conn *c)
{
    size_t held = c->in.size ? c->in.cap : 0;

    c->set->partial += held - c->held;
    c->held = held;
}

/* Beginnings of frames take too much memory: the one that has most goes. */
static void bound_partial(struct conn_set *set)
{
    uint8_t error[FRAME_ERROR_SIZE];
    struct conn *worst = NULL, *c;

    TAILQ_FOREACH(c, &set->all, in_all)
        if (!conn_closing(c) && (!worst || c->held > worst->held))
            worst = c;
    if (!worst)
        return;
    frame_error(error, STATUS_BUSY);
    finish_with(worst,
                worst->events->busy ? slice_str(worst->events->busy)
                                    : slice_of(error, sizeof error),
                STATUS_BUSY, "too much of frames whose rest does not come");
    buf_release(&worst->in);
    worst->stashed = false;
    note_held(worst);
}

static void on_bytes(struct stream *s, uint8_t *data, size_t size)
{
    struct conn *c = s->user;
    struct slice left = slice_of(data, size);
    size_t n;

    c->set->stats.bytes_in += size;
    n = c->events->on_bytes ? complete_bytes(c, left) : complete(c, left);
    left = slice_of(left.data + n, left.size - n);
    if (left.size && !c->stashed && !conn_closing(c)) {
        n = deliver(c, left);
        left = slice_of(left.data + n, left.size - n);
    }
    if (conn_closing(c))
        return;
    if (left.size) {
        if (!c->in.data)
            conn_set_borrow(c->set, &c->in);
        buf_append(&c->in, left.data, left.size);
    }
    if (!c->in.size)
        conn_set_return(c->set, &c->in);
    note_held(c);
    update_reading(c);
    if (c->set->options.partial_max &&
        c->set->partial > c->set->options.partial_max)
        bound_partial(c->set);
}

void conn_run_ready(struct conn *c)
{
    if (c->want_drain && conn_pending(c) <= c->set->options.pending_max / 2) {
        c->want_drain = false;
        if (c->events->on_drain && !conn_closing(c))
            c->events->on_drain(c);
    }
    if (c->stashed && may_deliver(c)) {
        buf_consume(&c->in, deliver(c, buf_slice(&c->in)));
        if (!c->in.size)
            conn_set_return(c->set, &c->in);
        note_held(c);
    }
    update_reading(c);
}

/* ---- beginning and end ---- */

static void on_end(struct stream *s, enum status why, const char *detail)
{
    conn_close(s->user, why, detail);
}

static void on_shut(struct stream *s)
{
    struct conn *c = s->user;

    conn_close(c, c->why, c->detail);
}

static void on_closed(struct stream *s)
{
    struct conn *c = s->user;

    c->closing = true;
    c->events->on_close(c, c->why, c->detail);
    buf_release(&c->out);
    buf_release(&c->flight);
    buf_release(&c->in);
    conn_set_remove(c->set, c);
    free(c);
}

static const struct stream_events conn_stream_events = {
    .on_space = on_space,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_wrote = on_wrote,
    .on_shut = on_shut,
    .on_closed = on_closed,
};

struct conn *conn_new(struct conn_set *set, struct stream *stream,
                      const struct conn_events *events, void *user)
{
    struct conn *c = xcalloc(1, sizeof *c);

    assert(!events->on_frame != !events->on_bytes);
    assert(events->on_close);
    c->stream = stream;
    c->events = events;
    c->user = user;
    c->begun = NO_FRAME;
    c->payload_max = set->options.payload_max;
    stream->events = &conn_stream_events;
    stream->user = c;
    conn_set_add(set, c);
    update_reading(c);
    return c;
}

static void keep_reason(struct conn *c, enum status why, const char *detail)
{
    if (conn_closing(c))
        return;
    c->why = why;
    snprintf(c->detail, sizeof c->detail, "%s",
             detail ? detail : status_text(why));
}

void conn_close(struct conn *c, enum status why, const char *detail)
{
    if (c->closing)
        return;
    keep_reason(c, why, detail);
    c->closing = true;
    conn_set_forget(c);
    c->stream->ops->close(c->stream);
}

void conn_finish(struct conn *c, enum status why, const char *detail)
{
    if (conn_closing(c))
        return;
    keep_reason(c, why, detail);
    c->finishing = true;
    update_reading(c);
    if (c->out.size)
        conn_set_mark_dirty(c);
    output_changed(c);
}

void conn_peer(const struct conn *c, char *text)
{
    c->stream->ops->peer(c->stream, text, ADDRESS_MAX + 1);
}
