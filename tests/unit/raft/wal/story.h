/* story.h - one log, step by step, for the tests of recovery.
 *
 * Every batch that was written is remembered with its place, so that a story
 * can damage it afterwards. */
#ifndef TESTS_UNIT_RAFT_WAL_STORY_H
#define TESTS_UNIT_RAFT_WAL_STORY_H

#include "tests/unit/raft/wal/disk.h"

enum { STORY_BATCHES = 64 };

extern struct disk disk;
extern struct wal_options options;
extern struct wal *wal;
/* The last batches as they were written: number b is at b % STORY_BATCHES. */
extern struct wal_effect batch[STORY_BATCHES];
extern unsigned batches;

int story_setup(void **state);
int story_teardown(void **state);

/* Write out everything pending, batch by batch. */
void story_flush(void);
void story_create(uint32_t group);
/* One entry whose payload is `size` bytes of its index. */
void story_append(uint32_t group, uint32_t size);
/* The same in a batch of its own; gives its number in `batch`. */
unsigned story_append_alone(uint32_t group, uint32_t size);
/* Append until segment `id` is being written. */
void story_fill_to(uint32_t group, uint64_t id);
void story_seal(void);
/* The process ends; the disk stays. */
void story_stop(void);
void story_restart(void);

uint8_t *story_bytes(unsigned b);
/* Flip a bit; the second time flips it back. */
void spoil_header(unsigned b);
void spoil_body(unsigned b);

/* The last index of a group that is whole, its entries checked. */
uint64_t last_of(const struct wal_recovered *found, uint32_t group);
bool is_bad(const struct wal_recovered *found, uint32_t group);
bool noted(const struct wal_recovered *found, enum wal_damage_kind kind);

#endif
