"""test_scan.py - ordered scans, compared with a sorted model: while nothing
changes exactly, while keys change and leaders die as far as is promised."""
import base64
import fnmatch
import json
import os
import random
import subprocess
import threading
import time

from cluster import Cluster, die_with_parent, expect, program
from harness import shared_cluster, test
from resp import Error, Resp

NEVER = float("inf")


def field(entry, name):
    """A key or value of a JSON line, as bytes."""
    if name in entry:
        return entry[name].encode()
    return base64.b64decode(entry[name + "_base64"])


def line(key, value):
    """What `load` reads."""
    return json.dumps({"key_base64": base64.b64encode(key).decode(),
                       "value_base64": base64.b64encode(value).decode()})


def load(c, pairs, *options):
    text = "\n".join(line(k, v) for k, v in pairs)
    done = c.cli(*options, "load", "-", stdin=text.encode() + b"\n")
    expect(done.code == 0, f"load: {done.code} {done.err}")


# ---- nothing changes: exactly the model ----

def random_keys(rng, count):
    """Keys that begin with each other, any bytes but the lowest; a few hash
    tags."""
    parts = [b"a", b"b", b"ab", b"\xff", b"\x01", "ü".encode(), b"*", b"0",
             b"\xc3", b"[", b"\\", b"\t", b"\n"]
    tags = [b"", b"", b"", b"{t}", b"{u}"]
    keys = set()
    while len(keys) < count:
        keys.add(rng.choice(tags) + b"".join(
            rng.choice(parts) for _ in range(rng.randrange(1, 7))))
    return sorted(keys)


def random_query(rng, keys):
    """Options of scan, and what they find of `keys`."""
    options, found = [], list(keys)
    a = rng.choice(keys)[:rng.randrange(1, 5)]
    b = rng.choice(keys)[:rng.randrange(1, 5)]
    kind = rng.randrange(5)
    if kind == 1:
        options += ["--prefix", a]
        found = [k for k in found if k.startswith(a)]
    if kind == 2:
        options += ["--from", a]
        found = [k for k in found if k >= a]
    if kind in (2, 3):
        options += ["--to", b]
        found = [k for k in found if k < b]
    if kind == 4:
        options += ["--match", b"*a?*"]
        found = [k for k in found
                 if fnmatch.fnmatchcase(k.decode("latin-1"), "*a?*")]
    return options, found


@test
def scans_find_what_a_sorted_model_finds():
    """Breaks if groups are merged out of order, a bound is off by one, a
    cursor repeats or skips, or a byte of a key is taken for something else."""
    c = shared_cluster()
    rng = random.Random(8)
    keys = random_keys(rng, 400)
    model = {k: b"v" + k for k in keys}
    done = c.cli("keyspace", "create", "scanned")
    expect(done.code == 0, done.err)
    load(c, model.items(), "-k", "scanned")

    def scan(*options):
        done = c.cli("-k", "scanned", "-o", "json", "scan", "--show-cursor",
                     *options)
        expect(done.code == 0, f"scan {options}: {done.code} {done.err}")
        entries = [json.loads(x) for x in done.out.splitlines()]
        for e in entries:
            if "size" not in e:
                expect(field(e, "value") == model[field(e, "key")], f"{e}")
        return [field(e, "key") for e in entries], \
            done.err.split("cursor: ")[1].strip()
    for turn in range(30):
        options, found = random_query(rng, keys)
        if rng.random() < 0.4:
            options += ["--reverse"]
            found = found[::-1]
        if rng.random() < 0.3:
            options += ["--keys"]
        limit = rng.randrange(1, 150)
        got, cursor = scan(*options, "--limit", str(limit))
        expect(got == found[:limit], f"turn {turn}: scan {options}: "
               f"{got[:5]} ... instead of {found[:5]} ...")
        got, _ = scan(*options, "--cursor", cursor)
        expect(got == found[limit:], f"turn {turn}: scan {options} goes on "
               f"with {got[:5]} instead of {found[limit:limit + 5]}")
        if "--reverse" not in options and "--keys" not in options:
            done = c.cli("-k", "scanned", "count", *options)
            expect(done.text.strip() == str(len(found)), f"count {options}: "
                   f"{done.text} instead of {len(found)}")
    tagged = [k for k in keys if k.startswith(b"{t}")]
    got, _ = scan("--tag", "{t}", "--prefix", "{t}")
    expect(got == tagged, "the keys of one tag")
    done = c.cli("-k", "scanned", "del", "--prefix", "{t}", "--dry-run")
    expect(done.text.split()[0] == str(len(tagged)), f"dry run: {done.text}")
    expect(scan()[0] == keys, "a dry run deletes nothing")
    done = c.cli("-k", "scanned", "del", "--match", "{t}*")
    expect(done.text.split()[0] == str(len(tagged)), f"del: {done.text}")
    expect(scan()[0] == [k for k in keys if k not in tagged], "the others")
    expect(c.cli("keyspace", "drop", "scanned").code == 0, "drop")


