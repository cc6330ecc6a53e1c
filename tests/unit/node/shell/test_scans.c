/* test_scans.c - pages read by workers of a real daemon, through its door. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/scan.h"
#include "rpc/types.h"

enum { KEYS = 600, GROUPS = 2 };

static struct daemon *shared;

static void key_of(unsigned i, char *key)
{
    snprintf(key, 16, "k%05u", i);
}

static int start_shared(void **state)
{
    struct ask a;

    (void)state;
    shared = daemon_new();
    daemon_start(shared);
    daemon_init(shared, "2");
    ask_open(&a, shared->port);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16], value[40];
        key_of(i * 7 % KEYS, key);
        snprintf(value, sizeof value, "value of %s", key);
        ask_must_set(&a, key, value);
    }
    ask_close(&a);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    daemon_stop(shared);
    daemon_free(shared);
    return 0;
}

static int setup(void **state)
{
    *state = xcalloc(1, sizeof(struct ask));
    ask_open(*state, shared->port);
    return 0;
}

static int teardown(void **state)
{
    ask_close(*state);
    free(*state);
    return 0;
}

static enum status page_of(struct ask *a, const char *keyspace,
                           const struct scan *s, struct scan_page *p)
{
    struct buf body = {0}, payload = {0};
    struct stream_request m = {.keyspace = slice_str(keyspace)};
    struct scan_reply reply;

    scan_encode(s, &body);
    m.body = buf_slice(&body);
    stream_request_encode(&m, &payload);
    buf_release(&body);
    ask_one(a, MESSAGE_SCAN, &payload, MESSAGE_SCAN_REPLY);
    assert_int_equal(scan_reply_decode(a->payload, &reply), STATUS_OK);
    if (reply.status == STATUS_OK)
        assert_int_equal(scan_page_decode(reply.page, p), STATUS_OK);
    return reply.status;
}

/* All keys of a scan over a group, in the order they came, as numbers. */
static unsigned walk(struct ask *a, struct scan s, unsigned *seen)
{
    struct buf bound = {0};
    struct scan_page p;
    struct scan_record r;
    unsigned n = 0;

    do {
        assert_int_equal(page_of(a, "", &s, &p), STATUS_OK);
        while (scan_page_record(&p, &r)) {
            char key[16], value[40];
            unsigned number;
            assert_true(r.key.size < sizeof key);
            memcpy(key, r.key.data, r.key.size);
            key[r.key.size] = 0;
            if (sscanf(key, "k%u", &number) != 1)
                continue;
            snprintf(value, sizeof value, "value of %s", key);
            if (p.flags & SCAN_PAGE_VALUES)
                assert_true(slice_equal(r.value, slice_str(value)));
            assert_true(r.version > 0);
            seen[n++] = number;
        }
        assert_false(p.rows.failed);
        buf_clear(&bound);
        buf_append(&bound, p.next.data, p.next.size);
        if (s.flags & SCAN_REVERSE)
            s.end = buf_slice(&bound);
        else
            s.begin = buf_slice(&bound);
    } while (p.flags & SCAN_PAGE_MORE);
    buf_release(&bound);
    return n;
}

/* Both groups together hold each key once, in order, whatever the page. */
static void groups_together_hold_every_key_in_order(void **state)
{
    static const unsigned page_bytes[] = {1, 500, 10000, 0};

    for (unsigned i = 0; i < 8; i++) {
        unsigned seen[KEYS], count[KEYS] = {0}, total = 0;
        bool reverse = i & 1;
        for (uint32_t g = 1; g <= GROUPS; g++) {
            struct scan s = {.group = g, .bytes_max = page_bytes[i / 2],
                             .flags = reverse ? SCAN_REVERSE : 0,
                             .begin = slice_str("k"),
                             .end = slice_str("l")};
            unsigned n = walk(*state, s, seen);
            for (unsigned k = 0; k < n; k++) {
                count[seen[k]]++;
                assert_true(!k || (reverse ? seen[k] < seen[k - 1]
                                           : seen[k] > seen[k - 1]));
            }
            total += n;
        }
        assert_int_equal(total, KEYS);
        for (unsigned k = 0; k < KEYS; k++)
            assert_int_equal(count[k], 1);
    }
}

static void counting_moves_no_keys(void **state)
{
    uint64_t counted = 0;

    for (uint32_t g = 1; g <= GROUPS; g++) {
        struct scan s = {.group = g, .flags = SCAN_COUNT_ONLY,
                         .pattern = slice_str("k0000?")};
        struct scan_page p;
        assert_int_equal(page_of(*state, "", &s, &p), STATUS_OK);
        assert_int_equal(p.records, 0);
        assert_int_equal(reader_left(&p.rows), 0);
        assert_int_equal(p.flags & SCAN_PAGE_MORE, 0);
        counted += p.counted;
    }
    assert_int_equal(counted, 10);
}

/* With a hash tag, one need not know the map. */
static void a_key_leads_to_its_group(void **state)
{
    struct scan s = {.key = slice_str("{tag}"), .begin = slice_str("{tag}"),
                     .end = slice_str("{tag~")};
    struct scan_page p;
    struct scan_record r;

    ask_must_set(*state, "{tag}b", "2");
    ask_must_set(*state, "{tag}a", "1");
    assert_int_equal(page_of(*state, "", &s, &p), STATUS_OK);
    assert_true(scan_page_record(&p, &r));
    assert_true(slice_equal(r.key, slice_str("{tag}a")));
    assert_true(scan_page_record(&p, &r));
    assert_true(slice_equal(r.key, slice_str("{tag}b")));
    assert_false(scan_page_record(&p, &r));
}

static void what_is_wrong_is_said(void **state)
{
    struct scan s = {.group = 1};
    struct scan_page p;

    assert_int_equal(page_of(*state, "nowhere", &s, &p), STATUS_NO_KEYSPACE);
    assert_int_equal(page_of(*state, "not a name", &s, &p), STATUS_INVALID);
    s.group = 77;
    assert_int_equal(page_of(*state, "", &s, &p), STATUS_INVALID);
    s.group = 0;
    assert_int_equal(page_of(*state, "", &s, &p), STATUS_KEY_EMPTY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            groups_together_hold_every_key_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(counting_moves_no_keys, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_leads_to_its_group, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
