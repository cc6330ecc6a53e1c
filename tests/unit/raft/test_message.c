/* test_message.c - the codec of the replicas' messages and its checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/message.h"

static struct message *new_message(enum message_type type, unsigned n)
{
    struct message *m = message_new(type, n);

    m->version = 2;
    m->group = 7;
    m->from = 11;
    m->to = 12;
    m->term = 5;
    return m;
}

static struct blob *members_blob(void)
{
    struct members m = {0};
    struct buf b = {0};
    struct blob *blob;

    assert_true(members_add(&m, 11, MEMBER_VOTER));
    members_encode(&m, &b);
    blob = blob_copy(buf_slice(&b));
    buf_release(&b);
    return blob;
}

static struct message *new_append(void)
{
    struct message *m = new_message(MESSAGE_APPEND, 3);

    m->append.prev_index = 9;
    m->append.prev_term = 3;
    m->append.commit = 8;
    m->entries[0] =
        (struct group_entry){3, ENTRY_COMMAND, blob_copy(slice_str("payload"))};
    m->entries[1] = (struct group_entry){4, ENTRY_BARRIER, NULL};
    m->entries[2] = (struct group_entry){5, ENTRY_CHANGE, members_blob()};
    return m;
}

static struct message *new_of(enum message_type type)
{
    struct message *m =
        type == MESSAGE_APPEND ? new_append() : new_message(type, 0);

    switch (type) {
    case MESSAGE_APPEND:
        break;
    case MESSAGE_APPEND_RESULT:
        m->append_result.rejected = 4;
        m->append_result.last_index = 3;
        m->append_result.features = 1;
        m->append_result.capacity = 60000;
        break;
    case MESSAGE_VOTE:
        m->vote.last_index = 9;
        m->vote.last_term = 4;
        m->vote.disrupt = true;
        break;
    case MESSAGE_VOTE_RESULT:
        m->vote_result.pre_vote = true;
        m->vote_result.granted = true;
        m->vote_result.features = 1;
        m->vote_result.capacity = 3;
        break;
    case MESSAGE_INSTALL:
        m->install.index = 9;
        m->install.index_term = 4;
        m->install.members_index = 2;
        assert_true(members_add(&m->install.members, 11, MEMBER_VOTER));
        assert_true(
            members_add(&m->install.members, 1234567890123, MEMBER_STANDBY));
        break;
    case MESSAGE_TIMEOUT_NOW:
        m->timeout_now.last_index = 9;
        m->timeout_now.last_term = 5;
        break;
    }
    return m;
}

/* L18 among others: a field lost on the way changes who may lead. Encoding
 * what was decoded must give the same bytes. */
static void every_type_survives_the_wire(void **state)
{
    (void)state;
    for (int t = MESSAGE_APPEND; t <= MESSAGE_TIMEOUT_NOW; t++) {
        struct message *m = new_of((enum message_type)t), *back;
        struct buf once = {0}, twice = {0};
        struct message_header head;
        message_encode(m, &once);
        assert_int_equal(once.size, message_size(m));
        assert_true(message_peek(buf_slice(&once), &head));
        assert_int_equal(head.group, 7);
        assert_int_equal(head.type, t);
        assert_int_equal(head.from, 11);
        assert_int_equal(head.to, 12);
        assert_int_equal(message_decode(buf_slice(&once), &back), STATUS_OK);
        assert_int_equal(back->term, 5);
        assert_int_equal(back->version, 2);
        message_encode(back, &twice);
        assert_true(slice_equal(buf_slice(&once), buf_slice(&twice)));
        message_free(m);
        message_free(back);
        buf_release(&once);
        buf_release(&twice);
    }
}

/* The fields that the codec could mix up without changing the size. */
static void fields_arrive_where_they_left(void **state)
{
    struct message *m = new_of(MESSAGE_VOTE_RESULT), *back;
    struct buf b = {0};

    (void)state;
    m->vote_result.granted = false;
    message_encode(m, &b);
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_OK);
    assert_false(back->vote_result.granted);
    assert_true(back->vote_result.pre_vote);
    assert_int_equal(back->vote_result.features, 1);
    assert_int_equal(back->vote_result.capacity, 3);
    message_free(m);
    message_free(back);
    buf_clear(&b);

    m = new_append();
    message_encode(m, &b);
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_OK);
    assert_int_equal(back->append.prev_index, 9);
    assert_int_equal(back->append.prev_term, 3);
    assert_int_equal(back->append.commit, 8);
    assert_int_equal(back->n_entries, 3);
    assert_int_equal(back->entries[1].term, 4);
    assert_true(slice_equal(blob_slice(back->entries[0].payload),
                            slice_str("payload")));
    assert_null(back->entries[1].payload);
    message_free(m);
    message_free(back);
    buf_release(&b);
}

/* A peer may send anything: each prefix is refused without reading beyond it
 * (exact-sized copies, for the sanitizer), and so is a longer one. */
