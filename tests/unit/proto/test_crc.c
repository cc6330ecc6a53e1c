/* test_crc.c - checksums against published vectors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/crc.h"

/* RFC 3720, B.4. Broken: frames and logs of other builds would be refused. */
static void crc32c_gives_the_published_values(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_true(crc32c(0, "123456789", 9) == 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x46dd794eu);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_true(crc32c(0, bytes, sizeof bytes) == 0x113fdb5cu);
    assert_true(crc32c(0, "", 0) == 0);
}

/* Broken: a checksum over header and payload would differ from one in a go. */
static void crc32c_continues_over_any_split(void **state)
{
    uint8_t bytes[300];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (unsigned i = 0; i <= sizeof bytes; i++)
        assert_true(crc32c(crc32c(0, bytes, i), bytes + i, sizeof bytes - i) ==
                    crc32c(0, bytes, sizeof bytes));
}

/* By the definition, bit by bit. */
static uint16_t crc16_slow(const uint8_t *p, size_t n)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < n; i++) {
        crc ^= (uint16_t)(p[i] << 8);
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

/* Broken: Redis Cluster clients would go to the wrong node. */
static void crc16_is_the_one_of_the_redis_cluster_specification(void **state)
{
    uint8_t bytes[64];
    struct rng rng;

    (void)state;
    assert_int_equal(crc16("123456789", 9), 0x31c3);
    assert_int_equal(crc16("", 0), 0);
    rng_init(&rng, 2);
    for (unsigned n = 0; n < 1000; n++) {
        size_t size = (size_t)rng_below(&rng, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        assert_int_equal(crc16(bytes, size), crc16_slow(bytes, size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(crc32c_continues_over_any_split),
        cmocka_unit_test(crc16_is_the_one_of_the_redis_cluster_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
