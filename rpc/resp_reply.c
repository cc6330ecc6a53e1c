/* resp_reply.c - writing replies; see resp.h. */
#include "rpc/resp.h"

#include <stdio.h>

unsigned resp_from_integer(char *at, int64_t v)
{
    char digits[RESP_INTEGER_SIZE];
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    unsigned n = 0, size = 0;

    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        at[size++] = '-';
    while (n)
        at[size++] = digits[--n];
    return size;
}

/* A type's byte, a number, the end of the line. */
static void header(struct buf *out, char type, int64_t v)
{
    char *at = (char *)buf_reserve(out, RESP_INTEGER_SIZE + 3);
    unsigned n = 1;

    at[0] = type;
    if (v >= 0 && v < 10)
        at[n++] = (char)('0' + v);
    else
        n += resp_from_integer(at + 1, v);
    at[n++] = '\r';
    at[n++] = '\n';
    out->size += n;
}

static void end_line(struct buf *out)
{
    buf_append(out, "\r\n", 2);
}

void resp_simple(struct buf *out, const char *text)
{
    buf_u8(out, '+');
    buf_append(out, text, strlen(text));
    end_line(out);
}

void resp_error(struct buf *out, struct slice text)
{
    uint8_t *at;

    buf_u8(out, '-');
    at = buf_grow(out, text.size);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        at[i] = c == '\r' || c == '\n' ? ' ' : c;
    }
    end_line(out);
}

void resp_integer(struct buf *out, int64_t v)
{
    header(out, ':', v);
}

void resp_bulk(struct buf *out, struct slice s)
{
    uint8_t *at;

    header(out, '$', (int64_t)s.size);
    at = buf_grow(out, s.size + 2);
    if (s.size)
        memcpy(at, s.data, s.size);
    memcpy(at + s.size, "\r\n", 2);
}

void resp_bulk_text(struct buf *out, const char *text)
{
    resp_bulk(out, slice_str(text));
}

void resp_array(struct buf *out, size_t n)
{
    header(out, '*', (int64_t)n);
}

void resp_map(struct buf *out, unsigned protocol, size_t n)
{
    if (protocol < 3)
        header(out, '*', (int64_t)(n * 2));
    else
        header(out, '%', (int64_t)n);
}

void resp_set(struct buf *out, unsigned protocol, size_t n)
{
    header(out, protocol < 3 ? '*' : '~', (int64_t)n);
}

void resp_null(struct buf *out, unsigned protocol)
{
    if (protocol < 3)
        buf_append(out, "$-1\r\n", 5);
    else
        buf_append(out, "_\r\n", 3);
}

void resp_verbatim(struct buf *out, unsigned protocol, struct slice text)
{
    if (protocol < 3) {
        resp_bulk(out, text);
        return;
    }
    header(out, '=', (int64_t)text.size + 4);
    buf_append(out, "txt:", 4);
    buf_append(out, text.data, text.size);
    end_line(out);
}

void resp_double(struct buf *out, unsigned protocol, double v)
{
    char text[40];
    int n;

    if (v != v)
        n = snprintf(text, sizeof text, "nan");
    else if (v > 0 && v * 0.5 == v)
        n = snprintf(text, sizeof text, "inf");
    else if (v < 0 && v * 0.5 == v)
        n = snprintf(text, sizeof text, "-inf");
    else
        n = snprintf(text, sizeof text, "%.17g", v);
    if (protocol < 3) {
        resp_bulk(out, slice_of(text, (size_t)n));
        return;
    }
    buf_u8(out, ',');
    buf_append(out, text, (size_t)n);
    end_line(out);
}

void resp_boolean(struct buf *out, unsigned protocol, bool v)
{
    if (protocol < 3)
        resp_integer(out, v);
    else
        buf_append(out, v ? "#t\r\n" : "#f\r\n", 4);
}
