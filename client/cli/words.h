/* words.h - a line of the interactive shell, or a clause of a transaction, as
 * words; and bytes as text on one line, which reads back the same.
 *
 * Words are separated by blanks. "..." holds blanks and escapes, '...' holds
 * blanks and no escapes. Escapes, outside of '...' too: \\ \" \' \n \r \t \0
 * \xHH, and a backslash before a blank. */
#ifndef CLIENT_CLI_WORDS_H
#define CLIENT_CLI_WORDS_H

#include <stdbool.h>
#include <stdio.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"

enum { WORDS_MAX = 4096 };

/* Words may hold NULs; each is followed by one more, so that those without are
 * C strings. */
struct words {
    struct buf bytes;
    unsigned n, cap;
    size_t *at, *size; /* of each word in `bytes` */
};

/* Replaces what was in `w` (zero-initialised is empty). NULL, or a static text:
 * why the line cannot be read. */
const char *words_split(struct words *w, struct slice line);
void words_release(struct words *w);

static inline struct slice word(const struct words *w, unsigned i)
{
    return slice_of(w->bytes.data + w->at[i], w->size[i]);
}
static inline char *word_text(const struct words *w, unsigned i)
{
    return (char *)w->bytes.data + w->at[i];
}
static inline bool word_is(const struct words *w, unsigned i, const char *text)
{
    return i < w->n && slice_equal(word(w, i), slice_str(text));
}

/* Backslash, tab, line ends and what is no printable UTF-8 as escapes. */
void text_escape(struct slice bytes, FILE *out);
/* The reverse: appends to `out`; false for a malformed escape. */
MUST_CHECK bool text_unescape(struct slice text, struct buf *out);

#endif
