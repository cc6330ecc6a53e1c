/* fixture.c - see fixture.h. */
#include "tests/unit/node/store/fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void temp_root(char *out, size_t size)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(out, size, "%s/coat-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void fixture_init(struct fixture *f, const struct store_env_options *options)
{
    *f = (struct fixture){0};
    temp_root(f->root, sizeof f->root);
    snprintf(f->dir, sizeof f->dir, "%s/store", f->root);
    if (options)
        f->options = *options;
    f->with_options = options;
    f->env = store_env_new(options);
}

void fixture_release(struct fixture *f)
{
    store_close(f->store);
    store_env_free(f->env);
    remove_tree(f->root);
}

void fixture_open(struct fixture *f)
{
    struct store_options options = {
        .dir = f->dir, .mode = STORE_OPEN_OR_CREATE, .tag = 7};
    char error[512] = "";
    enum status status =
        store_open(f->env, &options, &f->store, error, sizeof error);

    if (status != STATUS_OK)
        fail_msg("%s: %s", status_name(status), error);
}

void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_env_open_count(f->env), 0);
    store_env_free(f->env);
    f->env = store_env_new(f->with_options ? &f->options : NULL);
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    fixture_init(f, NULL);
    fixture_open(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_release(*state);
    free(*state);
    return 0;
}

static void apply_and_release(struct store *s, struct write_set *w)
{
    assert_int_equal(store_apply(s, w), STATUS_OK);
    write_set_release(w);
}

void put(struct store *s, const char *key, const char *value)
{
    struct write_set w = {0};

    write_set_put(&w, slice_str(key), slice_str(value));
    apply_and_release(s, &w);
}

void del(struct store *s, const char *key)
{
    struct write_set w = {0};

    write_set_delete(&w, slice_str(key));
    apply_and_release(s, &w);
}

void del_range(struct store *s, const char *begin, const char *end)
{
    struct write_set w = {0};

    write_set_delete_range(&w, slice_str(begin), slice_str(end));
    apply_and_release(s, &w);
}

void put_record(struct store *s, uint64_t index)
{
    struct group_record r = {.applied_index = index,
                             .applied_term = 3,
                             .members = slice_str("members")};
    struct write_set w = {0};

    group_record_write(write_set_put_reserve(
                           &w, layout_single_key(LAYOUT_GROUP),
                           group_record_bytes(&r)), &r);
    apply_and_release(s, &w);
}

void put_many(struct store *s, const char *prefix, unsigned count)
{
    struct write_set w = {0};
    char key[64], value[1024];

    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < count; i++) {
        int n = snprintf(key, sizeof key, "%s%04u", prefix, i);
        write_set_put(&w, slice_of(key, (size_t)n),
                      slice_of(value, sizeof value));
    }
    apply_and_release(s, &w);
}

void expect(struct store *s, const struct store_view *view, const char *key,
            const char *value)
{
    struct store_value v;
    enum status status = store_get(s, view, slice_str(key), STORE_ANY, &v);

    if (!value) {
        assert_int_equal(status, STATUS_NOT_FOUND);
        assert_null(v.pin);
        return;
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(v.bytes.size, strlen(value));
    assert_memory_equal(v.bytes.data, value, v.bytes.size);
    store_value_release(&v);
}
