"""test_refusals.py - what cannot be done is refused by its own status, with a
line that names the thing, and nothing has changed."""
import base64
import json
import os
import signal
import subprocess

from cluster import die_with_parent, expect, program
from harness import shared_cluster, test

MIB = 1024 * 1024


class Refusals:
    """A keyspace of its own, what is in it, and the command line there."""

    def __init__(self):
        self.c = shared_cluster()
        for words in (("keyspace", "create", "refusals"),
                      ("keyspace", "create", "full", "--keys-max", "1")):
            self.run(*words)
        self.run("mset", "--", "text", "a word", "most", str(2**63 - 1),
                 "least", str(-2**63), "n", "5", "f", "1.5", "large", "1e308",
                 "{t}a", "1", "{t}b", "text")

    def close(self):
        for name in ("refusals", "full"):
            self.run("keyspace", "drop", name)

    def command(self, *words, stdin=b""):
        return self.c.cli("-k", "refusals", *words, stdin=stdin)

    def run(self, *words, stdin=b""):
        done = self.command(*words, stdin=stdin)
        expect(done.code == 0, f"{words}: {done.code} {done.err}")
        return done

    def state(self):
        """Every key with its value, version and deadline."""
        return self.run("-o", "json", "scan").out

    def refused(self, code, status, *words, names=(), stdin=b""):
        """As a line for people, and as an object for programs."""
        shown = [w[:50] for w in words]
        before = self.state()
        for json_too in (False, True):
            options = ("-o", "json") if json_too else ()
            done = self.command(*options, *words, stdin=stdin)
            lines = done.err.strip().splitlines()
            expect(done.code == code and lines, f"{shown}: exit {done.code} "
                   f"instead of {code}: {done.err}")
            for name in names:
                expect(name in done.err,
                       f"{shown}: {name} is not named: {done.err}")
            if status is None:  # a matter of usage: nobody was asked
                expect(len(lines) <= 3, f"{shown}: {done.err}")
            elif json_too:
                statuses = {json.loads(x)["status"] for x in lines}
                expect(statuses == {status}, f"{shown}: {statuses} instead of "
                       f"{status}")
            else:
                expect(len(lines) == 1, f"{shown}: one line: {done.err}")
        expect(self.state() == before, f"{shown} has changed something")


def refusals(f):
    """A test that gets a Refusals."""
    def run():
        r = Refusals()
        try:
            f(r)
        finally:
            r.close()
    run.__name__, run.__doc__ = f.__name__, f.__doc__
    return test(run)


@refusals
def numbers_that_are_none_or_overflow_are_refused(r):
    """Breaks if text counts as 0, or a counter wraps."""
    for key, *delta in (("text",), ("f",), ("text", "0.5"), ("text", "7")):
        r.refused(4, "NOT_A_NUMBER", "incr", key, *delta, names=[key])
    r.refused(4, "OVERFLOW", "incr", "most", names=["most", "64 bits"])
    r.refused(4, "OVERFLOW", "incr", "least", "--", "-1")
    r.refused(4, "OVERFLOW", "incr", "n", str(2**63 - 1))
    r.refused(4, "OVERFLOW", "incr", "large", "1.7e308", names=["large"])
    for wrong in ("x", "", "1e", "0x10", "nan", "inf", str(2**63), "1,5"):
        r.refused(2, None, "incr", "n", wrong)


