/* test_stores.c - a replica's store is the one that CURRENT names, or none. */
#include "tests/unit/node/shell/bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


static const uint8_t install[WAL_INSTALL_ID_BYTES] = {7, 7, 7};

static int setup(void **state)
{
    struct store_env_options o = {.cache_bytes = 1 << 20};
    struct bare *b = bare_setup(state);

    b->n.env = store_env_new(&o);
    b->n.loops[0].stores = stores_new(&b->n.loops[0]);
    return 0;
}

static int teardown(void **state)
{
    struct bare *b = *state;

    if (b->n.loops[0].stores)
        stores_close(&b->n.loops[0]);
    store_env_free(b->n.env);
    return bare_teardown(state);
}

static void create(struct bare *b, uint32_t group, const char *value)
{
    struct write_set set = {0};

    write_set_put(&set, slice_str("key"), slice_str(value));
    if (stores_create(&b->n, group, &set, b->error) != STATUS_OK)
        fail_msg("%s", b->error);
    write_set_release(&set);
}

static enum status open_store(struct bare *b, uint32_t group)
{
    uint8_t id[WAL_INSTALL_ID_BYTES];

    b->error[0] = 0;
    return stores_open(&b->n.loops[0], group, id, b->error);
}

static void must_hold(struct store *s, const char *value)
{
    struct store_value v = {0};

    assert_non_null(s);
    assert_int_equal(store_get(s, NULL, slice_str("key"), STORE_ANY, &v),
                     STATUS_OK);
    assert_true(slice_equal(v.bytes, slice_str(value)));
    store_value_release(&v);
}

static const char *current_of(const struct bare *b, uint32_t group)
{
    char name[64];

    snprintf(name, sizeof name, "groups/%u/CURRENT", group);
    return path_of(b->n.dir.path, name);
}

/* Would break: CREATE's stores, which must be whole on disk before the log
 * knows of them. */
static void created_stores_are_opened_with_what_they_hold(void **state)
{
    static const uint32_t groups[] = {9, 0, 1024, 3};
    struct bare *b = *state;
    uint8_t id[WAL_INSTALL_ID_BYTES];
    char value[16];

    for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
        snprintf(value, sizeof value, "v%u", groups[i]);
        create(b, groups[i], value);
        assert_null(stores_find(&b->n.loops[0], groups[i]));
    }
    for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
        memset(id, 0xff, sizeof id);
        assert_int_equal(stores_open(&b->n.loops[0], groups[i], id,
                                     b->error), STATUS_OK);
        for (unsigned k = 0; k < sizeof id; k++)
            assert_int_equal(id[k], 0); /* made here, not installed */
    }
    for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
        snprintf(value, sizeof value, "v%u", groups[i]);
        must_hold(stores_find(&b->n.loops[0], groups[i]), value);
    }
    assert_null(stores_find(&b->n.loops[0], 2));
}

/* Would break: CREATE repeated after a stop. */
static void creating_again_is_harmless(void **state)
{
    struct bare *b = *state;

    create(b, 1, "first");
    create(b, 1, "again");
    assert_int_equal(unlink(current_of(b, 1)), 0); /* before it was written */
    create(b, 1, "again");
    assert_int_equal(open_store(b, 1), STATUS_OK);
    must_hold(stores_find(&b->n.loops[0], 1), "again");
}

static void set_level(const char *path, uint16_t level)
{
    struct buf b;

    file_get(path, &b);
    file_seal(&b, "COATCU", level);
    file_put(path, buf_slice(&b));
    buf_release(&b);
}

/* Would break: a replica that never was and one that is damaged, taken for one
 * another: the one may be rebuilt, the other must not vote. */
