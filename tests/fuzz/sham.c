/* sham.c - see sham.h. */
#include "tests/fuzz/sham.h"

#include <assert.h>
#include <stdlib.h>

static enum status sham_read_start(struct stream *s)
{
    CONTAINER_OF(s, struct sham, stream)->reading = true;
    return STATUS_OK;
}

static void sham_read_stop(struct stream *s)
{
    CONTAINER_OF(s, struct sham, stream)->reading = false;
}

static enum status sham_try_write(struct stream *s, struct slice bytes,
                                  size_t *taken)
{
    (void)s;
    *taken = bytes.size;
    return STATUS_OK;
}

static enum status sham_write(struct stream *s, struct slice bytes)
{
    (void)s;
    (void)bytes;
    abort(); /* try_write takes everything */
}

static enum status sham_shutdown(struct stream *s)
{
    CONTAINER_OF(s, struct sham, stream)->shut = true;
    return STATUS_OK;
}

static void sham_close(struct stream *s)
{
    struct sham *m = CONTAINER_OF(s, struct sham, stream);

    assert(!m->closing);
    m->closing = true;
    m->reading = false;
}

static void sham_peer(struct stream *s, char *text, size_t size)
{
    (void)s;
    assert(size > 0);
    text[0] = 0;
}

const struct stream_ops sham_ops = {
    sham_read_start, sham_read_stop, sham_try_write, sham_write,
    sham_shutdown,   sham_close,     sham_peer,
};

size_t sham_feed(struct sham *m, struct slice bytes, size_t cut)
{
    size_t all = bytes.size;

    while (bytes.size && m->reading) {
        size_t room = 0;
        uint8_t *at = m->stream.events->on_space(&m->stream, &room);
        size_t n = MIN_OF(MIN_OF(cut, room), bytes.size);
        memcpy(at, bytes.data, n);
        m->stream.events->on_bytes(&m->stream, at, n);
        bytes = slice_of(bytes.data + n, bytes.size - n);
    }
    return all - bytes.size;
}
