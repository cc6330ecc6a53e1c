/* members.c - see members.h. The encoding is libraft's: a version byte, the
 * count, then per server id, address with its NUL, role; zeros up to a multiple
 * of eight bytes. It is parsed here first because libraft's own decoder reads
 * beyond the end of what is malformed (hazard L9). */
#include "raft/members.h"

#include <assert.h>
#include <stdio.h>

#include "proto/base/planted.h"

enum { ENCODING_VERSION = 1, ADDRESS_TEXT_MAX = 21 };

bool members_add(struct members *m, uint64_t replica, enum member_role role)
{
    if (m->n == MEMBERS_MAX || replica == 0 || members_find(m, replica))
        return false;
    m->v[m->n++] = (struct member){replica, role};
    return true;
}

bool members_remove(struct members *m, uint64_t replica)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->v[i].replica != replica)
            continue;
        for (unsigned j = i + 1; j < m->n; j++)
            m->v[j - 1] = m->v[j];
        m->n--;
        m->v[m->n] = (struct member){0, MEMBER_STANDBY};
        return true;
    }
    return false;
}

const struct member *members_find(const struct members *m, uint64_t replica)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->v[i].replica == replica)
            return &m->v[i];
    }
    return NULL;
}

bool members_is_voter(const struct members *m, uint64_t replica)
{
    const struct member *found = members_find(m, replica);

    return found && found->role == MEMBER_VOTER;
}

unsigned members_voters(const struct members *m)
{
    unsigned voters = 0;

    for (unsigned i = 0; i < m->n; i++)
        voters += m->v[i].role == MEMBER_VOTER;
    return voters;
}

unsigned members_quorum(const struct members *m)
{
    return members_voters(m) / 2 + 1;
}

bool members_sole_voter(const struct members *m, uint64_t replica)
{
    return members_voters(m) == 1 && members_is_voter(m, replica);
}

bool members_equal(const struct members *a, const struct members *b)
{
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++) {
        if (a->v[i].replica != b->v[i].replica || a->v[i].role != b->v[i].role)
            return false;
    }
    return true;
}

/* Are the first `n` members the same, but for at most one role? */
static bool same_but_one_role(const struct members *a, const struct members *b,
                              unsigned n)
{
    unsigned roles = 0;

    for (unsigned i = 0; i < n; i++) {
        if (a->v[i].replica != b->v[i].replica && !PLANTED(L4_ORDER))
            return false;
        roles += a->v[i].role != b->v[i].role;
    }
    return roles <= 1 || PLANTED(L4_MANY);
}

static bool one_difference(const struct members *from, const struct members *to)
{
    struct members less;

    if (to->n == from->n)
        return same_but_one_role(from, to, to->n);
    if (to->n == from->n + 1) {
        less = *to;
        less.n--;
        return members_equal(from, &less);
    }
    if (from->n != to->n + 1)
        return false;
    for (unsigned i = 0; i < from->n; i++) {
        less = *from;
        members_remove(&less, from->v[i].replica);
        if (members_equal(&less, to))
            return true;
    }
    return false;
}

enum status members_step(const struct members *from, const struct members *to)
{
    if (to->n > MEMBERS_MAX || members_voters(to) == 0)
        return STATUS_INVALID;
    for (unsigned i = 0; i < to->n; i++) {
        const struct member *m = &to->v[i];
        if (m->replica == 0 || members_find(to, m->replica) != m)
            return STATUS_INVALID;
        if (m->role != MEMBER_VOTER && m->role != MEMBER_STANDBY &&
            !PLANTED(L16_SPARE))
            return STATUS_INVALID;
    }
    if (members_equal(from, to))
        return STATUS_EXISTS;
    if (!one_difference(from, to))
        return STATUS_INVALID;
    if (members_voters(to) == 1 && members_voters(from) > 1)
        return STATUS_INVALID;
    return STATUS_OK;
}

void members_encode(const struct members *m, struct buf *out)
{
    size_t start = out->size;

    assert(m->n > 0);
    assert(m->n <= MEMBERS_MAX);
    buf_u8(out, ENCODING_VERSION);
    buf_u64(out, m->n);
    for (unsigned i = 0; i < m->n; i++) {
        char text[ADDRESS_TEXT_MAX];
        int size = snprintf(text, sizeof text, "%llu",
                            (unsigned long long)m->v[i].replica);
        buf_u64(out, m->v[i].replica);
        buf_append(out, text, (size_t)size + 1);
        buf_u8(out, (uint8_t)m->v[i].role);
    }
    while ((out->size - start) % 8)
        buf_u8(out, 0);
}

static bool decode_one(struct reader *r, struct members *out)
{
    char text[ADDRESS_TEXT_MAX];
    uint64_t id = reader_u64(r);
    int size = snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    struct slice address = reader_bytes(r, (size_t)size + 1);
    uint8_t role = reader_u8(r);

    if (r->failed || role > MEMBER_SPARE)
        return false;
    if (!slice_equal(address, slice_of(text, (size_t)size + 1)))
        return false;
    return members_add(out, id, (enum member_role)role);
}

enum status members_decode(struct slice bytes, struct members *out)
{
    struct reader r = reader_of(bytes);
    uint8_t version = reader_u8(&r);
    uint64_t n = reader_u64(&r);

    *out = (struct members){0};
    if (r.failed || version != ENCODING_VERSION || n == 0 || n > MEMBERS_MAX)
        return STATUS_CORRUPT;
    for (uint64_t i = 0; i < n; i++) {
        if (!decode_one(&r, out))
            return STATUS_CORRUPT;
    }
    if (bytes.size % 8 || reader_left(&r) >= 8)
        return STATUS_CORRUPT;
    while (reader_left(&r)) {
        if (reader_u8(&r) != 0)
            return STATUS_CORRUPT;
    }
    return STATUS_OK;
}
