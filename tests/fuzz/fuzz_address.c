/* fuzz_address.c - lists of addresses: what is accepted, written and read
 * again, is the same; what is refused has a printable reason. */
#include <assert.h>

#include "rpc/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[ADDRESS_ERROR_SIZE];
    struct address a[5], again;
    char text[ADDRESS_MAX + 1];
    unsigned n = 0;

    if (address_parse_list(slice_of(data, size), 7410, a, 5, &n, error) !=
        STATUS_OK) {
        assert(error[0] == '\'' && strlen(error) < sizeof error);
        for (const char *p = error; *p; p++)
            assert(*p >= ' ' && *p < 0x7f);
        return 0;
    }
    assert(n >= 1 && n <= 5);
    for (unsigned i = 0; i < n; i++) {
        address_format(&a[i], text);
        assert(address_parse(slice_str(text), 0, &again, error) == STATUS_OK);
        assert(address_equal(&a[i], &again));
    }
    return 0;
}
