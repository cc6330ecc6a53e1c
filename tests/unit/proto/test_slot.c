/* test_slot.c - keys to slots, slots to groups. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/crc.h"
#include "proto/slot.h"

static uint16_t slot(const char *key)
{
    return slot_of(slice_str(key));
}

/* The examples of the Redis Cluster specification, "Hash tags". Broken: keys
 * with a common tag would land on different groups. */
static void the_hash_tag_decides_if_there_is_one(void **state)
{
    (void)state;
    assert_int_equal(slot("{user1000}.following"), slot("user1000"));
    assert_int_equal(slot("{user1000}.followers"), slot("user1000"));
    /* an empty tag: the whole key */
    assert_int_equal(slot("foo{}{bar}"), crc16("foo{}{bar}", 10) % SLOT_COUNT);
    /* from the first { to the first } behind it */
    assert_int_equal(slot("foo{{bar}}zap"), slot("{bar"));
    assert_int_equal(slot("foo{bar}{zap}"), slot("bar"));
    /* no tag */
    assert_int_equal(slot("foo}{bar"), crc16("foo}{bar", 8) % SLOT_COUNT);
    assert_int_equal(slot("foo{bar"), crc16("foo{bar", 7) % SLOT_COUNT);
}

/* Values of CLUSTER KEYSLOT. Broken: foreign clients route wrong. */
static void slots_are_those_of_redis(void **state)
{
    (void)state;
    assert_int_equal(slot("foo"), 12182);
    assert_int_equal(slot("bar"), 5061);
    assert_int_equal(slot("123456789"), 0x31c3 % SLOT_COUNT);
    assert_int_equal(slot_of(slice_of(NULL, 0)), 0);
}

static void members_fill(struct ring_member *m, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct ring_member){i + 1, 100};
}

static void counts_of(const uint32_t *owner, unsigned *counts, unsigned n)
{
    memset(counts, 0, (n + 1) * sizeof *counts);
    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        assert_in_range(owner[s], 1, n);
        counts[owner[s]]++;
    }
}

/* Broken: some groups would carry much more than others. */
static void the_ring_is_balanced(void **state)
{
    static uint32_t owner[SLOT_COUNT];
    static const unsigned sizes[] = {2, 3, 8, 16, 48};

    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(sizes); k++) {
        struct ring_member m[48];
        unsigned counts[49], n = sizes[k], fair = SLOT_COUNT / n;
        members_fill(m, n);
        ring_assign(m, n, owner);
        counts_of(owner, counts, n);
        for (unsigned g = 1; g <= n; g++)
            assert_in_range(counts[g], fair * 3 / 4, fair * 5 / 4);
    }
}

/* Broken: adding a group would move data between the old ones. */
static void a_new_member_takes_its_share_and_nothing_else_moves(void **state)
{
    static uint32_t before[SLOT_COUNT], after[SLOT_COUNT];
    struct ring_member m[9];
    unsigned moved = 0;

    (void)state;
    members_fill(m, 9);
    ring_assign(m, 8, before);
    ring_assign(m, 9, after);
    for (unsigned s = 0; s < SLOT_COUNT; s++) {
        if (before[s] == after[s])
            continue;
        assert_int_equal(after[s], 9);
        moved++;
    }
    assert_in_range(moved, SLOT_COUNT / 9 * 3 / 4, SLOT_COUNT / 9 * 5 / 4);
}

/* Broken: the order in a message would decide where data lies. */
static void the_order_of_members_does_not_matter(void **state)
{
    static uint32_t a[SLOT_COUNT], b[SLOT_COUNT];
    struct ring_member m[3] = {{1, 100}, {2, 50}, {3, 200}};
    struct ring_member r[3] = {{3, 200}, {1, 100}, {2, 50}};

    (void)state;
    ring_assign(m, 3, a);
    ring_assign(r, 3, b);
    assert_memory_equal(a, b, sizeof a);
}

/* Broken: a larger machine could not be given more. */
static void slots_follow_the_weight(void **state)
{
    static uint32_t owner[SLOT_COUNT];
    struct ring_member m[2] = {{1, 300}, {2, 100}};
    unsigned counts[3];

    (void)state;
    ring_assign(m, 2, owner);
    counts_of(owner, counts, 2);
    assert_in_range(counts[1], SLOT_COUNT * 65 / 100, SLOT_COUNT * 85 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_tag_decides_if_there_is_one),
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(the_ring_is_balanced),
        cmocka_unit_test(a_new_member_takes_its_share_and_nothing_else_moves),
        cmocka_unit_test(the_order_of_members_does_not_matter),
        cmocka_unit_test(slots_follow_the_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
