/* guard.c - see guard.h. */
#include "raft/guard.h"

#include <assert.h>
#include <raft.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/planted.h"

#if RAFT_VERSION_NUMBER < 2201
#error "libraft before 0.22.1 can lose acknowledged writes"
#endif

enum { VERSION_MIN = 2201, VERSION_NEXT = 2300, REARM_MS_MIN = 10 };

bool guard_version(int header, int library)
{
    if (header < VERSION_MIN || header >= VERSION_NEXT)
        return false;
    return library == 0 || library == header;
}

unsigned guard_segment(const struct message *m, unsigned at)
{
    unsigned n = 1;

    assert(at < m->n_entries);
    if (PLANTED(L1_SEGMENT))
        return m->n_entries - at;
    while (at + n < m->n_entries && m->entries[at + n].type != ENTRY_CHANGE)
        n++;
    return n;
}

bool guard_commits_pending(uint64_t pending, uint64_t new_index, bool agree)
{
    return pending != 0 && pending < new_index && agree &&
           !PLANTED(L1_PENDING);
}

bool guard_self_elects(const struct members *m, uint64_t replica)
{
    return members_sole_voter(m, replica) && !PLANTED(L2_SELF_ELECTS);
}

bool guard_barrier_done(uint64_t barrier, uint64_t commit)
{
    return barrier != 0 && (commit >= barrier || PLANTED(L3_BARRIER));
}

bool guard_rejection_stale(const struct message *m, uint64_t match)
{
    uint64_t last = m->append_result.last_index;

    if (m->append_result.rejected == 0 || PLANTED(L5_REJECTION))
        return false;
    /* libraft corrects it like this before it looks. */
    if (last >= m->append_result.rejected)
        last = m->append_result.rejected - 1;
    return last < match;
}

/* ---- L6 ---- */

void guard_writes_release(struct guard_writes *w)
{
    free(w->v);
    *w = (struct guard_writes){0};
}

void guard_writes_add(struct guard_writes *w, uint64_t seq, uint64_t last)
{
    if (w->head == w->n)
        w->head = w->n = 0;
    if (w->n == w->cap && w->head > 0) {
        memmove(w->v, w->v + w->head, (w->n - w->head) * sizeof w->v[0]);
        w->n -= w->head;
        w->head = 0;
    }
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->v = xrealloc(w->v, w->cap * sizeof w->v[0]);
    }
    assert(w->n == w->head || w->v[w->n - 1].seq < seq);
    w->v[w->n++] = (struct guard_write){seq, last};
}

void guard_writes_truncate(struct guard_writes *w, uint64_t from)
{
    for (unsigned i = w->head; i < w->n; i++) {
        if (w->v[i].last >= from)
            w->v[i].last = from - 1;
    }
}

void guard_writes_clear(struct guard_writes *w)
{
    w->head = w->n = 0;
}

uint64_t guard_writes_done(struct guard_writes *w, uint64_t seq)
{
    uint64_t last = 0;

    for (; w->head < w->n && w->v[w->head].seq <= seq; w->head++)
        last = w->v[w->head].last;
    return last;
}

/* ---- messages ---- */

bool guard_two_leaders(const struct message *m, uint64_t term, uint64_t leader,
                       uint64_t self)
{
    if (m->type != MESSAGE_APPEND && m->type != MESSAGE_INSTALL)
        return false;
    if (m->term != term || leader == 0 || PLANTED(L7_SECOND_LEADER))
        return false;
    assert(m->from != self);
    return leader != m->from;
}

uint64_t guard_commit(uint64_t seen, uint64_t durable, bool installing)
{
    if (installing)
        return 0;
    if (PLANTED(COMMIT_IS_DURABLE_HERE))
        return durable;
    if (PLANTED(COMMIT_AHEAD_OF_DISK))
        return seen;
    return MIN_OF(seen, durable);
}

void guard_keep_commit(struct raft *r, uint64_t seen)
{
    if (r->commit_index < seen && !PLANTED(L10_COMMIT_BACK))
        r->commit_index = seen;
}

