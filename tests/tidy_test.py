#!/usr/bin/env python3
"""tidy_test.py - does tests/tidy still find what it is there for?

Makes a small tree without a mistake, then plants one mistake after the other
and expects the finding. A check that never fires would look like a clean
tree."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

CLEAN = {
    "README.md": "# a tree\n",
    "proto/README.md": "# proto\n",
    "proto/x.h": ("/* x.h - a header. */\n#ifndef PROTO_X_H\n"
                  "#define PROTO_X_H\n\nint x_twice(int n);\n\n#endif\n"),
    "proto/x.c": ('/* x.c - see x.h. */\n#include "proto/x.h"\n\n'
                  "int x_twice(int n)\n{\n    return 2 * n;\n}\n"),
    "tests/README.md": "# tests\n",
    "tests/unit/proto/test_x.c": (
        "/* test_x.c */\nint main(void)\n{\n    return 0;\n}\n"),
}


def function(lines):
    return ("/* x.c */\nint f(void)\n{\n" + "    ;\n" * lines
            + "    return 0;\n}\n")


# what it is, file, text (None deletes it), a part of the finding
PLANTED = [
    ("a layer", "proto/x.h", '#include "rpc/conn.h"', "must not include"),
    ("no root", "proto/x.c", '#include "x.h"', "include from the root"),
    ("libuv in a pure file", "proto/x.c", "#include <uv.h>", "pure file"),
    ("RocksDB elsewhere", "rpc/conn.c", "#include <rocksdb/c.h>",
     "may only be included"),
    ("libraft elsewhere", "node/main.c", "#include <raft.h>",
     "may only be included"),
    ("a clock", "proto/x.c", "long t(void)\n{\n    return time(0);\n}",
     "time() is not used"),
    ("a banned call", "node/main.c",
     "void f(char *a, char *b)\n{\n    strcpy(a, b);\n}", "strcpy()"),
    ("a long file", "proto/x.c", "/* x.c */\n" + "int a;\n" * 701, "lines, at"),
    ("a long function", "proto/x.c", function(90), "a function of"),
    ("a wide line", "proto/x.c", "/* x.c */ /* " + "x" * 80 + " */",
     "columns"),
    ("a tab", "proto/x.c", "/* x.c */\n\tint a;\n", "a tab"),
    ("no opening", "proto/x.c", "int a;\n", "opens with a comment"),
    ("no guard", "proto/x.h", "/* x.h */\nint a;\n", "include guard"),
    ("a typedef", "proto/x.h", "typedef struct a { int b; } a;",
     "no typedef"),
    ("assertions off", "proto/x.c", "#define NDEBUG", "NDEBUG"),
    ("a word", "proto/x.c", "/* TO" + "DO: more */", "the word"),
    ("a place", "docs/x.md", "see /ho" + "me/someone/x", "one machine"),
    ("a stray folder", "misc/README.md", "# misc\n", "top level"),
    ("no README", "proto/README.md", None, "explains itself"),
    ("no unit test", "tests/unit/proto/test_x.c", None, "no unit test"),
    ("a short test name", "tests/unit/proto/test_x.c",
     "/* t */\nvoid *p = cmocka_unit_test(works);", "a sentence"),
]


def write(folder, tree):
    for name, text in tree.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)


def tidy(tree):
    with tempfile.TemporaryDirectory() as folder:
        write(folder, tree)
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "tidy")], text=True,
            capture_output=True, env={**os.environ, "COAT_TIDY_ROOT": folder})
        return done.returncode, done.stdout + done.stderr


def main():
    wrong = 0
    code, out = tidy(CLEAN)
    if code != 0:
        print(f"the clean tree has findings:\n{out}")
        wrong += 1
    for what, name, text, finding in PLANTED:
        tree = dict(CLEAN)
        if text is None:
            del tree[name]
        else:
            tree[name] = text + "\n"
        code, out = tidy(tree)
        if code != 1 or finding not in out:
            print(f"{what}: planted in {name}, not found:\n{out}")
            wrong += 1
    print(f"{len(PLANTED) + 1 - wrong} of {len(PLANTED) + 1} as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
