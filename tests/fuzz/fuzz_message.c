/* fuzz_message.c - the replicas' messages, as a peer may send them.
 *
 * Whatever is accepted passes the check, and encodes to the bytes it came
 * from: one form for one meaning. */
#include <assert.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "raft/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct message_header head;
    struct message *m;
    struct buf again = {0};

    if (message_decode(bytes, &m) != STATUS_OK) {
        assert(m == NULL);
        return 0;
    }
    assert(message_peek(bytes, &head));
    assert(head.group == m->group && head.type == m->type);
    assert(message_check(m) == STATUS_OK);
    assert(message_size(m) == size);
    message_encode(m, &again);
    assert(slice_equal(buf_slice(&again), bytes));
    buf_release(&again);
    message_free(m);
    return 0;
}