static void missing_and_damaged_are_told_apart(void **state)
{
    struct bare *b = *state;
    const char *file;
    size_t size;

    assert_int_equal(open_store(b, 1), STATUS_NOT_FOUND);
    create(b, 1, "v");
    file = current_of(b, 1);
    size = (size_t)file_size(file);
    for (size_t at = 0; at < size; at++) {
        file_flip(file, at);
        assert_int_equal(open_store(b, 1), STATUS_CORRUPT);
        must_say(b->error, "groups/1/CURRENT");
        file_flip(file, at);
    }
    set_level(file, 2); /* whole, and newer */
    assert_int_equal(open_store(b, 1), STATUS_WRONG_VERSION);
    must_say(b->error, "groups/1/CURRENT");
    set_level(file, 1);
    assert_int_equal(open_store(b, 1), STATUS_OK);
}

/* Would break: a name that leads out of the group's folder; a name cut. */
static void current_names_a_store_of_its_own_folder(void **state)
{
    static const char *const names[] = {"../2/store-0", "a/b", "none"};
    struct bare *b = *state;
    struct buf c;

    create(b, 1, "one");
    create(b, 2, "two");
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(stores_write_current(&b->n, 1, names[i], install),
                         STATUS_OK);
        assert_int_equal(open_store(b, 1), STATUS_CORRUPT);
        assert_null(stores_find(&b->n.loops[0], 1));
    }
    assert_int_equal(stores_write_current(&b->n, 1, "store-0", install),
                     STATUS_OK);
    file_get(current_of(b, 1), &c);
    for (size_t size = 12; size < c.size; size++) { /* whole by its checksum */
        struct buf cut = {.data = c.data, .size = size};
        file_seal(&cut, "COATCU", 1);
        file_put(current_of(b, 1), slice_of(c.data, size));
        assert_int_equal(open_store(b, 1), STATUS_CORRUPT);
    }
    buf_release(&c);
}

/* Would break: the install id is what tells at start that the log's RESET is
 * still to come. */
static void install_id_comes_back_with_the_store(void **state)
{
    struct bare *b = *state;
    uint8_t id[WAL_INSTALL_ID_BYTES] = {0};

    create(b, 1, "v");
    assert_int_equal(stores_write_current(&b->n, 1, "store-0", install),
                     STATUS_OK);
    assert_int_equal(stores_open(&b->n.loops[0], 1, id, b->error),
                     STATUS_OK);
    assert_memory_equal(id, install, sizeof id);
}

/* Would break: an installed snapshot: the new store serves, the old one is
 * handed back to be deleted. */
static void replaced_store_is_given_back(void **state)
{
    struct bare *b = *state;
    struct loop *l = &b->n.loops[0];
    struct store *old, *new;

    create(b, 1, "old");
    create(b, 2, "new");
    assert_int_equal(open_store(b, 1), STATUS_OK);
    assert_int_equal(open_store(b, 2), STATUS_OK);
    new = stores_find(l, 2);
    old = stores_replace(l, 1, new);
    must_hold(old, "old");
    must_hold(stores_find(l, 1), "new");
    assert_ptr_equal(stores_replace(l, 1, old), new);
    must_hold(stores_find(l, 1), "old");
}

/* Would break: a stop that leaves in memory what the log has released. */
static void closing_flushes_what_was_applied(void **state)
{
    struct bare *b = *state;
    struct loop *l = &b->n.loops[0];
    struct write_set set = {0};

    create(b, 1, "old");
    assert_int_equal(open_store(b, 1), STATUS_OK);
    write_set_put(&set, slice_str("key"), slice_str("applied"));
    assert_int_equal(store_apply(stores_find(l, 1), &set), STATUS_OK);
    write_set_release(&set);
    stores_close(l);
    l->stores = stores_new(l);
    assert_int_equal(open_store(b, 1), STATUS_OK);
    must_hold(stores_find(l, 1), "applied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(created_stores_are_opened_with_what_they_hold),
        T(creating_again_is_harmless),
        T(missing_and_damaged_are_told_apart),
        T(current_names_a_store_of_its_own_folder),
        T(install_id_comes_back_with_the_store),
        T(replaced_store_is_given_back),
        T(closing_flushes_what_was_applied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
