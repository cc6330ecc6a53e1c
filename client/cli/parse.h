/* parse.h - numbers, durations and moments as people type them.
 *
 * Each gives false for a text that is not wholly one, or out of range. Pure. */
#ifndef CLIENT_CLI_PARSE_H
#define CLIENT_CLI_PARSE_H

#include <stdbool.h>
#include <stdint.h>

bool parse_u64(const char *text, uint64_t *out);
bool parse_i64(const char *text, int64_t *out);
/* A finite decimal number, "-1.5e3"; whatever the locale. */
bool parse_double(const char *text, double *out);

/* "1500", "1500ms", "90s", "1.5h", "30m", "7d" in milliseconds; at least one
 * millisecond, at most 10,000 days. */
bool parse_duration(const char *text, uint64_t *ms);

/* Milliseconds since 1970, as they are or as "2030-01-31T12:00:00Z" (also with
 * a fraction of the second). */
bool parse_moment(const char *text, uint64_t *ms);

/* Bytes: "1500000", "64K", "20M", "3G", "1T", in powers of 1024. */
bool parse_size(const char *text, uint64_t *bytes);

#endif
