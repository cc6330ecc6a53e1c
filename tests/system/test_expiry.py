"""test_expiry.py - time to live under wrong clocks and changing leaders."""
import glob
import os
import time

from cluster import Cluster, Skipped, expect, wait_until
from harness import test

TICK = 0.5  # what a group's clock may differ by, beside the clocks' own error


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

    def expect_in_time(self, seconds):
        """`seconds`: for the machine, which is busy."""
        time.sleep(max(0, self.latest - time.monotonic()))
        wait_until(lambda: not self.there(), seconds, f"{self.key} is gone")


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
                key.expect_in_time(1)
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
            key.expect_in_time(2)
        wait_until(lambda: c.cli("count").text.split()[-1:] == ["0"], 30,
                   "nothing is left")


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
            "2s")
        codes = [c.cli("-k", "few", "set", f"{{x}}{i}", "v").code
                 for i in range(6)]
        expect(codes.count(0) == 2, f"the share of a group: {codes}")
        expect("few" in run("keyspace", "list"), "it is listed")
        wait_until(lambda: c.cli("-k", "few", "get", "{x}0").code == 1, 10,
                   "the default ttl")
        run("keyspace", "drop", "carts")
        run("-k", "carts", "get", "k", code=2)
        run("keyspace", "create", "carts")
        run("-k", "carts", "get", "k", code=1)
        expect(run("get", "k").strip() == "of default", "the other one stays")
        run("keyspace", "drop", "default", code=2)
        run("keyspace", "alter", "carts", "--keys-max", "5", code=2)
