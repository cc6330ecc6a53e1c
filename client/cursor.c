/* cursor.c - see cursor.h. */
#include "client/cursor.h"

#include "proto/crc.h"

enum { HEADER = 9 };

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *to_text(struct slice bytes)
{
    char *text = xmalloc(bytes.size / 3 * 4 + 5), *at = text;
    size_t i = 0;

    for (; i + 3 <= bytes.size; i += 3) {
        uint32_t v = (uint32_t)bytes.data[i] << 16 |
                     (uint32_t)bytes.data[i + 1] << 8 | bytes.data[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *at++ = digits[v >> shift & 63];
    }
    if (i < bytes.size) {
        unsigned left = (unsigned)(bytes.size - i);
        uint32_t v = (uint32_t)bytes.data[i] << 16;
        if (left == 2)
            v |= (uint32_t)bytes.data[i + 1] << 8;
        for (unsigned k = 0; k <= left; k++)
            *at++ = digits[v >> (18 - 6 * k) & 63];
    }
    *at = 0;
    return text;
}

static bool from_text(const char *text, struct buf *out)
{
    uint32_t v = 0;
    unsigned bits = 0;

    for (; *text; text++) {
        const char *digit = strchr(digits, *text);
        if (!digit)
            return false;
        v = v << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_u8(out, (uint8_t)(v >> bits));
            v &= (1u << bits) - 1;
        }
    }
    return bits < 6 && !v; /* else there is a digit too many */
}

char *cursor_text(enum cursor_kind kind, uint32_t identity, struct slice body)
{
    struct buf b = {0};
    char *text;

    buf_u8(&b, (uint8_t)kind);
    buf_u32(&b, 0);
    buf_u32(&b, identity);
    buf_append(&b, body.data, body.size);
    put_u32(b.data + 1, crc32c(0, b.data + 5, b.size - 5));
    text = to_text(buf_slice(&b));
    buf_release(&b);
    return text;
}

enum status cursor_parse(const char *text, enum cursor_kind kind,
                         uint32_t identity, struct buf *out)
{
    struct buf b = {0};
    enum status rv = STATUS_BAD_CURSOR;

    if (from_text(text, &b) && b.size >= HEADER && b.data[0] == kind &&
        get_u32(b.data + 1) == crc32c(0, b.data + 5, b.size - 5) &&
        get_u32(b.data + 5) == identity) {
        buf_append(out, b.data + HEADER, b.size - HEADER);
        rv = STATUS_OK;
    }
    buf_release(&b);
    return rv;
}

uint32_t cursor_identity(uint32_t so_far, struct slice part)
{
    uint8_t size[4];

    put_u32(size, (uint32_t)part.size);
    return crc32c(crc32c(so_far, size, sizeof size), part.data, part.size);
}
