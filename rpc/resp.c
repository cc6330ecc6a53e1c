/* resp.c - reading commands; see resp.h. Writing is in resp_reply.c. */
#include "rpc/resp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGS_KEPT = 1024, WORDS_KEPT = 4096 };

/* Where the parser stands; always at the first byte of the thing named. */
enum state {
    AT_START,  /* of a command */
    AT_COUNT,  /* "*<n>\r\n" */
    AT_LENGTH, /* "$<n>\r\n" */
    AT_BULK,   /* `bulk` bytes and "\r\n" */
    AT_WORDS,  /* a line of words */
    AT_FAILED,
};

static void forget(struct resp_parser *p)
{
    p->at = 0;
    p->scanned = 0;
    p->n_args = 0;
    p->wanted = 0;
    p->state = AT_START;
}

void resp_parser_release(struct resp_parser *p)
{
    free(p->args);
    buf_release(&p->words);
    *p = (struct resp_parser){0};
}

/* A rare large command must not hold its memory for ever. */
static void trim(struct resp_parser *p)
{
    if (p->cap > ARGS_KEPT) {
        free(p->args);
        p->args = NULL;
        p->cap = 0;
    }
    if (p->words.cap > WORDS_KEPT)
        buf_release(&p->words);
}

static enum resp_result fail(struct resp_parser *p, const char *what)
{
    snprintf(p->error, sizeof p->error, "Protocol error: %s", what);
    p->state = AT_FAILED;
    return RESP_ERROR;
}

static void add_arg(struct resp_parser *p, size_t at, size_t size)
{
    if (p->n_args == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->args = xrealloc(p->args, p->cap * sizeof *p->args);
    }
    p->args[p->n_args++] = (struct resp_arg){(uint32_t)at, (uint32_t)size};
}

bool resp_to_integer(struct slice s, int64_t *out)
{
    bool minus = s.size && s.data[0] == '-';
    size_t i = minus;
    uint64_t v = 0, max = (uint64_t)INT64_MAX + minus;

    if (s.size == i || s.size - i > 19)
        return false;
    if (s.data[i] == '0' && s.size > 1)
        return false; /* "01" and "-0" are other texts of the same number */
    for (; i < s.size; i++) {
        unsigned digit = (unsigned)s.data[i] - '0';
        if (digit > 9)
            return false;
        v = v * 10 + digit; /* 19 digits fit 64 bits */
    }
    if (v > max)
        return false;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* The line at `p->at`, without its end; RESP_COMMAND when it is whole, then
 * `*next` is behind it. A line ends with "\r\n", or "\n" alone if `bare`. */
static enum resp_result take_line(struct resp_parser *p, struct slice bytes,
                                  bool bare, const char *too_long,
                                  struct slice *line, size_t *next)
{
    const uint8_t *start = bytes.data + p->at;
    const uint8_t *from = bytes.data + MAX_OF(p->at, p->scanned);
    size_t left = (size_t)(bytes.data + bytes.size - from);
    const uint8_t *end = left ? memchr(from, '\n', left) : NULL;
    size_t size;

    if (!end) {
        p->scanned = (uint32_t)bytes.size;
        if (bytes.size - p->at > RESP_LINE_MAX)
            return fail(p, too_long);
        return RESP_INCOMPLETE;
    }
    size = (size_t)(end - start);
    *next = (size_t)(end - bytes.data) + 1;
    if (size > RESP_LINE_MAX)
        return fail(p, too_long);
    if (size && start[size - 1] == '\r')
        size--;
    else if (!bare)
        return fail(p, "a line ends with CR LF");
    *line = slice_of(start, size);
    return RESP_COMMAND;
}

/* ---- inline commands ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind a backslash inside double quotes, at most three bytes are one. Gives
 * the byte and moves `*i` to its last one. */
static uint8_t unescape(struct slice line, size_t *i)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    const uint8_t *s = line.data + *i;
    const char *found;

    if (s[0] == 'x' && line.size - *i >= 3 && hex(s[1]) >= 0 &&
        hex(s[2]) >= 0) {
        *i += 2;
        return (uint8_t)(hex(s[1]) << 4 | hex(s[2]));
    }
    found = s[0] ? strchr(from, s[0]) : NULL;
    return found ? (uint8_t)to[found - from] : s[0];
}

/* One word from `i` on, appended to `words`; gives where it ends, or 0 when its
 * quotes do not. */
static size_t take_word(struct buf *words, struct slice line, size_t i)
{
    uint8_t quote = 0;

    for (; i < line.size; i++) {
        uint8_t c = line.data[i];
        if (!quote && is_blank(c))
            break;
        if (!quote && (c == '"' || c == '\'')) {
            quote = c;
            continue;
        }
        if (quote && c == quote) {
            /* Nothing but a blank may follow the closing quote. */
            if (i + 1 < line.size && !is_blank(line.data[i + 1]))
                return 0;
            return i + 1;
        }
        if (c == '\\' && i + 1 < line.size) {
            if (quote == '"') {
                i++;
                c = unescape(line, &i);
            } else if (quote && line.data[i + 1] == '\'') {
                c = line.data[++i];
            }
        }
        buf_u8(words, c);
    }
    return quote ? 0 : i;
}

