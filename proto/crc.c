/* crc.c - CRC32C by ISA-L's accelerated routine; CRC16 by a table. */
#include "proto/crc.h"

#include <assert.h>
#include <limits.h>

#include <isa-l/crc.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    assert(size <= INT_MAX);
    /* The routine reads only, though its parameter is not const. */
    return ~crc32_iscsi((unsigned char *)(uintptr_t)data, (int)size, ~crc);
}

/* CRC16 of one byte, polynomial 0x1021, by nibbles: 16 rows suffice. */
static const uint16_t nibble[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

uint16_t crc16(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint16_t crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)((crc << 4) ^ nibble[(crc >> 12) ^ (p[i] >> 4)]);
        crc = (uint16_t)((crc << 4) ^ nibble[(crc >> 12) ^ (p[i] & 15)]);
    }
    return crc;
}
