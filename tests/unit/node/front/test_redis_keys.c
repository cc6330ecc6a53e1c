/* test_redis_keys.c - numbers by key. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "node/front/redis_keys.h"

static uint64_t hash_of(unsigned i)
{
    char text[16];
    int n = snprintf(text, sizeof text, "key%u", i);

    return redis_key_hash(7, slice_of(text, (size_t)n));
}

/* Broken: a command would be taken for one of another key, or would not be
 * found when the table has grown. */
static void each_key_keeps_its_number(void **state)
{
    enum { KEYS = 5000 };
    struct redis_keys t = {0};

    (void)state;
    assert_int_equal(redis_keys_get(&t, hash_of(1)), 0);
    for (unsigned i = 0; i < KEYS; i++)
        *redis_keys_at(&t, hash_of(i)) += i;
    for (unsigned i = 0; i < KEYS; i++)
        *redis_keys_at(&t, hash_of(i)) += 1;
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(redis_keys_get(&t, hash_of(i)), i + 1);
    assert_int_equal(t.used, KEYS);
    assert_true(t.size <= 4 * KEYS);
    assert_int_equal(redis_keys_get(&t, hash_of(KEYS)), 0);
    redis_keys_release(&t);
    assert_int_equal(redis_keys_get(&t, hash_of(1)), 0);
}

/* Broken: keys of zero bytes would be one key; or who knows the program could
 * choose keys that fall together. */
static void hashes_know_length_and_seed(void **state)
{
    static const uint8_t zero[24];
    uint64_t seen[24];

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        seen[i] = redis_key_hash(0, slice_of(zero, i + 1));
        assert_true(seen[i] != 0);
        for (unsigned j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
        assert_true(redis_key_hash(1, slice_of(zero, i + 1)) != seen[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_keeps_its_number),
        cmocka_unit_test(hashes_know_length_and_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