static enum resp_result parse_words(struct resp_parser *p, struct slice bytes,
                                    size_t *size)
{
    struct slice line;
    size_t i = 0;
    enum resp_result r = take_line(p, bytes, true, "too big inline request",
                                   &line, size);

    if (r != RESP_COMMAND)
        return r;
    buf_clear(&p->words);
    for (;;) {
        size_t at = p->words.size;
        while (i < line.size && is_blank(line.data[i]))
            i++;
        if (i == line.size)
            break;
        i = take_word(&p->words, line, i);
        if (!i)
            return fail(p, "unbalanced quotes in request");
        add_arg(p, at, p->words.size - at);
    }
    p->base = p->words.data;
    return RESP_COMMAND;
}

/* ---- arrays of bulk strings ---- */

static enum resp_result parse_count(struct resp_parser *p, struct slice bytes)
{
    struct slice line;
    size_t next;
    int64_t n;
    enum resp_result r = take_line(p, bytes, false,
                                   "too big mbulk count string", &line, &next);

    if (r != RESP_COMMAND)
        return r;
    line = slice_of(line.data + 1, line.size - 1);
    if (!resp_to_integer(line, &n) || n > RESP_ARGS_MAX)
        return fail(p, "invalid multibulk length");
    p->at = (uint32_t)next;
    p->wanted = n > 0 ? (uint32_t)n : 0;
    p->state = AT_LENGTH;
    return RESP_COMMAND;
}

static enum resp_result parse_length(struct resp_parser *p,
                                     struct slice bytes)
{
    struct slice line;
    char what[40];
    size_t next;
    int64_t n;
    enum resp_result r;
    uint8_t c = bytes.data[p->at];

    if (c != '$') {
        snprintf(what, sizeof what, "expected '$', got '%c'",
                 c >= ' ' && c < 0x7f ? c : '?');
        return fail(p, what);
    }
    r = take_line(p, bytes, false, "too big bulk count string", &line, &next);
    if (r != RESP_COMMAND)
        return r;
    line = slice_of(line.data + 1, line.size - 1);
    if (!resp_to_integer(line, &n) || n < 0 || n > RESP_BULK_MAX)
        return fail(p, "invalid bulk length");
    if (next + (size_t)n > RESP_COMMAND_MAX)
        return fail(p, "too big request");
    p->at = (uint32_t)next;
    p->bulk = (uint32_t)n;
    p->state = AT_BULK;
    return RESP_COMMAND;
}

static enum resp_result parse_bulk(struct resp_parser *p, struct slice bytes,
                                   size_t *size)
{
    size_t end = (size_t)p->at + p->bulk;

    if (bytes.size < end + 2) {
        *size = end + 2;
        return RESP_INCOMPLETE;
    }
    if (bytes.data[end] != '\r' || bytes.data[end + 1] != '\n')
        return fail(p, "a bulk string ends with CR LF");
    add_arg(p, p->at, p->bulk);
    p->at = (uint32_t)end + 2;
    p->wanted--;
    p->state = AT_LENGTH;
    return RESP_COMMAND;
}

static enum resp_result step(struct resp_parser *p, struct slice bytes,
                             size_t *size)
{
    switch ((enum state)p->state) {
    case AT_START:
        p->state = bytes.data[0] == '*' ? AT_COUNT : AT_WORDS;
        return RESP_COMMAND;
    case AT_COUNT:
        return parse_count(p, bytes);
    case AT_LENGTH:
        return parse_length(p, bytes);
    case AT_BULK:
        return parse_bulk(p, bytes, size);
    case AT_WORDS:
    case AT_FAILED:
        break;
    }
    abort();
}

enum resp_result resp_parse(struct resp_parser *p, struct slice bytes,
                            size_t *size)
{
    enum resp_result r;

    if (p->base) { /* the last call gave a command */
        p->base = NULL;
        forget(p);
        trim(p);
    }
    if (p->state == AT_FAILED)
        return RESP_ERROR;
    for (;;) {
        *size = bytes.size + 1;
        if (bytes.size <= p->at && p->state != AT_BULK &&
            !(p->state == AT_LENGTH && !p->wanted))
            return RESP_INCOMPLETE;
        if (p->state == AT_WORDS) {
            r = parse_words(p, bytes, size);
            if (r == RESP_COMMAND && !p->base)
                p->base = bytes.data; /* no words at all */
            return r;
        }
        if (p->state == AT_LENGTH && !p->wanted) {
            *size = p->at;
            p->base = bytes.data;
            return RESP_COMMAND;
        }
        r = step(p, bytes, size);
        if (r != RESP_COMMAND)
            return r;
    }
}
