/* scratch.h - a directory of a test's own, and files in it, for the tests of
 * the daemon's shell. */
#ifndef TESTS_UNIT_NODE_SHELL_SCRATCH_H
#define TESTS_UNIT_NODE_SHELL_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/bytes.h"

enum { SCRATCH_PATH = 512 };

/* Make a new directory below $COAT_TEST_DIR, $TMPDIR or /tmp. `out` has
 * SCRATCH_PATH bytes; there is no slash at its end. */
void scratch_make(char *out);
/* Remove a tree, also one that is not there. */
void scratch_remove(const char *path);

/* cmocka setup and teardown: *state is the path of a new directory. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* dir/name, in a buffer of its own that the next eight calls do not touch. */
const char *path_of(const char *dir, const char *name);

bool file_exists(const char *path);
/* Its size, or -1 when there is none. */
long file_size(const char *path);
/* Replace, read (the caller releases), change one byte of, copy a file; the
 * test fails if that does. */
void file_put(const char *path, struct slice bytes);
void file_get(const char *path, struct buf *out);
void file_flip(const char *path, size_t at);
void file_copy(const char *from, const char *to);
/* Names in a directory that contain `part`. */
unsigned dir_count(const char *dir, const char *part);

/* `text` must contain `part`; a failure prints both. */
void must_say(const char *text, const char *part);

/* Is the directory on a file system that lives in memory? */
bool dir_in_memory(const char *path);

#endif
