/* message.c - see message.h. */
#include "raft/message.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"

enum {
    ENTRY_HEADER_BYTES = 8 + 1 + 4,
    APPEND_BYTES = 3 * 8 + 4,
    RESULT_BYTES = 3 * 8 + 2 * 2,
    VOTE_BYTES = 2 * 8 + 2,
    VOTE_RESULT_BYTES = 2 + 2 * 2,
    INSTALL_BYTES = 3 * 8 + 4,
    TIMEOUT_NOW_BYTES = 2 * 8,
};

struct message *message_new(enum message_type type, unsigned n_entries)
{
    struct message *m =
        xcalloc(1, sizeof *m + n_entries * sizeof m->entries[0]);

    assert(n_entries == 0 || type == MESSAGE_APPEND);
    assert(n_entries <= MESSAGE_ENTRIES_MAX);
    m->type = type;
    m->n_entries = n_entries;
    return m;
}

void message_free(struct message *m)
{
    if (!m)
        return;
    for (unsigned i = 0; i < m->n_entries; i++)
        blob_unref(m->entries[i].payload);
    free(m);
}

bool message_is_bulk(const struct message *m)
{
    return m->type == MESSAGE_INSTALL || m->n_entries > 0;
}

static size_t members_size(const struct members *m)
{
    size_t size = 9;

    for (unsigned i = 0; i < m->n; i++) {
        uint64_t id = m->v[i].replica;
        size += 8 + 2 + 1;
        while (id >= 10) {
            id /= 10;
            size++;
        }
    }
    return (size + 7) / 8 * 8;
}

size_t message_size(const struct message *m)
{
    size_t size = MESSAGE_HEADER_BYTES;

    switch (m->type) {
    case MESSAGE_APPEND:
        size += APPEND_BYTES;
        for (unsigned i = 0; i < m->n_entries; i++)
            size += ENTRY_HEADER_BYTES + blob_slice(m->entries[i].payload).size;
        break;
    case MESSAGE_APPEND_RESULT:
        size += RESULT_BYTES;
        break;
    case MESSAGE_VOTE:
        size += VOTE_BYTES;
        break;
    case MESSAGE_VOTE_RESULT:
        size += VOTE_RESULT_BYTES;
        break;
    case MESSAGE_INSTALL:
        size += INSTALL_BYTES + members_size(&m->install.members);
        break;
    case MESSAGE_TIMEOUT_NOW:
        size += TIMEOUT_NOW_BYTES;
        break;
    }
    return size;
}

/* ---- encoding ---- */

static void encode_append(const struct message *m, struct buf *out)
{
    buf_u64(out, m->append.prev_index);
    buf_u64(out, m->append.prev_term);
    buf_u64(out, m->append.commit);
    buf_u32(out, m->n_entries);
    for (unsigned i = 0; i < m->n_entries; i++) {
        const struct group_entry *e = &m->entries[i];
        struct slice payload = blob_slice(e->payload);
        buf_u64(out, e->term);
        buf_u8(out, e->type);
        buf_u32(out, (uint32_t)payload.size);
        buf_append(out, payload.data, payload.size);
    }
}

static void encode_install(const struct message *m, struct buf *out)
{
    size_t at;

    buf_u64(out, m->install.index);
    buf_u64(out, m->install.index_term);
    buf_u64(out, m->install.members_index);
    at = out->size;
    buf_u32(out, 0);
    members_encode(&m->install.members, out);
    put_u32(out->data + at, (uint32_t)(out->size - at - 4));
}

static void encode_body(const struct message *m, struct buf *out)
{
    switch (m->type) {
    case MESSAGE_APPEND:
        encode_append(m, out);
        break;
    case MESSAGE_APPEND_RESULT:
        buf_u64(out, m->append_result.rejected);
        buf_u64(out, m->append_result.last_index);
        buf_u64(out, m->append_result.last_term);
        buf_u16(out, m->append_result.features);
        buf_u16(out, m->append_result.capacity);
        break;
    case MESSAGE_VOTE:
        buf_u64(out, m->vote.last_index);
        buf_u64(out, m->vote.last_term);
        buf_u8(out, m->vote.disrupt);
        buf_u8(out, m->vote.pre_vote);
        break;
    case MESSAGE_VOTE_RESULT:
        buf_u8(out, m->vote_result.granted);
        buf_u8(out, m->vote_result.pre_vote);
        buf_u16(out, m->vote_result.features);
        buf_u16(out, m->vote_result.capacity);
        break;
    case MESSAGE_INSTALL:
        encode_install(m, out);
        break;
    case MESSAGE_TIMEOUT_NOW:
        buf_u64(out, m->timeout_now.last_index);
        buf_u64(out, m->timeout_now.last_term);
        break;
    }
}

