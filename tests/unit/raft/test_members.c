/* test_members.c - member lists: steps between them and libraft's encoding. */
#include <raft.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/members.h"

static struct members list(unsigned n, const uint64_t *ids)
{
    struct members m = {0};

    for (unsigned i = 0; i < n; i++)
        assert_true(members_add(&m, ids[i], MEMBER_VOTER));
    return m;
}

static const uint64_t three[] = {1, 2, 3};

/* A second slot for one replica would give it two votes. */
static void a_replica_is_listed_once(void **state)
{
    struct members m = list(3, three);

    (void)state;
    assert_false(members_add(&m, 2, MEMBER_STANDBY));
    assert_false(members_add(&m, 0, MEMBER_STANDBY));
    assert_int_equal(m.n, 3);
    for (uint64_t i = 4; m.n < MEMBERS_MAX; i++)
        assert_true(members_add(&m, i, MEMBER_STANDBY));
    assert_false(members_add(&m, 99, MEMBER_STANDBY));
}

/* Elections and commits need more than half of the voters only. */
static void only_voters_count_for_the_quorum(void **state)
{
    struct members m = list(3, three);

    (void)state;
    assert_int_equal(members_quorum(&m), 2);
    assert_true(members_add(&m, 4, MEMBER_STANDBY));
    assert_int_equal(members_quorum(&m), 2);
    assert_false(members_is_voter(&m, 4));
    m.v[3].role = MEMBER_VOTER;
    assert_int_equal(members_quorum(&m), 3);
    assert_false(members_sole_voter(&m, 1));
}

/* Two replicas added at once can have disjoint majorities. */
static void one_difference_is_a_step(void **state)
{
    struct members from = list(3, three), to = from;

    (void)state;
    assert_int_equal(members_step(&from, &to), STATUS_EXISTS);
    assert_true(members_add(&to, 4, MEMBER_STANDBY));
    assert_int_equal(members_step(&from, &to), STATUS_OK);
    assert_int_equal(members_step(&to, &from), STATUS_OK);
    from = to;
    to.v[3].role = MEMBER_VOTER;
    assert_int_equal(members_step(&from, &to), STATUS_OK);
    assert_true(members_remove(&to, 1));
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
    assert_true(members_add(&to, 5, MEMBER_STANDBY));
    assert_true(members_add(&to, 6, MEMBER_STANDBY));
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
}

/* L4: libraft keeps progress by place; a reordered list of the same length
 * would swap what is known of two followers. */
static void another_order_is_not_a_step(void **state)
{
    static const uint64_t swapped[] = {1, 3, 2};
    static const uint64_t moved[] = {4, 1, 2, 3};
    struct members from = list(3, three);
    struct members to = list(3, swapped);

    (void)state;
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
    to = list(4, moved);
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
}

/* L2 and L16. */
static void dangerous_lists_are_not_steps(void **state)
{
    struct members from = list(2, three), to = from;

    (void)state;
    assert_true(members_remove(&to, 2));
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
    to = from;
    to.v[1].role = MEMBER_STANDBY;
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
    from = list(3, three);
    to = from;
    to.v[2].role = MEMBER_SPARE;
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
    to.v[2].role = MEMBER_STANDBY;
    assert_int_equal(members_step(&from, &to), STATUS_OK);
    to.v[2].replica = 1;
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
}

/* A CHANGE's payload is parsed by libraft: byte for byte the same. */
static void the_encoding_is_that_of_libraft(void **state)
{
    static const uint64_t ids[] = {1, 987654321, UINT64_MAX};
    struct members m = list(3, ids), back;
    struct raft_configuration conf;
    struct raft_buffer theirs;
    struct buf ours = {0};

    (void)state;
    m.v[1].role = MEMBER_STANDBY;
    m.v[2].role = MEMBER_SPARE;
    raft_configuration_init(&conf);
    assert_int_equal(raft_configuration_add(&conf, 1, "1", RAFT_VOTER), 0);
    assert_int_equal(
        raft_configuration_add(&conf, 987654321, "987654321", RAFT_STANDBY), 0);
    assert_int_equal(raft_configuration_add(&conf, UINT64_MAX,
                                            "18446744073709551615", RAFT_SPARE),
                     0);
    assert_int_equal(raft_configuration_encode(&conf, &theirs), 0);
    members_encode(&m, &ours);
    assert_int_equal(ours.size, theirs.len);
    assert_memory_equal(ours.data, theirs.base, theirs.len);
    assert_int_equal(members_decode(buf_slice(&ours), &back), STATUS_OK);
    assert_true(members_equal(&m, &back));
    raft_free(theirs.base);
    raft_configuration_close(&conf);
    buf_release(&ours);
}

/* L9: every prefix and every changed byte is refused or still the same kind
 * of list; nothing is read beyond the end (the copies are exact-sized, for
 * the sanitizer). */
static void damaged_encodings_are_refused(void **state)
{
    struct members m = list(3, three), back;
    struct buf good = {0};

    (void)state;
    members_encode(&m, &good);
    for (size_t n = 0; n < good.size; n++) {
        uint8_t *cut = xmalloc(n ? n : 1);
        memcpy(cut, good.data, n);
        assert_int_equal(members_decode(slice_of(cut, n), &back),
                         STATUS_CORRUPT);
        free(cut);
    }
    buf_u64(&good, 0);
    assert_int_equal(members_decode(buf_slice(&good), &back), STATUS_CORRUPT);
    good.size -= 8;
    for (size_t i = 0; i < good.size; i++) {
        good.data[i] ^= 0x40;
        assert_int_equal(members_decode(buf_slice(&good), &back),
                         STATUS_CORRUPT);
        good.data[i] ^= 0x40;
    }
    buf_release(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_is_listed_once),
        cmocka_unit_test(only_voters_count_for_the_quorum),
        cmocka_unit_test(one_difference_is_a_step),
        cmocka_unit_test(another_order_is_not_a_step),
        cmocka_unit_test(dangerous_lists_are_not_steps),
        cmocka_unit_test(the_encoding_is_that_of_libraft),
        cmocka_unit_test(damaged_encodings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