static void cut_and_longer_messages_are_refused(void **state)
{
    (void)state;
    for (int t = MESSAGE_APPEND; t <= MESSAGE_TIMEOUT_NOW; t++) {
        struct message *m = new_of((enum message_type)t), *back;
        struct buf b = {0};
        message_encode(m, &b);
        for (size_t n = 0; n < b.size; n++) {
            uint8_t *cut = xmalloc(n ? n : 1);
            memcpy(cut, b.data, n);
            assert_int_equal(message_decode(slice_of(cut, n), &back),
                             STATUS_BAD_MESSAGE);
            assert_null(back);
            free(cut);
        }
        buf_u8(&b, 0);
        assert_int_equal(message_decode(buf_slice(&b), &back),
                         STATUS_BAD_MESSAGE);
        message_free(m);
        buf_release(&b);
    }
}

/* A count of entries is not believed before there are bytes for them: four
 * bytes must not allocate gigabytes. */
static void a_wild_count_is_refused(void **state)
{
    struct message *m = new_message(MESSAGE_APPEND, 0), *back;
    struct buf b = {0};

    (void)state;
    message_encode(m, &b);
    put_u32(b.data + b.size - 4, UINT32_MAX);
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_BAD_MESSAGE);
    put_u32(b.data + b.size - 4, MESSAGE_ENTRIES_MAX);
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_BAD_MESSAGE);
    message_free(m);
    buf_release(&b);
}

#define REFUSED(type, change)                                                  \
    do {                                                                       \
        struct message *m = new_of(type);                                      \
        assert_int_equal(message_check(m), STATUS_OK);                         \
        change;                                                                \
        assert_int_equal(message_check(m), STATUS_BAD_MESSAGE);                \
        message_free(m);                                                       \
    } while (0)

/* L8: each of these is taken by libraft and damages it. */
static void inconsistent_fields_are_refused(void **state)
{
    (void)state;
    REFUSED(MESSAGE_VOTE, m->from = 0);
    REFUSED(MESSAGE_VOTE, m->to = 0);
    REFUSED(MESSAGE_VOTE, m->from = m->to);
    REFUSED(MESSAGE_VOTE, m->term = 0);
    REFUSED(MESSAGE_VOTE, m->term = UINT64_MAX);
    REFUSED(MESSAGE_VOTE, m->vote.last_term = 0);
    REFUSED(MESSAGE_VOTE, m->vote.last_term = 6);
    REFUSED(MESSAGE_APPEND, m->append.prev_index = 0);
    REFUSED(MESSAGE_APPEND, m->append.prev_term = 0);
    REFUSED(MESSAGE_APPEND, m->append.prev_term = 6);
    REFUSED(MESSAGE_APPEND, m->append.prev_index = UINT64_MAX);
    REFUSED(MESSAGE_APPEND, m->append.commit = UINT64_MAX);
    REFUSED(MESSAGE_APPEND, m->entries[1].term = 0);
    REFUSED(MESSAGE_APPEND, m->entries[1].term = 2);
    REFUSED(MESSAGE_APPEND, m->entries[2].term = 6);
    REFUSED(MESSAGE_APPEND, m->entries[0].term = 2);
    REFUSED(MESSAGE_APPEND, m->entries[1].type = 9);
    REFUSED(MESSAGE_APPEND, m->entries[0].type = ENTRY_CHANGE);
    REFUSED(MESSAGE_APPEND, m->entries[1].type = ENTRY_CHANGE);
    REFUSED(MESSAGE_APPEND, m->entries[1].type = ENTRY_COMMAND);
    REFUSED(MESSAGE_APPEND_RESULT, m->append_result.rejected = UINT64_MAX);
    REFUSED(MESSAGE_APPEND_RESULT, m->append_result.last_index = UINT64_MAX);
    REFUSED(MESSAGE_INSTALL, m->install.index = 0);
    REFUSED(MESSAGE_INSTALL, m->install.index_term = 6);
    REFUSED(MESSAGE_INSTALL, m->install.members_index = 10);
    REFUSED(MESSAGE_INSTALL, m->install.members_index = 0);
    REFUSED(MESSAGE_INSTALL, m->install.members.n = 0);
    REFUSED(MESSAGE_TIMEOUT_NOW, m->timeout_now.last_term = 0);
}

/* Flags are for later versions: what sets them means something we would
 * misunderstand. A bool is 0 or 1. */
static void unknown_bits_are_refused(void **state)
{
    struct message *m = new_of(MESSAGE_VOTE), *back;
    struct buf b = {0};

    (void)state;
    message_encode(m, &b);
    b.data[6] = 1;
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_BAD_MESSAGE);
    b.data[6] = 0;
    b.data[b.size - 1] = 2;
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_BAD_MESSAGE);
    b.data[b.size - 1] = 1;
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_OK);
    message_free(back);
    b.data[4] = 99;
    assert_int_equal(message_decode(buf_slice(&b), &back), STATUS_BAD_MESSAGE);
    message_free(m);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_survives_the_wire),
        cmocka_unit_test(fields_arrive_where_they_left),
        cmocka_unit_test(cut_and_longer_messages_are_refused),
        cmocka_unit_test(a_wild_count_is_refused),
        cmocka_unit_test(inconsistent_fields_are_refused),
        cmocka_unit_test(unknown_bits_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
