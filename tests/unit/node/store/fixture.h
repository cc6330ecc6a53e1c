/* fixture.h - a store in a temporary directory, for the tests of node/store. */
#ifndef TESTS_UNIT_NODE_STORE_FIXTURE_H
#define TESTS_UNIT_NODE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/store/store.h"
#include "node/store/store_view.h"

struct fixture {
    char root[256]; /* made by mkdtemp, removed at the end */
    char dir[300];  /* the store's, inside */
    struct store_env *env;
    struct store *store;
    struct store_env_options options; /* of the env, */
    bool with_options;                /* if not the defaults */
};

/* A root directory and an env; no store yet. NULL options: defaults. */
void fixture_init(struct fixture *f, const struct store_env_options *options);

/* Close what is open and remove the root. */
void fixture_release(struct fixture *f);

/* Open (or create) the fixture's store; fails the test if that does. */
void fixture_open(struct fixture *f);

/* Close without a flush, as a crash would leave it; what was cached is
 * forgotten with the env. */
void fixture_close(struct fixture *f);

/* The same, and open again. */
void fixture_reopen(struct fixture *f);

/* cmocka setup and teardown: *state is a fixture with an open store. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Make or remove a directory tree below $TMPDIR or /tmp. */
void temp_root(char *out, size_t size);
void remove_tree(const char *path);

/* Apply one put, delete or range delete of plain keys; must be OK. */
void put(struct store *s, const char *key, const char *value);
void del(struct store *s, const char *key);
void del_range(struct store *s, const char *begin, const char *end);

/* Apply a group record with this applied index; must be OK. */
void put_record(struct store *s, uint64_t index);

/* Apply `count` puts of 1 KiB, keys "<prefix>0000".. */
void put_many(struct store *s, const char *prefix, unsigned count);

/* The value of `key` must be `value`; NULL: must not be there. */
void expect(struct store *s, const struct store_view *view, const char *key,
            const char *value);

#endif
