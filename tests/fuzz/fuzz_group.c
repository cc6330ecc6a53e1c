/* fuzz_group.c - a sequence of events and messages, from one that may lie,
 * through the guard into raft_step().
 *
 * Two bytes choose a call, some more its numbers, all small so that they often
 * nearly fit. libraft must not crash (best with its assertions on), and the
 * group keeps its own rules: the commit index never passes what is durable,
 * persists are numbered in order. A stopped group is started again. */
#include <assert.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "raft/group.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SELF = 1, CALLS_MAX = 400 };

struct fuzz {
    struct reader r;
    struct group *g;
    struct group_effects fx;
    instant now;
    uint64_t asked, durable, commit;
    uint64_t installing, reading;
};

static struct members some_members(struct fuzz *f)
{
    unsigned n = 1 + reader_u8(&f->r) % 5;
    uint8_t roles = reader_u8(&f->r);
    struct members m = {0};

    for (unsigned i = 0; i < n; i++) {
        bool added = members_add(
            &m, i + 1, roles >> i & 1 ? MEMBER_STANDBY : MEMBER_VOTER);
        assert(added);
    }
    return m;
}

static struct blob *members_blob(const struct members *m)
{
    struct buf bytes = {0};
    struct blob *b;

    members_encode(m, &bytes);
    b = blob_copy(buf_slice(&bytes));
    buf_release(&bytes);
    return b;
}

static void start(struct fuzz *f)
{
    struct group_options o = {
        .group = 3, .replica = SELF, .seed = 7, .inflight_entries_max = 64};
    struct group_restore r = {.bootstrap = true};
    enum status s;

    group_free(f->g);
    group_effects_clear(&f->fx);
    f->asked = f->durable = f->commit = f->installing = f->reading = 0;
    f->g = group_new(&o);
    for (uint64_t i = 1; i <= 3; i++) {
        bool added = members_add(&r.snapshot.members, i, MEMBER_VOTER);
        assert(added);
    }
    s = group_start(f->g, f->now, &r, &f->fx);
    assert(s == STATUS_OK);
}

static void note(struct fuzz *f)
{
    for (unsigned i = 0; i < f->fx.n; i++) {
        const struct group_effect *e = &f->fx.v[i];
        uint64_t seq = 0;
        switch (e->type) {
        case GROUP_PERSIST_VOTE:
            seq = e->persist_vote.seq;
            break;
        case GROUP_PERSIST_TRUNCATE:
            seq = e->persist_truncate.seq;
            assert(e->persist_truncate.from > f->commit);
            break;
        case GROUP_PERSIST_ENTRIES:
            seq = e->persist_entries.seq;
            break;
        case GROUP_SEND:
            assert(message_check(e->send.message) == STATUS_OK);
            break;
        case GROUP_COMMIT:
            assert(e->commit.index > f->commit);
            assert(e->commit.index <= group_durable(f->g));
            f->commit = e->commit.index;
            break;
        case GROUP_INSTALL:
            f->installing = e->install.index;
            break;
        case GROUP_LOG_READ:
            f->reading = e->log_read.token;
            break;
        default:
            break;
        }
        assert(seq == 0 || seq == f->asked + 1);
        if (seq)
            f->asked = seq;
    }
    group_effects_clear(&f->fx);
    if (group_role(f->g) == GROUP_FAILED)
        start(f);
}

static uint64_t term_near(struct fuzz *f)
{
    return group_term(f->g) + reader_u8(&f->r) % 4;
}

static uint64_t index_near(struct fuzz *f)
{
    uint64_t back = reader_u8(&f->r) % 8;
    uint64_t last = group_last(f->g) + 2;

    return last > back ? last - back : 0;
}

static void fill_append(struct fuzz *f, struct message *m)
{
    uint8_t kinds = reader_u8(&f->r);
    uint64_t term;

    m->append.prev_index = index_near(f);
    m->append.commit = index_near(f);
    const struct group_entry *prev = group_entry_at(f->g, m->append.prev_index);
    m->append.prev_term = m->append.prev_index == 0 ? 0
                          : prev                    ? prev->term
                                 : reader_u8(&f->r) % (m->term + 1);
    term = m->append.prev_term ? m->append.prev_term : 1;
    for (unsigned i = 0; i < m->n_entries; i++) {
        struct group_entry *e = &m->entries[i];
        if (kinds >> i & 1)
            term = m->term;
        e->term = term;
        if ((kinds ^ i * 5) % 7 == 3) {
            struct members list = some_members(f);
            e->type = ENTRY_CHANGE;
            e->payload = members_blob(&list);
        } else {
            e->type = ENTRY_COMMAND;
            e->payload = blob_copy(slice_str("fuzz"));
        }
    }
}