@refusals
def conditions_that_do_not_hold_or_cannot_are_refused(r):
    """Breaks if a write is done although its condition fails, or if one that
    can never hold is not told from one that does not."""
    version = json.loads(r.run("-o", "json", "get", "n").out)["version"]
    for option in (["--if-absent"], ["--if-version", "1"],
                   ["--if-value", "6"], ["--if-version", "0"]):
        for words in (["set", "n", "x"], ["append", "n", "x"], ["incr", "n"],
                      ["expire", "n", "5s"], ["persist", "n"]):
            r.refused(1, "NOT_MET", *words, *option, names=["n"])
    r.refused(1, "NOT_MET", "del", "n", "--if-value", "6")
    r.refused(1, "NOT_MET", "set", "none", "x", "--if-present")
    r.refused(1, "NOT_MET", "set", "none", "x", "--if-version", version)
    r.refused(1, "NOT_FOUND", "expire", "none", "5s", names=["none"])
    r.refused(1, "NOT_MET", "expire", "n", "5s", "--xx")
    for words in (["--if-absent", "--if-present"],
                  ["--if-absent", "--if-value", "5"],
                  ["--if-absent", "--if-version", "5"],
                  ["--if-present", "--if-version", "0"],
                  ["--if-value", "5", "--if-version", "0"],
                  ["--if-version", "x"], ["--if-version", "-1"],
                  ["--if-version", str(2**64)], ["--if-fence", "0"],
                  ["--ttl", "5s", "--deadline", "2100-01-01T00:00:00Z"],
                  ["--ttl", "5s", "--keep-ttl"], ["--ttl", "0"],
                  ["--ttl", "-5"], ["--ttl", "soon"],
                  ["--deadline", "tomorrow"], ["--file", "/dev/null"]):
        r.refused(2, None, "set", "n", "x", *words)
    r.refused(2, "INVALID", "expire", "n", "5s", "--nx", "--xx", names=["nx"])
    r.refused(2, "INVALID", "expire", "n", "5s", "--gt", "--lt", names=["gt"])
    for words in (["incr", "n"], ["append", "n", "x"], ["persist", "n"]):
        r.refused(2, None, *words, "--previous")
    r.refused(2, None, "mset", "n")
    r.refused(2, None, "mset", "n", "6", "--previous")


@refusals
def keyspaces_that_are_not_there_or_are_full_are_refused(r):
    """Breaks if a slip of the finger makes a keyspace, or an empty one is
    taken for it; if a limit is not told from a busy node."""
    for words in (["get", "n"], ["set", "n", "1"], ["incr", "n"],
                  ["mget", "n"], ["del", "n"], ["ttl", "n"], ["scan"],
                  ["count"], ["del", "--prefix", "n"],
                  ["txn", "then get n"], ["lock", "n"], ["watch", "n"],
                  ["dump", "-"]):
        r.refused(2, "NO_KEYSPACE", *words, "-k", "nope",
                  names=["keyspace list"])
    r.refused(2, "NO_KEYSPACE", "keyspace", "alter", "nope", "--keys-max", "5")
    r.refused(2, "NO_KEYSPACE", "keyspace", "drop", "nope", names=["nope"])
    r.refused(4, "EXISTS", "keyspace", "create", "full", "--keys-max", "9",
              names=["full"])
    for words in (["create", "a/b"], ["create", ""], ["drop", "default"],
                  ["create", "x" * 65], ["alter", "refusals", "--keys-max",
                                         "5"]):
        r.refused(2, None, "keyspace", *words, names=["keyspace"])
    for words in (["create"], ["remove", "x"], ["alter", "full"],
                  ["create", "x", "--keys-max", "many"],
                  ["create", "x", "--bytes-max", "5X"],
                  ["create", "x", "--default-ttl", "soon"], ["list", "x"]):
        r.refused(2, None, "keyspace", *words)
    # The share of each of six groups is less than one key, but at least one.
    for i in range(2):
        r.c.cli("-k", "full", "set", f"{{t}}{i}", "v")
    r.refused(4, "QUOTA", "-k", "full", "set", "{t}9", "v",
              names=["{t}9", "keyspace alter"])


