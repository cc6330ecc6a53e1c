/* redis_keys.h - a number for each of many keys, which are known by a hash.
 *
 * For looking up what a client's other commands do with a key without comparing
 * every key with every other. Two keys with the same 64 bits are taken for one:
 * whoever asks has to be content with "perhaps". The hash has a seed, so that
 * nobody chooses keys that fall together. Pure. */
#ifndef NODE_FRONT_REDIS_KEYS_H
#define NODE_FRONT_REDIS_KEYS_H

#include "proto/base/bytes.h"

struct redis_key_row {
    uint64_t hash;   /* 0: the place is free */
    uint32_t number;
};

/* Open addressing; zeroed: empty. */
struct redis_keys {
    struct redis_key_row *v;
    uint32_t size;   /* a power of two, or 0 */
    uint32_t used;
};

/* Never 0. */
uint64_t redis_key_hash(uint64_t seed, struct slice key);
/* The number of a key, 0 if it is new; valid until the next call. */
uint32_t *redis_keys_at(struct redis_keys *t, uint64_t hash);
/* 0: it is not there. */
uint32_t redis_keys_get(const struct redis_keys *t, uint64_t hash);
/* Forget all of them. */
void redis_keys_release(struct redis_keys *t);

#endif