# ---- keys change ----

class Writer:
    """Sets and deletes keys of its own, one after the other, and remembers
    when; gives up a key when it cannot know what came of a command."""

    def __init__(self, c, keys, seed):
        self.rng = random.Random(seed)
        self.ports = [n.redis_port for n in c.nodes.values()]
        self.keys = keys
        # key: [(asked, answered, value or None)], the last one at the end
        self.past = {k: [(0, 0, v)] for k, v in keys.items()}
        self.count = 0
        self.failure = None
        self.stopping = False
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        if self.failure:
            raise self.failure

    def _run(self):
        connection = None
        known = list(self.keys)
        try:
            while not self.stopping and known:
                i = self.rng.randrange(len(known))
                try:
                    if connection is None:
                        connection = Resp(self.rng.choice(self.ports),
                                          seconds=3)
                    self._write(connection, known[i])
                except (OSError, ConnectionError, ValueError):
                    known[i] = known[-1]
                    known.pop()
                    connection = None
                    time.sleep(0.05)
        except BaseException as e:  # told by stop()
            self.failure = e

    def _write(self, connection, key):
        self.count += 1
        value = b"%d " % self.count + self.keys[key][:1000]
        past = self.past[key]
        begin = time.monotonic()
        if self.rng.random() < 0.3:
            value = None
        past.append((begin, NEVER, value))
        reply = connection.ask("DEL", key) if value is None else \
            connection.ask("SET", key, value)
        if isinstance(reply, Error):
            raise ConnectionError(reply)
        past[-1] = (begin, time.monotonic(), value)

    def possible(self, key, begin, end):
        """What the key may have held at some moment from begin to end."""
        past = list(self.past[key])
        first = 0
        for i, (_, answered, _) in enumerate(past):
            if answered <= begin:
                first = i
        return {value for asked, _, value in past[first:] if asked <= end}


class Scan:
    """coatcheck scan, read slowly: it goes on only as its lines are taken."""

    def __init__(self, c, *options):
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [program("coatcheck"), "-e", c.endpoints, "--timeout", "30000",
             "-o", "json", "scan", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        self.entries = []

    def take(self, count):
        while len(self.entries) < count:
            text = self.process.stdout.readline()
            if not text:
                return
            self.entries.append(json.loads(text))

    def finish(self):
        """All the rest."""
        self.take(NEVER)
        said = self.process.stderr.read().decode()
        code = self.process.wait(30)
        self.end = time.monotonic()
        expect(code == 0, f"scan: exit {code}: {said}")
        return self


def judge(scan, stable, writers, reverse=False):
    """Is it what a scan promises?"""
    keys = [field(e, "key") for e in scan.entries]
    expect(keys == sorted(set(keys), reverse=reverse),
           "not in order, or a key twice")
    found = {field(e, "key"): field(e, "value") for e in scan.entries}
    for key, value in stable.items():
        expect(found.pop(key, None) == value,
               f"{key} never changed and is not found as it is")
    for w in writers:
        for key in w.keys:
            value = found.pop(key, None)
            possible = w.possible(key, scan.begin, scan.end)
            expect(value in possible, f"{key}: {value and value[:20]}, which "
                   f"it never held then; there were "
                   f"{[v and v[:20] for v in possible]}")
    expect(not found, f"keys that nobody wrote: {list(found)[:3]}")


@test
def scans_stay_right_while_keys_change_and_leaders_die():
    """Breaks if a page of a new leader lacks what was acknowledged, if going
    on behind it skips or repeats a key, or shows what was overwritten before
    the scan began."""
    rng = random.Random(9)
    with Cluster(groups=3) as c:
        everything = {b"k%05d" % i: rng.randbytes(700).hex().encode()
                      for i in range(6000)}
        load(c, everything.items())
        names = list(everything)
        stable = {k: everything[k] for k in names[::3]}
        writers = [Writer(c, {k: everything[k] for k in names[i::3]}, i)
                   for i in (1, 2)]
        try:
            for turn, reverse in enumerate((False, True)):
                leader = c.wait_leader(turn % 3 + 1)
                scan = Scan(c, *(["--reverse"] if reverse else []))
                scan.take(500)
                with c.without(leader, asleep=turn % 2):
                    scan.take(2000)
                    c.wait_leader(turn % 3 + 1, other_than=leader)
                    judge(scan.finish(), stable, writers, reverse)
                judge(Scan(c).finish(), stable, writers)
        finally:
            for w in writers:
                w.stop()
        counts = [w.count for w in writers]
        expect(min(counts) > 300, f"the writers did little: {counts}")
        judge(Scan(c).finish(), stable, writers)
