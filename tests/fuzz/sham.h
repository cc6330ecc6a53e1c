/* sham.h - a stream that goes nowhere, for a connection under a fuzzer: what it
 * reads is fed by hand, what it writes is taken and forgotten. */
#ifndef TESTS_FUZZ_SHAM_H
#define TESTS_FUZZ_SHAM_H

#include <stdbool.h>

#include "proto/base/bytes.h"
#include "rpc/stream.h"

struct sham {
    struct stream stream;
    bool reading;
    bool closing;
    bool shut;
};

extern const struct stream_ops sham_ops;

/* Feed `bytes` in pieces of at most `cut` while the connection reads. Gives how
 * much it took. */
size_t sham_feed(struct sham *m, struct slice bytes, size_t cut);

#endif
