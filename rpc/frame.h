/* frame.h - one message between two processes: 24 bytes of header, a payload.
 *
 * Pure. All integers little-endian:
 *
 *   offset size
 *        0    4  payload length, at most FRAME_PAYLOAD_MAX
 *        4    4  CRC32C over bytes 0..3, 8..23 and the payload
 *        8    1  version (PROTOCOL_VERSION)
 *        9    1  kind (enum frame_kind)
 *       10    2  message type (rpc/types.h)
 *       12    4  time the sender still waits, in ms; 0: no deadline
 *       16    8  request id, chosen by whoever sends the request
 *
 * Length, CRC and version stay where they are in every version to come, so
 * that two versions can always tell each other apart. */
#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "proto/limits.h"
#include "rpc/types.h"

enum { FRAME_HEADER_SIZE = 24, FRAME_SIZE_MAX = 24 + FRAME_PAYLOAD_MAX };

struct frame_header {
    uint64_t id;
    duration remaining;    /* MS(0): none; at most 2^32-1 ms are sent */
    uint32_t payload_size; /* set by the parser; ignored when encoding */
    uint16_t type;         /* enum frame_type; a parsed one may be unlisted */
    uint8_t kind;          /* enum frame_kind; a parsed one is one of these */
};

enum frame_result {
    FRAME_OK,
    FRAME_INCOMPLETE,    /* so far nothing is wrong */
    FRAME_DAMAGED,       /* CRC or kind: out of step or corrupted */
    FRAME_OTHER_VERSION, /* a Coatcheck of another protocol version */
    FRAME_TOO_LARGE,     /* the length is above the limit */
    FRAME_STRANGER,      /* another protocol: ask frame_stranger */
};

/* Look at the frame at the start of `bytes`, which is a stream read so far.
 *
 * FRAME_OK          `*header` and `*payload` are filled; the payload borrows
 *                   from `bytes`. `*size` is what the frame took; parse on
 *                   behind it.
 * FRAME_INCOMPLETE  `*size` is how many bytes there have to be before asking
 *                   again can give another answer: above bytes.size, at most
 *                   FRAME_HEADER_SIZE + payload_max.
 * any other         the connection is of no use any more; a stranger or a
 *                   wrong length is seen from 4 bytes on, a wrong version or
 *                   kind from 10.
 *
 * `payload_max` is at most FRAME_PAYLOAD_MAX. Cost: one CRC over the frame,
 * once it is complete. */
MUST_CHECK enum frame_result frame_parse(struct slice bytes,
                                         uint32_t payload_max,
                                         struct frame_header *header,
                                         struct slice *payload, size_t *size);

/* The status that a result closes a connection with; not for the first two. */
enum status frame_status(enum frame_result r);

/* Write the header of a frame whose payload is the `n` parts one after the
 * other, `at` being FRAME_HEADER_SIZE bytes. The parts together are at most
 * FRAME_PAYLOAD_MAX. */
void frame_encode(uint8_t *at, const struct frame_header *header,
                  const struct slice *parts, unsigned n);

/* The same in two steps, for a payload that is written behind its header:
 * frame_open writes the header without length and CRC, frame_seal fills these
 * in when `payload_size` bytes stand behind it. */
void frame_open(uint8_t *at, const struct frame_header *header);
void frame_seal(uint8_t *at, size_t payload_size);

/* A whole ERROR frame about the connection itself (id 0) into
 * at[FRAME_ERROR_SIZE]: an ErrorReply with `why` and nothing else. For the last
 * word before closing, and for a listener's refusal. */
enum { FRAME_ERROR_SIZE = FRAME_HEADER_SIZE + 2 };
void frame_error(uint8_t *at, enum status why);

/* Who speaks to us, as far as the first bytes tell. */
enum stranger { STRANGER_TEXT, STRANGER_HTTP, STRANGER_REDIS, STRANGER_TLS };

/* For bytes that gave FRAME_STRANGER. */
enum stranger frame_stranger(struct slice bytes);

/* What to tell him before closing, in terms that he understands: a line of
 * text, an HTTP response, a Redis error, a TLS alert. Static. */
struct slice stranger_answer(enum stranger s);

/* Who it was, for a log ("an HTTP client"). Static text. */
const char *stranger_name(enum stranger s);

#endif
