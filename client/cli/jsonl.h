/* jsonl.h - the lines of load and dump: one JSON object per key.
 *
 *   {"key":"k","value":"v","deadline_ms":"1700000000000"}
 *
 * Bytes that are no UTF-8 stand base64 encoded under key_base64 and
 * value_base64. deadline_ms, as a number or a text, may be missing, and so may
 * ttl_ms, which counts from when it is loaded. Other members are ignored. */
#ifndef CLIENT_CLI_JSONL_H
#define CLIENT_CLI_JSONL_H

#include <stdint.h>
#include <stdio.h>

#include "proto/base/bytes.h"

struct jsonl {
    struct buf key, value;
    uint64_t deadline, ttl; /* 0: none */
};
void jsonl_release(struct jsonl *l);

/* Read a line. NULL, or a static text: what is wrong with it. */
const char *jsonl_read(struct slice line, struct jsonl *out);

/* Write one, with its end of line. */
void jsonl_write(FILE *f, struct slice key, struct slice value,
                 uint64_t deadline);

#endif
