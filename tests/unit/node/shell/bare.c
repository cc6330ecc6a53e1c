/* bare.c - see bare.h. */
#include "tests/unit/node/shell/bare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void bare_init(struct bare *b, const char *dir)
{
    *b = (struct bare){0};
    b->n.n_loops = 1;
    b->n.loops = xcalloc(1, sizeof *b->n.loops);
    b->n.loops[0].node = &b->n;
    b->n.loops[0].uv = uv_default_loop();
    b->n.o.segment_bytes = BARE_SEGMENT_BYTES;
    if (datadir_open(&b->n.dir, dir, true, b->error) != STATUS_OK)
        fail_msg("%s", b->error);
    snprintf(b->wal, sizeof b->wal, "%.400s/wal", dir);
    b->n.disk = disk_new(&b->n);
}

static void forget_groups(struct bare *b)
{
    for (unsigned i = 0; i < b->n_groups; i++)
        buf_release(&b->groups[i].text);
    b->n_groups = 0;
}

void bare_release(struct bare *b)
{
    b->n.hurry = true;
    bare_close_log(b);
    disk_stop(&b->n);
    free(b->n.disk);
    forget_groups(b);
    datadir_close(&b->n.dir);
    free(b->n.loops);
}

struct bare *bare_setup(void **state)
{
    struct bare *b = xcalloc(1, sizeof *b);

    scratch_setup(state);
    bare_init(b, *state);
    free(*state);
    *state = b;
    return b;
}

int bare_log_setup(void **state)
{
    bare_must_open_log(bare_setup(state));
    return 0;
}

int bare_teardown(void **state)
{
    struct bare *b = *state;
    char root[SCRATCH_PATH];

    snprintf(root, sizeof root, "%s", b->n.dir.path);
    bare_release(b);
    scratch_remove(root);
    free(b);
    return 0;
}

static void each(void *arg, const struct wal_recovered *found, unsigned i)
{
    struct bare *b = arg;
    struct bare_group *g = &b->groups[b->n_groups++];

    assert_true(b->n_groups <= BARE_GROUPS);
    *g = (struct bare_group){.g = found->groups[i]};
    if (g->g.quarantined)
        return;
    for (uint64_t at = g->g.first; at <= g->g.last; at++) {
        struct wal_entry e = wal_recovered_entry(found, g->g.group, at);
        buf_append(&g->text, e.data.data, e.data.size);
    }
}

enum status bare_open_log(struct bare *b)
{
    forget_groups(b);
    return walfiles_open(&b->n, each, b, &b->lost_unnamed, b->error);
}

void bare_must_open_log(struct bare *b)
{
    enum status st = bare_open_log(b);

    if (st != STATUS_OK)
        fail_msg("%s: %s", status_name(st), b->error);
}

void bare_close_log(struct bare *b)
{
    journal_release(&b->n.journal);
}

const struct bare_group *bare_group(const struct bare *b, uint32_t group)
{
    for (unsigned i = 0; i < b->n_groups; i++)
        if (b->groups[i].g.group == group)
            return &b->groups[i];
    return NULL;
}

void bare_reset(struct bare *b, uint32_t group, uint64_t index)
{
    static const uint8_t none[WAL_INSTALL_ID_BYTES];

    wal_reset(b->n.journal.wal, group, index, 1, none, node_now_us());
    wal_vote(b->n.journal.wal, group, 1, 0, node_now_us());
}

void bare_append(struct bare *b, uint32_t group, const char *text)
{
    struct wal *w = b->n.journal.wal;
    struct wal_entry e = {.term = 1, .type = 1, .data = slice_str(text)};

    wal_append(w, group, wal_last(w, group) + 1, &e, 1, false,
               node_now_us());
}

void bare_settle(struct bare *b)
{
    assert_int_equal(disk_settle(&b->n, false), STATUS_OK);
}

void bare_must_read(struct bare *b, uint32_t group, uint64_t index,
                    const char *text)
{
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span span;
    uint8_t *bytes;

    assert_int_equal(wal_find(b->n.journal.wal, group, index, 1 << 20, &span),
                     STATUS_OK);
    bytes = xmalloc(span.bytes);
    assert_true(logread_bytes(b->wal, &span, bytes));
    assert_int_equal(wal_span_decode(&span, slice_of(bytes, span.bytes), out),
                     STATUS_OK);
    assert_true(slice_equal(out[0].data, slice_str(text)));
    free(bytes);
}

const char *bare_segment(const struct bare *b, uint64_t segment)
{
    char name[64];

    snprintf(name, sizeof name, "%016" PRIx64 ".seg", segment);
    return path_of(b->wal, name);
}