void message_encode(const struct message *m, struct buf *out)
{
    size_t start = out->size;
    size_t size = message_size(m);

    buf_reserve(out, size);
    buf_u32(out, m->group);
    buf_u8(out, (uint8_t)m->type);
    buf_u8(out, m->version);
    buf_u16(out, 0);
    buf_u64(out, m->from);
    buf_u64(out, m->to);
    buf_u64(out, m->term);
    encode_body(m, out);
    assert(out->size - start == size);
}

/* ---- decoding ---- */

bool message_peek(struct slice bytes, struct message_header *out)
{
    struct reader r = reader_of(bytes);
    uint8_t type;

    out->group = reader_u32(&r);
    type = reader_u8(&r);
    out->type = (enum message_type)type;
    reader_bytes(&r, 3);
    out->from = reader_u64(&r);
    out->to = reader_u64(&r);
    return !r.failed && type >= MESSAGE_APPEND && type <= MESSAGE_TIMEOUT_NOW;
}

static bool decode_bool(struct reader *r, bool *out)
{
    uint8_t v = reader_u8(r);

    *out = v != 0;
    return v <= 1;
}

/* The count says how much to allocate: it is believed only if that many entry
 * headers fit into what is left. */
static struct message *decode_append(struct reader *r)
{
    uint64_t prev_index = reader_u64(r);
    uint64_t prev_term = reader_u64(r);
    uint64_t commit = reader_u64(r);
    uint32_t n = reader_u32(r);
    struct message *m;

    if (r->failed || n > MESSAGE_ENTRIES_MAX ||
        reader_left(r) / ENTRY_HEADER_BYTES < n) {
        r->failed = true;
        n = 0;
    }
    m = message_new(MESSAGE_APPEND, n);
    m->append.prev_index = prev_index;
    m->append.prev_term = prev_term;
    m->append.commit = commit;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size;
        struct slice payload;
        m->entries[i].term = reader_u64(r);
        m->entries[i].type = reader_u8(r);
        size = reader_u32(r);
        if (size > ENTRY_PAYLOAD_MAX)
            r->failed = true;
        payload = reader_bytes(r, size);
        if (r->failed)
            break;
        if (size)
            m->entries[i].payload = blob_copy(payload);
    }
    return m;
}

static bool decode_install(struct reader *r, struct message *m)
{
    struct slice bytes;

    m->install.index = reader_u64(r);
    m->install.index_term = reader_u64(r);
    m->install.members_index = reader_u64(r);
    bytes = reader_bytes(r, reader_u32(r));
    return !r->failed &&
           members_decode(bytes, &m->install.members) == STATUS_OK;
}

static bool decode_body(struct reader *r, struct message *m)
{
    bool good = true;

    switch (m->type) {
    case MESSAGE_APPEND_RESULT:
        m->append_result.rejected = reader_u64(r);
        m->append_result.last_index = reader_u64(r);
        m->append_result.last_term = reader_u64(r);
        m->append_result.features = reader_u16(r);
        m->append_result.capacity = reader_u16(r);
        break;
    case MESSAGE_VOTE:
        m->vote.last_index = reader_u64(r);
        m->vote.last_term = reader_u64(r);
        good = decode_bool(r, &m->vote.disrupt);
        good = decode_bool(r, &m->vote.pre_vote) && good;
        break;
    case MESSAGE_VOTE_RESULT:
        good = decode_bool(r, &m->vote_result.granted);
        good = decode_bool(r, &m->vote_result.pre_vote) && good;
        m->vote_result.features = reader_u16(r);
        m->vote_result.capacity = reader_u16(r);
        break;
    case MESSAGE_INSTALL:
        good = decode_install(r, m);
        break;
    case MESSAGE_TIMEOUT_NOW:
        m->timeout_now.last_index = reader_u64(r);
        m->timeout_now.last_term = reader_u64(r);
        break;
    case MESSAGE_APPEND:
        break;
    }
    return good;
}