static void receive(struct fuzz *f)
{
    uint8_t type = 1 + reader_u8(&f->r) % 6;
    unsigned n = type == MESSAGE_APPEND ? reader_u8(&f->r) % 6 : 0;
    struct message *m = message_new((enum message_type)type, n);

    m->version = 2;
    m->group = 3;
    m->from = 2 + reader_u8(&f->r) % 4;
    m->to = SELF;
    m->term = term_near(f);
    switch (m->type) {
    case MESSAGE_APPEND:
        fill_append(f, m);
        break;
    case MESSAGE_APPEND_RESULT:
        m->append_result.rejected = reader_u8(&f->r) % 2 ? index_near(f) : 0;
        m->append_result.last_index = index_near(f);
        m->append_result.last_term = reader_u8(&f->r) % 4;
        m->append_result.features = 1;
        m->append_result.capacity = 60000;
        break;
    case MESSAGE_VOTE:
        m->vote.last_index = index_near(f);
        m->vote.last_term = reader_u8(&f->r) % 8;
        m->vote.disrupt = reader_u8(&f->r) % 2;
        m->vote.pre_vote = reader_u8(&f->r) % 2;
        break;
    case MESSAGE_VOTE_RESULT:
        m->vote_result.granted = reader_u8(&f->r) % 4 != 0;
        m->vote_result.pre_vote = reader_u8(&f->r) % 2;
        break;
    case MESSAGE_INSTALL:
        m->install.index = index_near(f) + reader_u8(&f->r);
        m->install.index_term = reader_u8(&f->r) % (m->term + 1);
        m->install.members_index = 1;
        m->install.members = some_members(f);
        break;
    case MESSAGE_TIMEOUT_NOW:
        m->timeout_now.last_index = group_last(f->g);
        m->timeout_now.last_term = reader_u8(&f->r) % 8;
        break;
    }
    group_receive(f->g, f->now, m, &f->fx);
    message_free(m);
}

static void submit(struct fuzz *f)
{
    struct blob *b[3];
    unsigned n = 1 + reader_u8(&f->r) % 3;
    uint64_t index, term;
    enum status s;

    for (unsigned i = 0; i < n; i++)
        b[i] = blob_copy(slice_str("submitted"));
    s = group_submit(f->g, f->now, b, n, &index, &term, &f->fx);
    (void)s;
    for (unsigned i = 0; i < n; i++)
        blob_unref(b[i]);
}

static void snapshot_ready(struct fuzz *f)
{
    uint64_t to = 2 + reader_u8(&f->r) % 4;
    struct members m = some_members(f);
    uint64_t index = group_commit(f->g);
    const struct group_entry *e = group_entry_at(f->g, index);
    enum status s = group_snapshot_ready(f->g, f->now, to, index,
                                         e ? e->term : 1, &m, 1, &f->fx);

    (void)s;
}

static void installed(struct fuzz *f)
{
    if (!group_installing(f->g))
        return;
    f->commit = f->installing;
    group_installed(f->g, f->now, reader_u8(&f->r) % 8 != 0, &f->fx);
}

static void call(struct fuzz *f)
{
    struct members m;
    enum status s = STATUS_OK;

    f->now.ms += reader_u8(&f->r) % 64;
    switch (reader_u8(&f->r) % 12) {
    case 0:
    case 1:
    case 2:
        receive(f);
        break;
    case 3:
    case 4:
        f->durable += reader_u8(&f->r) % (f->asked - f->durable + 1);
        group_persisted(f->g, f->now, f->durable, &f->fx);
        break;
    case 5:
        if (group_deadline(f->g).ms != UINT64_MAX)
            f->now = group_deadline(f->g);
        group_timeout(f->g, f->now, &f->fx);
        break;
    case 6:
        submit(f);
        break;
    case 7:
        m = some_members(f);
        s = group_change(f->g, f->now, &m, &f->fx);
        break;
    case 8:
        s = group_transfer(f->g, f->now, reader_u8(&f->r) % 5, &f->fx);
        break;
    case 9:
        group_applied(f->g, group_commit(f->g));
        group_flushed(f->g, f->now, group_commit(f->g), &f->fx);
        break;
    case 10:
        if (reader_u8(&f->r) % 2)
            snapshot_ready(f);
        else
            group_snapshot_failed(f->g, f->now, 2 + reader_u8(&f->r) % 4,
                                  &f->fx);
        break;
    default:
        installed(f);
        group_log_read_done(f->g, f->now, f->reading, NULL, 0, &f->fx);
        break;
    }
    (void)s;
}

static void vote_for_us(struct fuzz *f, uint64_t term, bool pre_vote)
{
    struct message *m = message_new(MESSAGE_VOTE_RESULT, 0);

    m->version = 2;
    m->group = 3;
    m->from = 2;
    m->to = SELF;
    m->term = term;
    m->vote_result.granted = true;
    m->vote_result.pre_vote = pre_vote;
    group_receive(f->g, f->now, m, &f->fx);
    message_free(m);
    note(f);
    f->durable = f->asked;
    group_persisted(f->g, f->now, f->durable, &f->fx);
    note(f);
}

/* Most of what can go wrong, goes wrong for a leader: begin as one, often. */
static void lead(struct fuzz *f)
{
    note(f);
    f->durable = f->asked;
    group_persisted(f->g, f->now, f->durable, &f->fx);
    f->now = group_deadline(f->g);
    group_timeout(f->g, f->now, &f->fx);
    vote_for_us(f, group_term(f->g) + 1, true);
    vote_for_us(f, group_term(f->g), false);
    assert(group_role(f->g) == GROUP_LEADER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.r = reader_of(slice_of(data, size)), .now = {1000}};

    start(&f);
    if (reader_u8(&f.r) % 2)
        lead(&f);
    for (unsigned i = 0; i < CALLS_MAX && !f.r.failed; i++) {
        note(&f);
        call(&f);
    }
    note(&f);
    group_free(f.g);
    group_effects_release(&f.fx);
    return 0;
}
