/* frame.c - see frame.h. */
#include "rpc/frame.h"

#include <assert.h>

#include "proto/crc.h"

/* Where the fields stand. */
enum {
    AT_LENGTH = 0,
    AT_CRC = 4,
    AT_VERSION = 8,
    AT_KIND = 9,
    AT_TYPE = 10,
    AT_REMAINING = 12,
    AT_ID = 16,
};

/* Seeing so many bytes is enough to tell a length, then a version and kind. */
enum { LOOK_LENGTH = 4, LOOK_VERSION = 10 };

static bool is_text(uint8_t c)
{
    return (c >= ' ' && c < 0x7f) || c == '\r' || c == '\n' || c == '\t';
}

/* A TLS record of type handshake, version 3.x. A frame never looks like this
 * once it is LOOK_VERSION long: byte 9 of a ClientHello is 3, which is no
 * frame kind. */
static bool is_tls(struct slice b)
{
    return b.data[0] == 0x16 && b.data[1] == 0x03 && b.data[2] <= 4;
}

/* What the first bytes alone are enough to refuse. */
static enum frame_result look(struct slice b, uint32_t payload_max)
{
    if (get_u32(b.data + AT_LENGTH) > payload_max) {
        bool text = true;
        for (unsigned i = 0; i < LOOK_LENGTH; i++)
            text = text && is_text(b.data[i]);
        return text || is_tls(b) ? FRAME_STRANGER : FRAME_TOO_LARGE;
    }
    if (b.size < LOOK_VERSION)
        return FRAME_INCOMPLETE;
    if (is_tls(b) && b.data[5] == 1 && b.data[9] == 3)
        return FRAME_STRANGER;
    if (b.data[AT_VERSION] != PROTOCOL_VERSION)
        return FRAME_OTHER_VERSION;
    switch (b.data[AT_KIND]) {
    case FRAME_REQUEST:
    case FRAME_REPLY:
    case FRAME_ONEWAY:
    case FRAME_PART:
        return FRAME_OK;
    }
    return FRAME_DAMAGED;
}

/* The checksum of a frame whose payload follows its header. */
static uint32_t frame_crc(const uint8_t *at, struct slice payload)
{
    uint32_t crc = crc32c(0, at, AT_CRC);

    crc = crc32c(crc, at + AT_VERSION, FRAME_HEADER_SIZE - AT_VERSION);
    return payload.size ? crc32c(crc, payload.data, payload.size) : crc;
}

enum frame_result frame_parse(struct slice bytes, uint32_t payload_max,
                              struct frame_header *header,
                              struct slice *payload, size_t *size)
{
    const uint8_t *at = bytes.data;
    enum frame_result r;
    uint32_t length;

    assert(payload_max <= FRAME_PAYLOAD_MAX);
    if (bytes.size < LOOK_LENGTH) {
        *size = LOOK_LENGTH;
        return FRAME_INCOMPLETE;
    }
    r = look(bytes, payload_max);
    if (r == FRAME_INCOMPLETE)
        *size = LOOK_VERSION;
    if (r != FRAME_OK)
        return r;
    length = get_u32(at + AT_LENGTH);
    *size = FRAME_HEADER_SIZE + (size_t)length;
    if (bytes.size < *size)
        return FRAME_INCOMPLETE;
    *payload = slice_of(at + FRAME_HEADER_SIZE, length);
    if (get_u32(at + AT_CRC) != frame_crc(at, *payload))
        return FRAME_DAMAGED;
    *header = (struct frame_header){
        .id = get_u64(at + AT_ID),
        .remaining = MS(get_u32(at + AT_REMAINING)),
        .payload_size = length,
        .type = get_u16(at + AT_TYPE),
        .kind = at[AT_KIND],
    };
    return FRAME_OK;
}

enum status frame_status(enum frame_result r)
{
    assert(r != FRAME_OK && r != FRAME_INCOMPLETE);
    return r == FRAME_OTHER_VERSION ? STATUS_WRONG_VERSION : STATUS_BAD_FRAME;
}