enum status message_decode(struct slice bytes, struct message **out)
{
    struct reader r = reader_of(bytes);
    struct message_header head;
    struct message *m;
    uint8_t version;
    uint16_t flags;
    uint64_t term;
    bool good = true;

    *out = NULL;
    if (!message_peek(bytes, &head) || bytes.size < MESSAGE_HEADER_BYTES)
        return STATUS_BAD_MESSAGE;
    reader_bytes(&r, 5);
    version = reader_u8(&r);
    flags = reader_u16(&r);
    reader_bytes(&r, 16);
    term = reader_u64(&r);
    if (head.type == MESSAGE_APPEND) {
        m = decode_append(&r);
    } else {
        m = message_new(head.type, 0);
        good = decode_body(&r, m);
    }
    m->version = version;
    m->group = head.group;
    m->from = head.from;
    m->to = head.to;
    m->term = term;
    if (!good || flags || r.failed || reader_left(&r) ||
        message_check(m) != STATUS_OK) {
        message_free(m);
        return STATUS_BAD_MESSAGE;
    }
    *out = m;
    return STATUS_OK;
}

/* ---- checking ---- */

static bool believable(uint64_t number)
{
    return number < MESSAGE_NUMBER_MAX;
}

/* An index and the term of the entry there. */
static bool position(uint64_t index, uint64_t term, uint64_t term_max)
{
    return believable(index) && term <= term_max &&
           ((index == 0) == (term == 0) || PLANTED(L8_POSITION));
}

static bool check_entries(const struct message *m)
{
    uint64_t term = m->append.prev_term;

    for (unsigned i = 0; i < m->n_entries; i++) {
        const struct group_entry *e = &m->entries[i];
        struct members members;
        if ((e->term == 0 || e->term < term || e->term > m->term) &&
            !PLANTED(L8_TERMS))
            return false;
        term = e->term;
        if (blob_slice(e->payload).size > ENTRY_PAYLOAD_MAX)
            return false;
        switch (e->type) {
        case ENTRY_COMMAND:
            if (!e->payload)
                return false;
            break;
        case ENTRY_BARRIER:
            break;
        case ENTRY_CHANGE:
            if (members_decode(blob_slice(e->payload), &members) != STATUS_OK &&
                !PLANTED(L9_SHORT_LIST))
                return false;
            break;
        default:
            return false;
        }
    }
    return true;
}

static bool check_install(const struct message *m)
{
    if (m->install.index == 0 ||
        !position(m->install.index, m->install.index_term, m->term))
        return false;
    if (m->install.members_index == 0 ||
        m->install.members_index > m->install.index)
        return false;
    return m->install.members.n > 0 && m->install.members.n <= MEMBERS_MAX;
}

static bool check_body(const struct message *m)
{
    switch (m->type) {
    case MESSAGE_APPEND:
        return position(m->append.prev_index, m->append.prev_term, m->term) &&
               believable(m->append.commit) && check_entries(m);
    case MESSAGE_APPEND_RESULT:
        return believable(m->append_result.rejected) &&
               believable(m->append_result.last_index) &&
               believable(m->append_result.last_term);
    case MESSAGE_VOTE:
        return position(m->vote.last_index, m->vote.last_term, m->term);
    case MESSAGE_VOTE_RESULT:
        return true;
    case MESSAGE_INSTALL:
        return check_install(m);
    case MESSAGE_TIMEOUT_NOW:
        return position(m->timeout_now.last_index, m->timeout_now.last_term,
                        m->term);
    }
    return false;
}

enum status message_check(const struct message *m)
{
    if (m->from == 0 || m->to == 0 || m->from == m->to)
        return STATUS_BAD_MESSAGE;
    if (m->term == 0 || !believable(m->term))
        return STATUS_BAD_MESSAGE;
    if (m->n_entries > 0 && m->type != MESSAGE_APPEND)
        return STATUS_BAD_MESSAGE;
    return check_body(m) ? STATUS_OK : STATUS_BAD_MESSAGE;
}
