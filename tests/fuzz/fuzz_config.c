/* fuzz_config.c - any bytes as the daemon's settings file: they are refused
 * with exit code 2, or every setting keeps its limits and can be used. The
 * file is an anonymous one in memory. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_usable(const struct config *c)
{
    const struct node_options *o = &c->node;
    char error[ADDRESS_ERROR_SIZE];
    struct address a;

    assert(o->data[0]);
    assert(c->log_level <= LOG_LEVEL_ERROR);
    assert(o->threads <= LOOPS_MAX);
    assert(!o->segment_bytes || o->segment_bytes >= 32u << 20);
    assert(o->segment_bytes <= 1u << 30 && o->segment_bytes % 4096 == 0);
    assert(!o->election_ms || o->election_ms >= 200);
    assert(o->election_ms <= 60000);
    assert(o->conns_max <= 1000000);
    assert(o->disk_reserve_bytes >= 1u << 20);
    assert(address_parse(slice_str(o->client_advertise), 0, &a, error) ==
           STATUS_OK);
    assert(a.port);
    assert(address_parse(slice_str(o->peer_advertise), 0, &a, error) ==
           STATUS_OK);
    assert(a.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char program[] = "coatcheckd", option[] = "--config", path[64];
    char *argv[] = {program, option, path, NULL};
    int fd = memfd_create("settings", MFD_CLOEXEC), code;
    struct config c;

    assert(fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) {
        code = config_read(3, argv, &c);
        assert(code == 0 || code == 2);
        if (code == 0)
            must_be_usable(&c);
    }
    close(fd);
    return 0;
}
