"""tidy_rules.py - what tests/tidy holds the sources to: data, no code.

Each list says why it exists. An exception needs a reason next to it; an
exception that no longer applies is reported by tests/tidy, so lists only
stay as long as they are needed."""

# ---- the fixed top level (docs/ARCHITECTURE.md, "Folders") ----

TOP_LEVEL = {
    "proto", "rpc", "raft", "node", "client", "tests", "deploy", "docs",
    ".ci", ".clang-format", ".gitignore", ".gitattributes", "CMakeLists.txt",
    "CMakePresets.json", "README.md", "LICENSE",
}

# ---- sizes ----

FILE_LINES_MAX = 700
FILE_LINES_WARN = 600
FUNCTION_LINES_MAX = 80
COLUMNS_MAX = 80

# ---- layers ----

# Folders and single files that decide things: they get time, bytes and
# randomness as arguments, so that the simulator can run them.
PURE = [
    "proto/", "raft/", "node/core/",
    "rpc/frame.", "rpc/calls.", "rpc/address.", "rpc/types.", "rpc/resp",
    "node/store/layout.", "node/store/write_set.", "node/store/table.",
    "node/store/table_", "node/store/row_cache.",
]

# Which of our headers a folder may include: longest matching key wins.
MAY_INCLUDE = {
    "proto/base/": ["proto/base/"],
    "proto/": ["proto/"],
    "rpc/": ["proto/", "rpc/"],
    "raft/wal/": ["proto/", "raft/wal/"],
    "raft/": ["proto/", "raft/"],
    "node/core/": [
        "proto/", "raft/", "node/core/", "rpc/types.h", "rpc/frame.h",
        "rpc/calls.h", "rpc/address.h", "node/store/layout.h",
        "node/store/write_set.h",
    ],
    "node/store/": ["proto/", "node/store/"],
    "node/": ["proto/", "rpc/", "raft/", "node/"],
    "client/": ["proto/", "rpc/", "client/"],
    "tests/sim/": ["proto/", "raft/", "node/core/", "rpc/types.h",
                   "rpc/frame.h", "node/store/layout.h",
                   "node/store/write_set.h", "client/routes.h",
                   "client/retry.h", "client/order.h", "client/merge.h",
                   "tests/"],
    "tests/": ["proto/", "rpc/", "raft/", "node/", "client/", "tests/"],
}

# A header of somebody else's: (pattern, where it may appear).
FOREIGN = [
    (r"raft\.h", ["raft/", "tests/unit/raft/", "tests/fuzz/"]),
    (r"rocksdb/.*", ["node/store/", "tests/unit/node/store/",
                     "tests/bench/"]),
    (r".*\.pb-c\.h|protobuf-c/.*", ["proto/codec", "proto/map_codec.c",
                                    "tests/unit/proto/", "tests/fuzz/"]),
]
NEVER_IN_PURE = (r"uv\.h|rocksdb/.*|pthread\.h|sys/socket\.h|netinet/.*|"
                 r"fcntl\.h|sys/stat\.h|unistd\.h|threads\.h|sys/time\.h|"
                 r"sys/uio\.h|dirent\.h|signal\.h|netdb\.h|arpa/.*")

# ---- calls ----

BANNED = {
    "strcpy": "memcpy with a checked length", "strcat": "struct buf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets",
    "atoi": "strtol with its end checked", "atol": "strtol",
    "atoll": "strtoll", "strtok": "struct slice",
    "rand": "proto/base/rng.h", "srand": "proto/base/rng.h",
    "random": "proto/base/rng.h", "alloca": "a bounded buffer",
    "system": "posix_spawn", "tmpnam": "mkdtemp", "mktemp": "mkdtemp",
    "setjmp": "a status", "longjmp": "a status",
}
BANNED_IN_PURE = {
    c: "an argument or an effect" for c in (
        "time", "clock_gettime", "gettimeofday", "clock", "getrandom",
        "fopen", "fread", "fwrite", "fprintf", "printf", "puts", "open",
        "close", "pread", "pwrite", "fsync", "fdatasync", "socket", "send",
        "recv", "usleep", "nanosleep", "getenv", "exit", "pthread_create",
        "pthread_mutex_lock")
}

# ---- purity of what was really linked (nm -u) ----

PURE_LIBRARIES = ["coat_base", "coat_proto", "coat_rpc_pure", "coat_wal",
                  "coat_raft", "coat_core"]
PURE_SYMBOLS = (
    r"mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|nlen|cmp|ncmp|chr|rchr)|"
    r"malloc|calloc|realloc|free|aligned_alloc|posix_memalign|"
    r"abort|__assert_fail|__assert|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|"
    r"v?snprintf|__v?snprintf_chk|__mem(cpy|move|set)_chk|qsort|bsearch|"
    r"strto(u?ll?|ull)|__isoc23_strtou?ll?|__ctype_b_loc|"
    r"strtod|"  # no locale is ever set: node/core/machine_number.c
    r"XXH.*|crc32_iscsi|crc16_t10dif.*|protobuf_c_.*|raft_.*|"
    r"__udivti3|__umodti3|__popcountdi2|__tls_get_addr")

# ---- words ----

# Written in halves: this file is checked too.
WORDS = [a + b for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"),
                            ("HA", "CK"), ("st", "ub"), ("ha", "ck"))]
# Paths and hosts that only one machine or one archive has.
PLACES = [a + b for a, b in (
    (r"/wo", r"rk/"), (r"/ro", r"ot/"), (r"/ho", r"me/[a-z]"),
    (r"deb\.deb", r"ian\.org"), (r"security\.deb", r"ian\.org"),
    (r"ftp\.[a-z.]*deb", r"ian"), (r"py", r"pi\.org"),
    (r"registry\.np", r"mjs"), (r"archive\.ubu", r"ntu"))]

# ---- tests ----

# Libraries' sources without a unit test of their own, with the reason.
UNTESTED = {
}
