/* fuzz_hello.c - the first frame of a connection between nodes, any bytes. */
#include <stdlib.h>

#include "node/core/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hello h, again;
    struct boots boots = {0};
    struct buf b = {0};
    const char *why;

    if (hello_decode(slice_of(data, size), &h) != STATUS_OK)
        return 0;
    hello_encode(&h, &b);
    /* A later level may have more behind: that is not looked at. */
    if (b.size > size || hello_decode(buf_slice(&b), &again) != STATUS_OK)
        abort();
    if (again.node != h.node || again.boot_count != h.boot_count ||
        memcmp(again.directory, h.directory, ID_BYTES) ||
        !slice_equal(again.detail, h.detail))
        abort();
    if (hello_check(&h, NULL, 1, &boots, &why) != STATUS_NOT_INITIALISED)
        abort();
    boots_release(&boots);
    buf_release(&b);
    return 0;
}