@refusals
def sizes_beyond_the_limits_are_refused(r):
    """Breaks if something is cut to fit."""
    r.refused(2, "KEY_EMPTY", "set", "", "v", names=["1 to 65535"])
    r.refused(2, "KEY_TOO_LARGE", "set", "k" * 65536, "v",
              names=["1 to 65535"])
    r.refused(2, "VALUE_TOO_LARGE", "set", "k", "-", stdin=bytes(16 * MIB + 1),
              names=["16 MiB"])
    r.run("set", "wide", "-", stdin=bytes(16 * MIB))
    r.refused(2, "VALUE_TOO_LARGE", "append", "wide", "x", names=["wide"])
    r.run("del", "wide")
    r.refused(2, "INVALID", "scan", "--match", "*" + "x" * 256,
              names=["256 bytes"])
    for option in ("--prefix", "--match", "--from", "--to"):
        r.refused(2, None, "del", option, "", names=[option])


@refusals
def transactions_that_cannot_be_are_refused(r):
    """Breaks if a transaction is done in part, or one over several groups is
    not refused as such."""
    r.refused(4, "CROSS_GROUP", "txn",
              *(f"then set k{i} v" for i in range(100)), names=["hash tag"])
    r.refused(4, "TOO_LARGE", "txn",
              *("then set {t}%d v" % i for i in range(129)), names=["128"])
    r.refused(4, "TOO_LARGE", "txn", "-", names=["4 MiB"], stdin=b"\n".join(
        b"then set {t}%d %s" % (i, b"v" * MIB) for i in range(4)))
    r.refused(4, "NOT_A_NUMBER", "txn", "then set {t}new v", "then incr {t}b")
    r.refused(4, "NOT_A_NUMBER", "txn", "then incr {t}a", "then incr {t}b")
    for clause in ("when value {t}a = 1", "if value {t}a", "then", "then go x",
                   "if version {t}a = one", "if value {t}a == 1",
                   "then set {t}a", "then incr {t}a x", "then set 'a",
                   "then expire {t}a soon", "then set {t}a \\q"):
        r.refused(2, None, "txn", clause, names=[clause[:5]])
    r.refused(2, None, "txn", "then get {t}a", "if value {t}a = 1")
    r.refused(2, None, "txn", "else get {t}a", "then get {t}a")


@refusals
def cursors_that_are_none_or_of_something_else_are_refused(r):
    """Breaks if a scan begins anew, or in the wrong place, without a word."""
    def cursor(*words):
        return r.run("scan", "--limit", "1", "--show-cursor", *words).err \
            .split("cursor: ")[1].strip()
    good = cursor()
    twisted = good[:-1] + ("A" if good[-1] != "A" else "B")
    for wrong in ("", "zzz", "!", good[:-3], good + "AAAA", twisted,
                  cursor("--prefix", "t"), cursor("--reverse")):
        r.refused(4, "BAD_CURSOR", "scan", "--cursor", wrong,
                  names=["cursor"])
    r.refused(4, "BAD_CURSOR", "watch", "--cursor", good)
    r.refused(4, "BAD_CURSOR", "watch", "--cursor", "zzz")


@refusals
def who_does_not_hold_a_lock_is_refused(r):
    """Breaks if a lock has two holders, or a token that was overtaken still
    writes."""
    first = r.run("lock", "l", "--ttl", "60s").text.strip()
    r.refused(1, "NOT_MET", "lock", "l", "--ttl", "60s", names=["l", first])
    r.refused(1, "NOT_MET", "unlock", "l", "1", names=["l", "1"])
    r.run("set", "guarded", "first", "--if-fence", first)
    r.run("unlock", "l", first)
    r.refused(1, "NOT_MET", "unlock", "l", first)
    second = r.run("lock", "l", "--ttl", "60s").text.strip()
    expect(int(second) > int(first), "tokens grow")
    r.run("set", "guarded", "second", "--if-fence", second)
    for words in (["set", "guarded", "x"], ["del", "guarded"],
                  ["append", "guarded", "x"], ["expire", "guarded", "5s"]):
        r.refused(4, "FENCED", *words, "--if-fence", first, names=["token"])
    r.refused(4, "FENCED", "txn", f"if fence guarded {first}",
              "then set guarded x", "else set guarded y", names=["token"])
    r.run("txn", f"if fence guarded {second}", "then append guarded !")
    got = r.run("get", "guarded").text
    expect(got == "second!", f"guarded is '{got}'")
    for words in (["lock"], ["lock", "l", "--ttl", "1"], ["unlock", "l"],
                  ["unlock", "l", "x"], ["lock", "l", "--wait", "x"]):
        r.refused(2, None, *words)


