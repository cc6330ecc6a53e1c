/* fuzz_datadir.c - any bytes as one of the files of a data directory: the
 * identity, the map, or a group's CURRENT. They are refused with a status of
 * the manual and one line of text, or read as what a node can be.
 *
 * The first byte says which file, and whether the rest gets a good header and
 * checksum, without which little would reach the readers. They read files, so
 * these lie in a directory of their own, in memory where there is such. */
#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/shell/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDENTITY, MAP, CURRENT, FILES, SEALED = 0x80 };

static char root[64];

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_root(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_root(void)
{
    char path[100];

    if (root[0])
        return;
    snprintf(root, sizeof root, "%s/coat-fuzz.XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(root))
        abort();
    snprintf(path, sizeof path, "%s/groups", root);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/groups/1", root);
    (void)mkdir(path, 0700);
    atexit(remove_root);
}

static void put_file(const char *name, const char *magic, const uint8_t *data,
                     size_t size, bool sealed)
{
    struct buf b = {0};
    char path[100];
    FILE *f;

    if (sealed) {
        buf_grow(&b, FILE_HEADER_BYTES);
        buf_append(&b, data, size);
        file_seal(&b, magic, 1);
    } else {
        buf_append(&b, data, size);
    }
    snprintf(path, sizeof path, "%s/%s", root, name);
    f = fopen(path, "wb");
    if (!f || (b.size && fwrite(b.data, b.size, 1, f) != 1))
        abort();
    fclose(f);
    buf_release(&b);
}

static void put_identity(enum init_state init, const uint8_t *cluster)
{
    uint8_t bytes[48] = {1};

    put_u64(bytes + 16, 3);
    put_u64(bytes + 24, init);
    memcpy(bytes + 32, cluster, ID_BYTES);
    put_file("identity", "COATID", bytes, sizeof bytes, true);
}

static void open_root(void)
{
    char error[DATADIR_ERROR_SIZE] = "";
    struct datadir d, again;
    enum status st = datadir_open(&d, root, true, error);

    if (st != STATUS_OK) {
        assert(st == STATUS_CORRUPT || st == STATUS_WRONG_VERSION);
        assert(error[0] && !strchr(error, '\n'));
        assert(strstr(error, root));
        return;
    }
    assert(d.init <= INIT_STATE_ACTIVE);
    assert((d.init == INIT_STATE_BLANK) == (d.map == NULL));
    if (d.map) {
        assert(map_check(d.map, NULL) == STATUS_OK);
        assert(!memcmp(d.map->cluster, d.cluster, ID_BYTES));
    }
    /* what was read is what is written again */
    datadir_close(&d);
    assert(datadir_open(&again, root, true, error) == STATUS_OK);
    assert(again.boot_count == d.boot_count + 1);
    assert(again.init == d.init);
    assert(!memcmp(again.directory, d.directory, ID_BYTES));
    assert(!memcmp(again.cluster, d.cluster, ID_BYTES));
    datadir_close(&again);
}

static void open_current(void)
{
    static struct node n;
    static struct loop l;
    char error[DATADIR_ERROR_SIZE] = "";
    uint8_t id[16];
    enum status st;

    if (!n.env) {
        struct store_env_options o = {.cache_bytes = 1 << 20};
        snprintf(n.dir.path, sizeof n.dir.path, "%s", root);
        n.env = store_env_new(&o);
        l.node = &n;
        l.stores = stores_new(&l);
    }
    /* there is no store, whatever it is called */
    st = stores_open(&l, 1, id, error);
    assert(st != STATUS_OK && st != STATUS_NOT_FOUND);
    assert(error[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none[ID_BYTES];
    struct cluster_map *map = NULL;
    bool sealed;

    if (!size)
        return 0;
    sealed = *data & SEALED;
    make_root();
    switch ((*data & 0x7f) % FILES) {
    case IDENTITY:
        put_file("map", "COATMP", none, 0, true);
        put_file("identity", "COATID", data + 1, size - 1, sealed);
        open_root();
        break;
    case MAP:
        if (map_decode(slice_of(data + 1, size - 1), &map) != STATUS_OK)
            map = NULL;
        put_identity(INIT_STATE_ACCEPTED, map ? map->cluster : none);
        put_file("map", "COATMP", data + 1, size - 1, sealed);
        open_root();
        map_free(map);
        break;
    default:
        put_file("groups/1/CURRENT", "COATCU", data + 1, size - 1, sealed);
        open_current();
    }
    return 0;
}