void frame_open(uint8_t *at, const struct frame_header *header)
{
    uint64_t ms = header->remaining.ms;

    put_u32(at + AT_LENGTH, 0);
    put_u32(at + AT_CRC, 0);
    at[AT_VERSION] = PROTOCOL_VERSION;
    at[AT_KIND] = header->kind;
    put_u16(at + AT_TYPE, header->type);
    put_u32(at + AT_REMAINING, (uint32_t)MIN_OF(ms, UINT32_MAX));
    put_u64(at + AT_ID, header->id);
}

void frame_seal(uint8_t *at, size_t payload_size)
{
    struct slice payload = slice_of(at + FRAME_HEADER_SIZE, payload_size);

    assert(payload_size <= FRAME_PAYLOAD_MAX);
    put_u32(at + AT_LENGTH, (uint32_t)payload_size);
    put_u32(at + AT_CRC, frame_crc(at, payload));
}

void frame_encode(uint8_t *at, const struct frame_header *header,
                  const struct slice *parts, unsigned n)
{
    size_t length = 0;
    uint32_t crc;

    frame_open(at, header);
    for (unsigned i = 0; i < n; i++) {
        assert(parts[i].size <= FRAME_PAYLOAD_MAX - length);
        length += parts[i].size;
    }
    put_u32(at + AT_LENGTH, (uint32_t)length);
    crc = frame_crc(at, slice_of(NULL, 0));
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].size)
            crc = crc32c(crc, parts[i].data, parts[i].size);
    }
    put_u32(at + AT_CRC, crc);
}

void frame_error(uint8_t *at, enum status why)
{
    const struct frame_header h = {.kind = FRAME_REPLY, .type = MESSAGE_ERROR};

    /* proto/client.proto, ErrorReply: field 1, a number below 128. */
    assert(why < 128);
    frame_open(at, &h);
    at[FRAME_HEADER_SIZE] = 1 << 3 | 0;
    at[FRAME_HEADER_SIZE + 1] = (uint8_t)why;
    frame_seal(at, 2);
}

static bool starts_with(struct slice b, const char *text)
{
    size_t n = MIN_OF(strlen(text), b.size);

    return !memcmp(b.data, text, n);
}

enum stranger frame_stranger(struct slice bytes)
{
    static const char *const http[] = {"GET ",   "POST", "PUT ", "HEAD",
                                       "DELETE", "OPTI", "PATC", "PRI "};
    static const char *const redis[] = {"PING", "ping", "AUTH",  "auth",
                                        "INFO", "info", "HELLO", "hello"};

    assert(bytes.size >= LOOK_LENGTH);
    if (bytes.data[0] == 0x16)
        return STRANGER_TLS;
    for (unsigned i = 0; i < ARRAY_LEN(http); i++) {
        if (starts_with(bytes, http[i]))
            return STRANGER_HTTP;
    }
    if (bytes.data[0] == '*' && bytes.data[1] >= '0' && bytes.data[1] <= '9')
        return STRANGER_REDIS;
    for (unsigned i = 0; i < ARRAY_LEN(redis); i++) {
        if (starts_with(bytes, redis[i]))
            return STRANGER_REDIS;
    }
    return STRANGER_TEXT;
}

struct slice stranger_answer(enum stranger s)
{
    /* A fatal alert protocol_version, in a record of version 3.1: RFC 8446,
     * section 6. */
    static const uint8_t alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46};
#define TOLD                                                                   \
    "coatcheck: this is the native port; it speaks neither HTTP nor the "      \
    "Redis protocol\r\n"

    switch (s) {
    case STRANGER_TLS:
        return slice_of(alert, sizeof alert);
    case STRANGER_HTTP:
        return slice_str("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                         "Content-Type: text/plain\r\n\r\n" TOLD);
    case STRANGER_REDIS:
        return slice_str("-ERR " TOLD);
    case STRANGER_TEXT:
        break;
    }
    return slice_str(TOLD);
#undef TOLD
}

const char *stranger_name(enum stranger s)
{
    switch (s) {
    case STRANGER_HTTP:
        return "an HTTP client";
    case STRANGER_REDIS:
        return "a Redis client";
    case STRANGER_TLS:
        return "a TLS client";
    case STRANGER_TEXT:
        break;
    }
    return "a client of some text protocol";
}
