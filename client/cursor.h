/* cursor.h - where a scan or a watch stands, as text that callers may keep.
 *
 * base64url without padding over: u8 kind | u32 crc of the rest |
 * u32 identity | body. The identity is a checksum of what is scanned or
 * watched, so that a cursor of something else is refused instead of going on
 * in the wrong place.
 * Pure. */
#ifndef CLIENT_CURSOR_H
#define CLIENT_CURSOR_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"

enum cursor_kind { CURSOR_SCAN = 'S', CURSOR_WATCH = 'W' };

/* A NUL-terminated text; the caller frees it. */
char *cursor_text(enum cursor_kind kind, uint32_t identity,
                  struct slice body);

/* Take a text apart: the body is appended to `out`.
 * BAD_CURSOR  malformed, of another kind or identity */
MUST_CHECK enum status cursor_parse(const char *text, enum cursor_kind kind,
                                    uint32_t identity, struct buf *out);

/* An identity is the crc over its parts, each with its size before it. */
uint32_t cursor_identity(uint32_t so_far, struct slice part);

#endif
