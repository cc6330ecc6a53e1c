/* histogram.h - latencies in log-linear buckets.
 *
 * Pure. Each power of two is split into 64 buckets of equal width, so a
 * percentile is off by less than 1.6 %; the largest value is kept exactly.
 * Recording is O(1) without division; histograms of several threads add up. */
#ifndef CLIENT_CLI_HISTOGRAM_H
#define CLIENT_CLI_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 6,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
    HISTOGRAM_POWERS = 42, /* above 2^47 ns (39 hours) all is one bucket */
    HISTOGRAM_BUCKETS = HISTOGRAM_SUB * HISTOGRAM_POWERS,
};

struct histogram {
    uint64_t count;
    uint64_t sum; /* of all values; wraps after 500 years of them */
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The value that a share of `percent` (0..100) does not exceed: the upper end
 * of its bucket, never above the maximum. 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
uint64_t histogram_mean(const struct histogram *h);

#endif
