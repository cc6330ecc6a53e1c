/* story.c - see story.h. */
#include "tests/unit/raft/wal/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/format.h"

struct disk disk;
struct wal_options options;
struct wal *wal;
struct wal_effect batch[STORY_BATCHES];
unsigned batches;

static const uint8_t no_install[WAL_INSTALL_ID_BYTES];

int story_setup(void **state)
{
    (void)state;
    options = small_options(64 << 10);
    wal = wal_new(&options, NULL);
    batches = 0;
    return 0;
}

int story_teardown(void **state)
{
    (void)state;
    wal_free(wal);
    wal = NULL;
    disk_release(&disk);
    return 0;
}

void story_flush(void)
{
    disk.hold_writes = true;
    disk_pump(&disk, wal, &options, at_us(0));
    while (disk.has_flying) {
        batch[batches++ % STORY_BATCHES] = disk.flying;
        disk_finish(&disk, wal, &options, STATUS_OK, at_us(0));
    }
}

void story_create(uint32_t group)
{
    wal_reset(wal, group, 0, 0, no_install, at_us(0));
}

void story_append(uint32_t group, uint32_t size)
{
    uint64_t index = wal_last(wal, group) + 1;
    uint8_t *data = xmalloc(size);
    struct wal_entry e = {1, 0, slice_of(data, size)};
    memset(data, (int)index, size);
    wal_append(wal, group, index, &e, 1, false, at_us(0));
    free(data);
}

unsigned story_append_alone(uint32_t group, uint32_t size)
{
    story_append(group, size);
    story_flush();
    return batches - 1;
}

void story_seal(void)
{
    disk.hold_writes = false;
    disk_pump(&disk, wal, &options, at_us(10000000));
}

void story_stop(void)
{
    wal_free(wal);
    wal = NULL;
    disk.has_flying = disk.has_making = false;
}

void story_restart(void)
{
    if (wal)
        story_stop();
    wal = disk_reopen(&disk, &options);
}

uint8_t *story_bytes(unsigned b)
{
    return disk_bytes(&disk, batch[b].segment) + batch[b].offset;
}

void spoil_header(unsigned b)
{
    story_bytes(b)[40] ^= 1;
}

void spoil_body(unsigned b)
{
    story_bytes(b)[WAL_HEADER_BYTES + 20] ^= 1;
}

uint64_t last_of(const struct wal_recovered *found, uint32_t group)
{
    const struct wal_recovered_group *g = recovered_group(found, group);
    assert_non_null(g);
    if (g->quarantined)
        fail_msg("group %u: %s", group, g->reason);
    for (uint64_t i = g->first; i <= g->last; i++) {
        struct wal_entry e = wal_recovered_entry(found, group, i);
        for (size_t j = 0; j < e.data.size; j++)
            assert_int_equal(e.data.data[j], (uint8_t)i);
    }
    return g->last;
}

bool is_bad(const struct wal_recovered *found, uint32_t group)
{
    const struct wal_recovered_group *g = recovered_group(found, group);
    assert_non_null(g);
    assert_int_equal(g->quarantined, g->reason != NULL);
    return g->quarantined;
}

bool noted(const struct wal_recovered *found, enum wal_damage_kind kind)
{
    for (unsigned i = 0; i < found->n_damage; i++)
        if (found->damage[i].kind == kind)
            return true;
    return false;
}

void story_fill_to(uint32_t group, uint64_t id)
{
    while (batches == 0 || batch[(batches - 1) % STORY_BATCHES].segment < id)
        story_append_alone(group, 9000);
}
