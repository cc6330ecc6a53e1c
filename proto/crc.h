/* crc.h - checksums: CRC32C for frames and disk, CRC16 for slots. */
#ifndef PROTO_CRC_H
#define PROTO_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli, RFC 3720 section 12.1): "123456789" gives 0xe3069283.
 * `crc` continues an earlier call's result; 0 starts. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* CRC16-CCITT/XMODEM as the Redis Cluster specification defines it:
 * "123456789" gives 0x31c3. */
uint16_t crc16(const void *data, size_t size);

#endif