bool guard_promotable(bool heard, uint64_t match, uint64_t last,
                      uint64_t members_index)
{
    if (PLANTED(L11_PROMOTE))
        return true;
    return heard && match >= members_index && match > 0 &&
           last - match <= GUARD_PROMOTE_LAG_MAX;
}

bool guard_transfer_ready(uint64_t match, uint64_t last, uint64_t durable)
{
    return match == last && durable == last;
}

bool guard_may_truncate(bool installing, bool sending, uint64_t index,
                        uint64_t snapshot, uint64_t commit)
{
    if (installing && PLANTED(L14_TRUNCATE))
        return true;
    if (installing || (index <= 1 && !PLANTED(L24_FIRST)))
        return false;
    if (sending && !PLANTED(L20_INDEX))
        return false;
    return index > snapshot && index <= commit;
}

instant guard_deadline(uint64_t raw, instant fired, duration grid)
{
    uint64_t at = MAX_OF(raw, fired.ms + REARM_MS_MIN);

    if (PLANTED(L16_SPARE))
        return (instant){raw};
    return (instant){(at + grid.ms - 1) / grid.ms * grid.ms};
}

/* ---- elections ---- */

void guard_ask_first(struct raft *r)
{
    if (r->state != RAFT_CANDIDATE || !r->pre_vote)
        return;
    r->candidate_state.in_pre_vote = true;
    /* The leader's leave to disturb it was for one election. */
    r->candidate_state.disrupt_leader = false;
}

int guard_vote_anyway(struct raft *r)
{
    if (PLANTED(L17_STANDBY))
        return -1;
    for (unsigned i = 0; i < r->configuration.n; i++) {
        struct raft_server *s = &r->configuration.servers[i];
        if (s->id == r->id && s->role != RAFT_VOTER &&
            r->state == RAFT_FOLLOWER) {
            int role = s->role;
            s->role = RAFT_VOTER;
            return role;
        }
    }
    return -1;
}

void guard_vote_done(struct raft *r, int role)
{
    for (unsigned i = 0; role >= 0 && i < r->configuration.n; i++) {
        if (r->configuration.servers[i].id == r->id)
            r->configuration.servers[i].role = role;
    }
}

bool guard_vote_result(const struct message *m, const struct raft *r)
{
    if (PLANTED(L18_RESULT))
        return true;
    if (r->state != RAFT_CANDIDATE)
        return false;
    if (!r->candidate_state.in_pre_vote || !m->vote_result.granted)
        return true;
    if (PLANTED(L18_LATE) && m->term <= r->current_term)
        return true;
    return m->term == r->current_term + 1;
}

instant guard_clock(instant last, instant now)
{
    return now.ms < last.ms && !PLANTED(L19_CLOCK) ? last : now;
}

bool guard_snapshot_moved(uint64_t asked, uint64_t snapshot, uint64_t match,
                          bool heard)
{
    if (PLANTED(L20_MOVED))
        return false;
    return heard && asked != 0 && asked < snapshot && match < asked;
}

void guard_forget_leader(struct raft *r, instant now)
{
    if (PLANTED(L21_SILENT))
        return;
    if (r->state != RAFT_FOLLOWER || r->follower_state.current_leader.id == 0)
        return;
    if (now.ms - r->election_timer_start < r->election_timeout)
        return;
    raft_free(r->follower_state.current_leader.address);
    r->follower_state.current_leader.address = NULL;
    r->follower_state.current_leader.id = 0;
}

bool guard_anchor(const struct message *m, uint64_t first, uint64_t snapshot,
                  unsigned *skip)
{
    uint64_t prev = m->append.prev_index;

    *skip = 0;
    if (first == 1 || prev >= first || prev >= snapshot || PLANTED(L23_ANCHOR))
        return false;
    *skip = (unsigned)MIN_OF((uint64_t)m->n_entries, snapshot - prev);
    return true;
}

uint64_t guard_refusal_term(bool pre_vote, bool granted, uint64_t asked,
                            uint64_t own)
{
    if (PLANTED(L25_REFUSAL))
        return asked;
    return pre_vote && !granted && own > asked ? own : asked;
}
