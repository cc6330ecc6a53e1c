/* words.c - see words.h. */
#include "client/cli/words.h"

#include <stdlib.h>
#include <string.h>

void words_release(struct words *w)
{
    buf_release(&w->bytes);
    free(w->at);
    free(w->size);
    *w = (struct words){0};
}

static void word_begin(struct words *w)
{
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->at = xrealloc(w->at, w->cap * sizeof *w->at);
        w->size = xrealloc(w->size, w->cap * sizeof *w->size);
    }
    w->at[w->n] = w->bytes.size;
}

static void word_end(struct words *w)
{
    w->size[w->n] = w->bytes.size - w->at[w->n];
    w->n++;
    buf_append(&w->bytes, "", 1);
}

static int hex(uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;

    if (c >= '0' && c <= '9')
        return c - '0';
    return at ? (int)(at - digits) : -1;
}

/* The escape at text[*i], which is a backslash; *i moves to its last byte. */
static bool escape(struct slice text, size_t *i, struct buf *out)
{
    static const char names[] = "nrt0\\\"' ", values[] = "\n\r\t\0\\\"' ";
    uint8_t c, byte;
    const char *at;

    if (++*i >= text.size)
        return false;
    c = text.data[*i];
    if (c == 'x') {
        int high, low;
        if (*i + 2 >= text.size)
            return false;
        high = hex(text.data[*i + 1]);
        low = hex(text.data[*i + 2]);
        if (high < 0 || low < 0)
            return false;
        byte = (uint8_t)(high << 4 | low);
        *i += 2;
    } else {
        at = c ? strchr(names, c) : NULL;
        if (!at)
            return false;
        byte = (uint8_t)values[at - names];
    }
    buf_append(out, &byte, 1);
    return true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One word from line[*i] on, which is no blank. */
static const char *read_word(struct words *w, struct slice line, size_t *i)
{
    uint8_t quote = 0;

    word_begin(w);
    for (; *i < line.size; ++*i) {
        uint8_t c = line.data[*i];
        if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? 0 : c;
        } else if (c == '\\' && quote != '\'') {
            if (!escape(line, i, &w->bytes))
                return "an escape that is none: \\\\ stands for a backslash";
        } else if (!quote && blank(c)) {
            break;
        } else {
            buf_append(&w->bytes, &c, 1);
        }
    }
    word_end(w);
    return quote ? "a quote is not closed" : NULL;
}

const char *words_split(struct words *w, struct slice line)
{
    buf_clear(&w->bytes);
    w->n = 0;
    for (size_t i = 0; i < line.size;) {
        const char *why;
        if (blank(line.data[i])) {
            i++;
            continue;
        }
        if (w->n == WORDS_MAX)
            return "more than 4096 words";
        why = read_word(w, line, &i);
        if (why)
            return why;
    }
    return NULL;
}

/* How many bytes the printable UTF-8 character at `s` has; 0: none. */
static unsigned printable(struct slice s)
{
    uint8_t c = s.data[0];
    unsigned n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3
                 : c < 0xf5                                       ? 4
                                                                  : 0;

    if (n == 1)
        return c >= 0x20 && c != 0x7f && c != '\\';
    if (!n || n > s.size)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && s.data[1] < 0xa0) || (c == 0xf0 && s.data[1] < 0x90) ||
        (c == 0xed && s.data[1] > 0x9f) || (c == 0xf4 && s.data[1] > 0x8f) ||
        (c == 0xc2 && s.data[1] < 0xa0))
        return 0; /* overlong, no character, or a control */
    return n;
}

/* How many bytes need no escape. */
static size_t plain(struct slice s)
{
    size_t at = 0;
    unsigned n;

    while (at < s.size &&
           (n = printable(slice_of(s.data + at, s.size - at))))
        at += n;
    return at;
}

void text_escape(struct slice bytes, FILE *out)
{
    for (size_t i = 0; i < bytes.size;) {
        struct slice rest = slice_of(bytes.data + i, bytes.size - i);
        size_t n = plain(rest);
        uint8_t c;
        if (n) {
            fwrite(rest.data, 1, n, out);
            i += n;
            continue;
        }
        c = rest.data[0];
        if (c == '\\')
            fputs("\\\\", out);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c == '\t')
            fputs("\\t", out);
        else if (c == '\r')
            fputs("\\r", out);
        else
            fprintf(out, "\\x%02x", c);
        i++;
    }
}

bool text_unescape(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\\')
            buf_append(out, &text.data[i], 1);
        else if (!escape(text, &i, out))
            return false;
    }
    return true;
}
