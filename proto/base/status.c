/* status.c - tables made from STATUS_LIST. */
#include "proto/base/status.h"

struct row {
    const char *name;
    const char *text;
    enum retry retry;
};

static const struct row rows[] = {
#define X(name, wire, retry, text) [wire] = {#name, text, retry},
    STATUS_LIST(X)
#undef X
};

bool status_known(unsigned wire)
{
    return wire < sizeof rows / sizeof rows[0] && rows[wire].name;
}

const char *status_name(enum status s)
{
    return status_known(s) ? rows[s].name : "UNLISTED";
}

const char *status_text(enum status s)
{
    return status_known(s) ? rows[s].text : "unlisted status";
}

enum retry status_retry(enum status s)
{
    return status_known(s) ? rows[s].retry : RETRY_UNSAFE;
}