@refusals
def a_holder_that_slept_has_lost_its_lock(r):
    """Breaks if a lock is not free when its time is over, if who slept writes
    with its old token behind the next holder, or goes on as if it held it."""
    where = ["-e", r.c.endpoints, "-k", "refusals"]
    sleeper = subprocess.Popen(
        [program("coatcheck"), *where, "lock", "slept", "--ttl", "3s", "sh",
         "-c", "echo $COATCHECK_TOKEN; while :; do sleep 0.1; done"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    first = sleeper.stdout.readline().strip()
    r.run("set", "work", "first", "--if-fence", first)
    sleeper.send_signal(signal.SIGSTOP)
    second = r.run("lock", "slept", "--ttl", "60s", "--wait",
                   "50s").text.strip()
    expect(int(second) > int(first), f"tokens: {first}, then {second}")
    r.run("set", "work", "second", "--if-fence", second)
    r.refused(4, "FENCED", "set", "work", "x", "--if-fence", first)
    sleeper.send_signal(signal.SIGCONT)
    _, said = sleeper.communicate(timeout=30)
    expect(sleeper.returncode == 1 and "it was lost" in said,
           f"who slept: {sleeper.returncode} {said}")
    r.run("unlock", "slept", second)


@refusals
def a_load_stops_at_the_first_line_that_is_wrong_and_goes_on_there(r):
    """Breaks if a line is left out without a word, or if a load that is begun
    anew goes on where another one ended."""
    path = os.path.join(r.c.folder, "lines")
    lines = [json.dumps({"key": f"load{i}", "value": "v" * 50})
             for i in range(300)]

    def write(wrong):
        with open(path, "w") as f:
            f.write("\n".join(lines[:200] + [wrong] + lines[200:]) + "\n")
    for wrong in ("", "{", "[]", '{"key":"k"}', '{"value":"v"}',
                  '{"key":5,"value":"v"}', '{"key":"","value":"v"}',
                  '{"key":"k","value_base64":"?"}',
                  '{"key":"k","value":"v","ttl_ms":-5}',
                  '{"key":"k","value":"v","ttl_ms":5,"deadline_ms":5}'):
        write(wrong)
        done = r.command("load", path)
        expect(done.code == 2 and "line 201" in done.err,
               f"{wrong}: {done.code} {done.err}")
    binary = base64.b64encode(bytes(range(256))).decode()
    write(json.dumps({"key_base64": binary, "value_base64": binary}))
    done = r.run("load", path, "--resume")
    expect("301 keys" in done.err or "301" in done.err, done.err)
    expect(r.run("count", "load").text.strip() == "300", "all of them")
    dump = os.path.join(r.c.folder, "dump")
    r.run("dump", dump)
    with open(dump, "rb") as f:
        before = f.read()
    state = r.state()
    # A dump that fails leaves the one before alone.
    done = r.command("-k", "nope", "dump", dump)
    expect(done.code == 2, f"dump: {done.code} {done.err}")
    with open(dump, "rb") as f:
        expect(f.read() == before, "the dump is as it was")
    r.run("del", "--match", "*")
    r.run("load", dump)

    def without_versions(text):
        return [{**json.loads(x), "version": 0} for x in text.splitlines()]
    expect(without_versions(r.state()) == without_versions(state),
           "what was dumped is loaded")
