/* fuzz_words.c - small things that people and programs hand in as text or
 * bytes: cursors, changes of keyspaces, lines of recorded histories.
 *
 * The first byte chooses which; what is accepted has to read back as itself. */
#include <stdlib.h>

#include "client/cursor.h"
#include "proto/keyspace.h"
#include "tests/check/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *text_of(struct slice in)
{
    char *text = xmalloc(in.size + 1);

    if (in.size)
        memcpy(text, in.data, in.size);
    text[in.size] = '\0';
    return text;
}

static void cursor(struct slice in)
{
    char *text = text_of(in), *again;
    struct buf body = {0};

    if (cursor_parse(text, CURSOR_SCAN, 7, &body) == STATUS_OK) {
        again = cursor_text(CURSOR_SCAN, 7, buf_slice(&body));
        if (strcmp(text, again) != 0)
            abort();
        free(again);
    }
    buf_release(&body);
    free(text);
}

/* A good one of any body, and the same with one character changed. */
static void cursor_changed(struct slice in)
{
    char *text = cursor_text(CURSOR_WATCH, 9, in);
    struct buf body = {0};

    if (cursor_parse(text, CURSOR_WATCH, 9, &body) ||
        !slice_equal(buf_slice(&body), in))
        abort();
    if (cursor_parse(text, CURSOR_SCAN, 9, &body) == STATUS_OK ||
        cursor_parse(text, CURSOR_WATCH, 8, &body) == STATUS_OK)
        abort();
    if (in.size) {
        char *at = &text[in.data[0] % strlen(text)];
        *at = *at == 'A' ? 'B' : 'A';
        if (cursor_parse(text, CURSOR_WATCH, 9, &body) == STATUS_OK)
            abort();
    }
    buf_release(&body);
    free(text);
}

static void keyspace(struct slice in)
{
    struct keyspace_change c, again;
    struct buf b = {0};

    if (keyspace_change_decode(in, in.size % 2, &c))
        return;
    keyspace_change_encode(&c, &b);
    if (keyspace_change_decode(buf_slice(&b), false, &again) ||
        c.action != again.action || c.set != again.set ||
        c.keys_max != again.keys_max || c.group != again.group)
        abort();
    buf_release(&b);
}

static void history(struct slice in)
{
    char error[CHECK_ERROR_MAX], line[CHECK_LINE_MAX], again[CHECK_LINE_MAX];
    struct check_history h = {0};
    char *text = text_of(in);

    if (check_text_parse(text, &h, error) == STATUS_OK && h.n == 1) {
        check_text_write(&h.v[0], line);
        if (check_text_parse(line, &h, error) || h.n != 2)
            abort();
        check_text_write(&h.v[1], again);
        if (strcmp(line, again) != 0)
            abort();
    }
    check_history_release(&h);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct slice) = {
        cursor, cursor_changed, keyspace, history};

    if (size)
        kinds[data[0] % ARRAY_LEN(kinds)](slice_of(data + 1, size - 1));
    return 0;
}
