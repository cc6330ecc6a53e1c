/* status.c - what outcomes are called, and other functions without a client. */
#include "client/coatcheck.h"
#include "proto/base/status.h"

#include <string.h>

#define X(name, wire, retry, text)                                             \
    _Static_assert((int)COAT_##name == (int)STATUS_##name, "numbers differ");
STATUS_LIST(X)
#undef X

const char *coat_version(void)
{
    return COAT_VERSION;
}

const char *coat_status_name(enum coat_status status)
{
    return status_name((enum status)status);
}

const char *coat_status_text(enum coat_status status)
{
    return status_text((enum status)status);
}

enum coat_retry coat_status_retry(enum coat_status status)
{
    switch (status_retry((enum status)status)) {
    case RETRY_NO:
        return COAT_RETRY_NO;
    case RETRY_SAFE:
        return COAT_RETRY_SAFE;
    case RETRY_UNSAFE:
        break;
    }
    return COAT_RETRY_UNSAFE;
}

struct coat_bytes coat_bytes_str(const char *text)
{
    return (struct coat_bytes){text, strlen(text)};
}
