/* one.c - see one.h. */
#include "one.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/bytes.h"

struct members one_members(unsigned voters, unsigned standbys)
{
    struct members m = {0};

    for (unsigned i = 1; i <= voters + standbys; i++)
        assert_true(
            members_add(&m, i, i <= voters ? MEMBER_VOTER : MEMBER_STANDBY));
    return m;
}

struct blob *one_members_blob(const struct members *m)
{
    struct buf bytes = {0};
    struct blob *b;

    members_encode(m, &bytes);
    b = blob_copy(buf_slice(&bytes));
    buf_release(&bytes);
    return b;
}

static void make(struct one *x)
{
    struct group_options o = x->options;

    o.group = 9;
    o.replica = 1;
    o.seed = 5;
    x->now = (instant){10000};
    x->g = group_new(&o);
}

void one_bootstrap(struct one *x, unsigned n, bool waiting)
{
    struct group_restore r = {.bootstrap = true};

    make(x);
    r.snapshot.members = one_members(n, 0);
    assert_int_equal(group_start(x->g, x->now, &r, &x->fx), STATUS_OK);
    if (!waiting)
        one_persist(x);
}

void one_start(struct one *x, unsigned n, uint64_t term, uint64_t last,
               uint64_t log_term)
{
    struct group_restore r = {.term = term, .first_index = 1, .n = last};
    struct group_entry *e = xcalloc(last, sizeof *e);
    struct members m = one_members(n, 0);
    struct blob *command = blob_copy(slice_str("command"));

    make(x);
    e[0] = (struct group_entry){1, ENTRY_CHANGE, one_members_blob(&m)};
    for (uint64_t i = 1; i < last; i++)
        e[i] = (struct group_entry){log_term, ENTRY_COMMAND, command};
    r.entries = e;
    assert_int_equal(group_start(x->g, x->now, &r, &x->fx), STATUS_OK);
    one_persist(x);
    blob_unref(e[0].payload);
    blob_unref(command);
    free(e);
}

void one_release(struct one *x)
{
    group_free(x->g);
    group_effects_release(&x->fx);
}

static void note_seq(struct one *x)
{
    for (unsigned i = 0; i < x->fx.n; i++) {
        const struct group_effect *e = &x->fx.v[i];
        uint64_t seq = 0;
        if (e->type == GROUP_PERSIST_VOTE)
            seq = e->persist_vote.seq;
        else if (e->type == GROUP_PERSIST_TRUNCATE)
            seq = e->persist_truncate.seq;
        else if (e->type == GROUP_PERSIST_ENTRIES)
            seq = e->persist_entries.seq;
        if (seq > x->seq)
            x->seq = seq;
    }
}

void one_clear(struct one *x)
{
    note_seq(x);
    group_effects_clear(&x->fx);
}

void one_persist(struct one *x)
{
    uint64_t before;

    do {
        note_seq(x);
        before = x->seq;
        group_persisted(x->g, x->now, x->seq, &x->fx);
        note_seq(x);
    } while (x->seq != before);
}

struct group_effect *one_find(struct one *x, enum group_effect_type type,
                              unsigned k)
{
    for (unsigned i = 0; i < x->fx.n; i++) {
        if (x->fx.v[i].type == type && k-- == 0)
            return &x->fx.v[i];
    }
    return NULL;
}

unsigned one_count(struct one *x, enum group_effect_type type)
{
    unsigned n = 0;

    while (one_find(x, type, n))
        n++;
    return n;
}

struct message *one_sent(struct one *x, enum message_type type, unsigned k)
{
    for (unsigned i = 0; i < x->fx.n; i++) {
        struct group_effect *e = &x->fx.v[i];
        if (e->type == GROUP_SEND && e->send.message->type == type && k-- == 0)
            return e->send.message;
    }
    return NULL;
}

enum status one_receive(struct one *x, struct message *m)
{
    enum status s = group_receive(x->g, x->now, m, &x->fx);

    message_free(m);
    return s;
}

struct message *one_message(enum message_type type, uint64_t from,
                            uint64_t term, unsigned n_entries)
{
    struct message *m = message_new(type, n_entries);

    m->group = 9;
    m->from = from;
    m->to = 1;
    m->term = term;
    return m;
}

struct message *one_append(uint64_t from, uint64_t term, uint64_t prev,
                           uint64_t prev_term, uint64_t commit, unsigned n)
{
    struct message *m = one_message(MESSAGE_APPEND, from, term, n);

    m->append.prev_index = prev;
    m->append.prev_term = prev_term;
    m->append.commit = commit;
    for (unsigned i = 0; i < n; i++)
        m->entries[i] = (struct group_entry){
            term, ENTRY_COMMAND, blob_copy(slice_str("from a leader"))};
    return m;
}

static void result(struct one *x, uint64_t from, uint64_t rejected,
                   uint64_t last)
{
    struct message *m =
        one_message(MESSAGE_APPEND_RESULT, from, group_term(x->g), 0);

    m->version = 2;
    m->append_result.rejected = rejected;
    m->append_result.last_index = last;
    m->append_result.features = 1;
    m->append_result.capacity = 60000;
    assert_int_equal(one_receive(x, m), STATUS_OK);
}

void one_accept(struct one *x, uint64_t from, uint64_t last)
{
    result(x, from, 0, last);
}

void one_reject(struct one *x, uint64_t from, uint64_t rejected, uint64_t last)
{
    result(x, from, rejected, last);
}

static void vote(struct one *x, uint64_t term, bool pre_vote)
{
    struct message *m = one_message(MESSAGE_VOTE_RESULT, 2, term, 0);

    m->version = 2;
    m->vote_result.granted = true;
    m->vote_result.pre_vote = pre_vote;
    assert_int_equal(one_receive(x, m), STATUS_OK);
}

void one_elect(struct one *x)
{
    x->now = group_deadline(x->g);
    group_timeout(x->g, x->now, &x->fx);
    assert_int_equal(group_role(x->g), GROUP_CANDIDATE);
    vote(x, group_term(x->g) + 1, true);
    one_persist(x);
    vote(x, group_term(x->g), false);
    assert_int_equal(group_role(x->g), GROUP_LEADER);
    one_persist(x);
    one_accept(x, 2, group_last(x->g));
}

enum status one_submit(struct one *x, size_t size)
{
    struct blob *b = blob_new(size);
    uint64_t index, term;
    enum status s;

    memset(b->data, 'x', size);
    s = group_submit(x->g, x->now, &b, 1, &index, &term, &x->fx);
    blob_unref(b);
    return s;
}
