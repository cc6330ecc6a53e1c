/* resp.h - the Redis serialization protocol: commands read, replies written.
 *
 * Pure. A command comes as an array of bulk strings ("*2\r\n$3\r\nGET\r\n...")
 * or as a line of words (an inline command). The parser is incremental: it
 * remembers how far it got, so the cost of a command is its length however it
 * is cut into pieces, and nothing is copied except the words of a line, which
 * may have quotes in them.
 *
 * Replies are appended to a buffer, in the version that the client chose with
 * HELLO: RESP2, or RESP3 with its maps, nulls, doubles and so on.
 *
 * Source: the RESP specification; limits and texts as Redis has them. */
#ifndef RPC_RESP_H
#define RPC_RESP_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/limits.h"

enum {
    RESP_ARGS_MAX = 1024 * 1024,
    RESP_LINE_MAX = 64 * 1024,        /* an inline command, a length */
    RESP_BULK_MAX = VALUE_BYTES_MAX,  /* one argument */
    RESP_COMMAND_MAX = 32 << 20,      /* all arguments of a command */
};

enum resp_result {
    RESP_COMMAND,    /* a whole command stands at the front */
    RESP_INCOMPLETE, /* so far nothing is wrong */
    RESP_ERROR,      /* `error` says what; the connection is of no use more */
};

/* An argument: where it stands behind `base`. */
struct resp_arg {
    uint32_t at, size;
};

/* Zero-initialised is ready. What is public: base, args, n_args (after
 * RESP_COMMAND) and error (after RESP_ERROR). */
struct resp_parser {
    const uint8_t *base;
    struct resp_arg *args;
    uint32_t n_args;
    char error[80];

    uint32_t cap;
    uint32_t at;       /* everything before is parsed */
    uint32_t scanned;  /* no end of line before this */
    uint32_t wanted;   /* arguments still to come */
    uint32_t bulk;     /* size of the argument that comes next */
    uint8_t state;
    struct buf words;  /* of an inline command, unquoted */
};

/* Frees what it holds and makes it ready again. */
void resp_parser_release(struct resp_parser *p);

/* Go on with the command at the start of `bytes`, a stream read so far: the
 * same bytes as last time (maybe at another place) and more, or, after a
 * RESP_COMMAND, what stands behind that command.
 *
 * RESP_COMMAND     its arguments are in `p`, borrowed from `bytes` and `p`
 *                  until the next call; `*size` is what it took. An empty line
 *                  and an empty array are commands with n_args 0.
 * RESP_INCOMPLETE  asking again makes sense from `*size` bytes on.
 * RESP_ERROR       `p->error` is what to answer ("Protocol error: ..."). */
MUST_CHECK enum resp_result resp_parse(struct resp_parser *p,
                                       struct slice bytes, size_t *size);

static inline struct slice resp_argument(const struct resp_parser *p,
                                         uint32_t i)
{
    return slice_of(p->base + p->args[i].at, p->args[i].size);
}

/* ---- numbers as Redis reads them ---- */

/* The whole of `s` as a signed integer, in its one canonical form: no blanks,
 * no plus sign, no leading zeros. */
MUST_CHECK bool resp_to_integer(struct slice s, int64_t *out);

/* Room for any integer's text. */
enum { RESP_INTEGER_SIZE = 21 };
/* Write the text of `v`, gives its length; no NUL. */
unsigned resp_from_integer(char *at, int64_t v);

/* ---- replies ---- */

/* "+OK"; `text` has no line ends. */
void resp_simple(struct buf *out, const char *text);
/* "-ERR ..."; line ends in it become blanks. */
void resp_error(struct buf *out, struct slice text);
void resp_integer(struct buf *out, int64_t v);
void resp_bulk(struct buf *out, struct slice s);
void resp_bulk_text(struct buf *out, const char *text);
/* The headers of what holds other replies; `n` of them follow, of a map twice
 * as many. RESP2 has only arrays. */
void resp_array(struct buf *out, size_t n);
void resp_map(struct buf *out, unsigned protocol, size_t n);
void resp_set(struct buf *out, unsigned protocol, size_t n);
/* The value that is not there. */
void resp_null(struct buf *out, unsigned protocol);
/* Text for a person; RESP2: a bulk string. */
void resp_verbatim(struct buf *out, unsigned protocol, struct slice text);
/* RESP2: a bulk string. */
void resp_double(struct buf *out, unsigned protocol, double v);
/* RESP2: 1 or 0. */
void resp_boolean(struct buf *out, unsigned protocol, bool v);

#endif
