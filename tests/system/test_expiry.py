"""test_expiry.py - time to live under wrong clocks and changing leaders."""
import glob
import json
import os
import signal
import subprocess
import threading
import time

from cluster import Cluster, Skipped, die_with_parent, expect, program, \
    wait_until
from harness import test
from resp import Resp

TICK = 0.5  # what a group's clock may differ by, beside the clocks' own error
BUSY = 15   # what a busy machine may keep everybody waiting, in seconds


def set_clock(node, text):
    """The daemon's wall clock from now on: "+0", "+365d", "-5"."""
    path = os.path.join(node.folder, "wall")
    with open(path + ".new", "w") as f:
        f.write(text + "\n")
    os.rename(path + ".new", path)


def with_own_walls(c):
    """Nodes look at wall clocks of their own, by libfaketime."""
    library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not library:
        raise Skipped("libfaketime is not installed")
    for node in c.nodes.values():
        # The usual daemon's allocator and libfaketime cannot both be first.
        node.daemon = "coatcheckd_failpoints"
        set_clock(node, "+0")
        node.environment = {
            "LD_PRELOAD": library[0], "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": os.path.join(node.folder, "wall"),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


class Mortal:
    """A key with a time to live."""

    def __init__(self, c, key, seconds):
        self.cluster, self.key = c, key
        self.earliest = time.monotonic() + seconds - TICK
        done = c.cli("set", key, "v", "--ttl", str(seconds * 1000))
        expect(done.code == 0, f"set: {done.err}")
        self.latest = time.monotonic() + seconds + TICK

    def there(self):
        done = self.cluster.cli("get", self.key)
        expect(done.code in (0, 1), f"get: {done.err}")
        return done.code == 0

    def expect_not_early(self):
        expect(self.there() or time.monotonic() > self.earliest,
               f"{self.key} went early")

    def expect_in_time(self):
        """Much later than on any machine; wrong clocks are hours off."""
        time.sleep(max(0, self.latest - time.monotonic()))
        wait_until(lambda: not self.there(), BUSY, f"{self.key} is gone")


@test
def keys_expire_in_time_whatever_one_clock_says():
    """Breaks if one node's wall clock, a year ahead or late, as leader or
    not, moves the clock of a group."""
    with Cluster(groups=2, start=False) as c:
        with_own_walls(c)
        c.start()
        for turn, jump in enumerate(("+365d", "-365d", "+1h")):
            victim = c.nodes[c.wait_leader(1)]
            set_clock(victim, jump)
            time.sleep(1)  # its neighbours have heard of it
            keys = [Mortal(c, f"k{turn}-{i}", 4) for i in range(8)]
            for key in keys:
                key.expect_not_early()
            time.sleep(max(0, keys[0].earliest - 0.5 - time.monotonic()))
            keys[-1].expect_not_early()
            for key in keys:
                key.expect_in_time()
            set_clock(victim, "+0")


@test
def keys_expire_in_time_while_leaders_change():
    """Breaks if a new leader's clock begins anew, or sweeps are lost with
    their leader: keys would stay on disk for ever."""
    with Cluster(groups=2) as c:
        begun = time.monotonic()
        keys = [Mortal(c, f"k{i}", 9) for i in range(60)]
        while time.monotonic() < begun + 6:
            victim = c.nodes[c.wait_leader(1)]
            victim.pause()
            c.wait_leader(1, other_than=victim.number)
            victim.resume()
            keys[-1].expect_not_early()
        for key in keys:
            key.expect_in_time()
        wait_until(lambda: c.cli("count").text.split()[-1:] == ["0"], 30,
                   "nothing is left")


class Expiries:
    """coatcheck watch, and when it told of which key's expiry."""

    def __init__(self, c):
        self.process = subprocess.Popen(
            [program("coatcheck"), "-e", c.endpoints, "-o", "json", "watch"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.begun = False
        self.told = []  # (key, wall clock)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

        def begun():
            c.set("begin", b"")
            return self.begun
        wait_until(begun, 60, "the watch has begun")

    def _read(self):
        for line in self.process.stdout:
            now, event = time.time(), json.loads(line)
            self.begun = True
            if event["event"] == "expire":
                self.told.append((event["key"], now))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.thread.join()


def set_with_deadlines(c, prefix, count, first, last):
    """{key: deadline}, of keys that expire between these seconds from now."""
    now = time.time()
    deadlines = {f"{prefix}{i}": int(1000 * (
        now + first + (last - first) * i / count)) for i in range(count)}
    redis = Resp(c.nodes[1].redis_port)
    replies = redis.pipeline([("SET", k, "v", "PXAT", d)
                              for k, d in deadlines.items()])
    redis.close()
    expect(set(replies) == {"OK"}, f"set: {set(replies)}")
    return deadlines


@test
def each_expiry_is_told_once_and_in_time_whatever_one_clock_says():
    """Breaks if a key goes before its deadline, stays for long behind it, or
    if its going is told twice or not at all: when one node's clock is a year
    ahead or late, and when a group gets another leader meanwhile."""
    with Cluster(groups=2, start=False) as c:
        with_own_walls(c)
        c.start()
        expiries = Expiries(c)
        deadlines = {}
        for turn, jump in enumerate(("+365d", "-365d")):
            victim = c.nodes[c.wait_leader(1 + turn)]
            set_clock(victim, jump)
            time.sleep(1)  # its neighbours have heard of it
            deadlines.update(set_with_deadlines(c, f"quiet{turn}-", 300, 4, 5))
            wait_until(lambda: len(expiries.told) >= len(deadlines), 30,
                       f"{len(deadlines)} expiries are told")
            quiet = sorted(now - deadlines[k] / 1000 for k, now
                           in expiries.told if k.startswith("quiet"))
            expect(quiet[-1] < BUSY,
                   f"they are late: {quiet[::len(quiet) // 10]}")
        # Now the leader with the wrong clock goes in the middle.
        deadlines.update(set_with_deadlines(c, "moved-", 300, 4, 6))
        time.sleep(max(0, deadlines["moved-0"] / 1000 + 0.5 - time.time()))
        victim.pause()
        wait_until(lambda: len(expiries.told) >= len(deadlines), 30,
                   f"{len(deadlines)} expiries are told")
        victim.resume()
        expiries.stop()
        keys = [k for k, _ in expiries.told]
        expect(sorted(keys) == sorted(deadlines),
               f"{len(keys)} expiries of {len(set(keys))} keys were told")
        early = {k: deadlines[k] / 1000 - now for k, now in expiries.told
                 if now < deadlines[k] / 1000 - 0.01}
        expect(not early, f"seconds too early: {early}")
        for key in list(deadlines)[::50]:
            expect(c.get(key) is None, f"{key} is still there")


@test
def keyspaces_are_isolated_limited_and_dropped():
    """Breaks if two keyspaces share a key, a limit is not kept, or dropped
    data comes back."""
    with Cluster(groups=2) as c:
        def run(*words, code=0):
            done = c.cli(*words)
            expect(done.code == code, f"{words}: {done.code} {done.err}")
            return done.text
        run("-k", "carts", "set", "k", "v", code=2)
        run("keyspace", "create", "carts")
        run("keyspace", "create", "carts")
        run("-k", "carts", "set", "k", "of carts")
        run("set", "k", "of default")
        expect(run("-k", "carts", "get", "k").strip() == "of carts", "isolated")
        run("keyspace", "create", "few", "--keys-max", "4", "--default-ttl",
            "10s")
        codes = [c.cli("-k", "few", "set", f"{{x}}{i}", "v").code
                 for i in range(6)]
        expect(codes == [0, 0, 0, 0, 4, 4], f"four keys and no more: {codes}")
        expect("few" in run("keyspace", "list"), "it is listed")
        wait_until(lambda: c.cli("-k", "few", "get", "{x}0").code == 1, 60,
                   "the default ttl")
        run("keyspace", "drop", "carts")
        run("-k", "carts", "get", "k", code=2)
        run("keyspace", "create", "carts")
        run("-k", "carts", "get", "k", code=1)
        expect(run("get", "k").strip() == "of default", "the other one stays")
        run("keyspace", "drop", "default", code=2)
        run("keyspace", "alter", "carts", "--keys-max", "5", code=2)
