/* histogram.c - see histogram.h. */
#include "client/cli/histogram.h"

#include <string.h>

void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof *h);
}

/* Values below 64 have a bucket each; above, the six bits behind the highest
 * one choose among the 64 of its power. */
static unsigned bucket_of(uint64_t value)
{
    unsigned high, bucket;

    if (value < HISTOGRAM_SUB)
        return (unsigned)value;
    high = 63 - (unsigned)__builtin_clzll(value);
    bucket = (high - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB +
             (unsigned)(value >> (high - HISTOGRAM_SUB_BITS) &
                        (HISTOGRAM_SUB - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned power = bucket / HISTOGRAM_SUB, sub = bucket % HISTOGRAM_SUB;

    if (!power)
        return sub;
    return ((uint64_t)(HISTOGRAM_SUB + sub + 1) << (power - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    h->max = value > h->max ? value : h->max;
    h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    to->sum += from->sum;
    to->max = from->max > to->max ? from->max : to->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double want = percent / 100.0 * (double)h->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] && (double)seen >= want) {
            uint64_t end = bucket_end(i);
            return i == HISTOGRAM_BUCKETS - 1 || end > h->max ? h->max : end;
        }
    }
    return h->max;
}

uint64_t histogram_mean(const struct histogram *h)
{
    return h->count ? h->sum / h->count : 0;
}
